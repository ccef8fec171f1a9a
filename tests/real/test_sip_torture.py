"""Messages in the spirit of RFC 4475, each with the answers that it allows; an OPTIONS ping is answered after each."""

# ruff: noqa: E501 - a message a line reads better than broken ones

from __future__ import annotations

import asyncio

import pytest

from telephony.agent import IncomingCall

from .siprun import running_agent, wire
from .test_sip_wire import assert_alive

SDP = "v=0\r\no=m 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 21600 RTP/AVP 0\r\n"
REST = "Max-Forwards: 70\r\nContact: <sip:caller@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"


def headers(method: str, call: str, **other: str) -> str:
    lines = {
        "Via": "SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bK" + call,
        "From": "<sip:caller@example.net>;tag=1",
        "To": "<sip:bot@example.com>",
        "Call-ID": call,
        "CSeq": f"1 {method}",
    } | other
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)


def options(call: str, tail: str = REST, start: str = "OPTIONS sip:bot@example.com SIP/2.0", **other: str) -> str:
    return f"{start}\r\n{headers('OPTIONS', call, **other)}{tail}"


WSINV = (
    "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\nTO :\r\n sip:vivekg@chair-dnrc.example.com ;   x    = 1918\r\n"
    'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\n'
    "Call-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : LENGTH\r\ncseq: 0009\r\n  INVITE\r\n"
    "Via  : SIP  /   2.0\r\n /UDP\r\n    127.0.0.1:PORT;branch=390skdjuw\r\ns :\r\n"
    "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    "Content-Type: application/sdp\r\nv:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    'm:"Quoted string \\"\\"" <sip:jdrosen@127.0.0.1> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\n'
    + SDP
).replace("LENGTH", str(len(SDP)))
INTMETH = (
    "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    ":&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bK-.!%66*_+`'~\r\n"
    'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>\r\n'
    "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"working\";tag=_token~1'+`*%!-.\r\n"
    "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\n"
    "Max-Forwards: 255\r\nextensionHeader-!.%*+_`'~:大停電\r\nContent-Length: 0\r\n\r\n"
)

SILENT: tuple[int, ...] = ()
CASES: dict[str, tuple[str, tuple[int, ...]]] = {
    "wsinv": (WSINV, (480,)),
    "intmeth": (INTMETH, (405, 501)),
    "esc01": (options("esc01", To="<sip:%75se%72@example.com>", start="OPTIONS sip:sips%3Auser%40example.com@example.net SIP/2.0"), (200,)),
    "escnull": (options("escnull", From="sip:null-%00-null@example.com;tag=8", To="<sip:null-%00@example.com>"), (200,)),
    "esc02": (f"RE%47IST%45R sip:a@example.com SIP/2.0\r\n{headers('RE%47IST%45R', 'esc02')}{REST}", (405, 501)),
    "lwsdisp": (options("lwsdisp", From="caller<sip:caller@example.com>;tag=323"), (200,)),
    "longreq": (options("longreq", From=f'"{"I have a user name of extreme" * 9}" <sip:a@b>;tag=1{"2" * 200}', X="v" * 900), (200,)),
    "dblreq": (options("dblreq") + options("second"), (200,)),
    "semiuri": (options("semiuri", start="OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"), (200,)),
    "transports": (options("transports", Via="SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bKt, SIP/2.0/SCTP a.b, SIP/2.0/UNKNOWN c.d"), (200,)),
    "unreason": (f"SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять\r\n{headers('INVITE', 'unreason')}{REST}", SILENT),
    "noreason": (f"SIP/2.0 100 \r\n{headers('INVITE', 'noreason')}{REST}", SILENT),
    "badinv01": (options("badinv01", Via="SIP/2.0/UDP 127.0.0.1:PORT;;,;,,"), (400,)),
    "clerr": (options("clerr", REST.replace("Length: 0", "Length: 9999")), (400,)),
    "ncl": (options("ncl", REST.replace("Length: 0", "Length: -999")), (400,)),
    "scalar02": (options("scalar02", CSeq="36893488147419103232 OPTIONS"), (400,)),
    "scalarlg": (f"SIP/2.0 503 Service Unavailable\r\n{headers('OPTIONS', 'lg', CSeq='9292394834772304023312 OPTIONS')}{REST}", SILENT),
    "quotbal": (options("quotbal", To='"Mr. J. User <sip:j.user@example.com>'), (400,)),
    "ltgtruri": (options("ltgtruri", start="OPTIONS <sip:user@example.com> SIP/2.0"), (400,)),
    "lwsruri": (options("lwsruri", start="OPTIONS sip:user@example.com; lr SIP/2.0"), (400,)),
    "lwsstart": (options("lwsstart", start="OPTIONS  sip:user@example.com  SIP/2.0"), (400,)),
    "trws": (options("trws", start="OPTIONS sip:user@example.com SIP/2.0  "), (400,)),
    "escruri": (options("escruri", start="OPTIONS sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"), (400,)),
    "baddate": (options("baddate", Date="Fri, 01 Jan 2010 16:00:00 EST"), (200, 400)),
    "regbadct": (f"REGISTER sip:example.com SIP/2.0\r\n{headers('REGISTER', 'rb', Contact='sip:user@example.com?Route=x')}Content-Length: 0\r\n\r\n", (400, 405)),
    "badaspec": (options("badaspec", To='"Watson, Thomas" < sip:t.watson@example.org >'), (200, 400)),
    "baddn": (options("baddn", From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), (200, 400)),
    "badvers": (options("badvers", start="OPTIONS sip:t.watson@example.org SIP/7.0"), (505,)),
    "mismatch01": (options("mismatch01", CSeq="8 INVITE"), (400,)),
    "mismatch02": (f"NEWMETHOD sip:a@b.c SIP/2.0\r\n{headers('INVITE', 'mismatch02')}{REST}", (400, 501)),
    "bigcode": (f"SIP/2.0 4294967301 better not break the receiver\r\n{headers('INVITE', 'bigcode')}{REST}", SILENT),
    "badbranch": (options("badbranch", Via="SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bK"), (200,)),
    "insuf": (f"INVITE sip:user@example.com SIP/2.0\r\n{headers('INVITE', 'insuf', To='', From='')}{REST}", (400,)),
    "unkscm": (options("unkscm", start="OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"), (416,)),
    "novelsc": (options("novelsc", start="OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), (416,)),
    "unksm2": (options("unksm2", To="<isbn:2983792873>", From="<http://www.example.com>;tag=1"), (200, 400)),
    "bext01": (options("bext01", Require="nothingSupportsThis, nothingSupportsThisEither"), (420,)),
    "invut": (f"INVITE sip:a@b.c SIP/2.0\r\n{headers('INVITE', 'invut')}{REST.replace('Length: 0', 'Length: 3')}x=y".replace("Content-Length", "Content-Type: application/unknownformat\r\nContent-Length"), (415,)),
    "regaut01": (f"REGISTER sip:example.com SIP/2.0\r\n{headers('REGISTER', 'ra', Authorization='NoOneKnowsThisScheme opaque-data=here')}{REST}", (405,)),
    "multi01": (options("multi01", REST.replace("Max", "Call-ID: again\r\nCSeq: 5 OPTIONS\r\nTo: <sip:x@y>\r\nMax")), (400,)),
    "mcl01": (options("mcl01", REST.replace("Content", "Content-Length: 13\r\nContent")), (400,)),
    "bcast": (f"SIP/2.0 200 OK\r\n{headers('INVITE', 'bcast', Via='SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1')}{REST}", SILENT),
    "zeromf": (options("zeromf", REST.replace("70", "0")), (200, 483)),
    "cparam01": (f"REGISTER sip:example.com SIP/2.0\r\n{headers('REGISTER', 'cp', Contact='sip:+19725552222@gw1.example.net;unknownparam')}Content-Length: 0\r\n\r\n", (405,)),
    "sdp01": (options("sdp01", Accept="text/nobodyKnowsThis"), (200, 406)),
    "inv2543": (
        "INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:PORT\r\nFrom: <sip:UserA@example.com>\r\n"
        "To: sip:UserB@example.com\r\nCall-ID: inv2543\r\nCSeq: 1 INVITE\r\nContact: <sip:UserA@127.0.0.1>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}",
        (480,),
    ),
}  # fmt: skip


async def let_it_go(incoming: IncomingCall) -> None:
    """Neither answers nor rejects: the agent says 480."""


@pytest.mark.parametrize("name", CASES)
async def test_a_torture_message_gets_an_answer_that_the_rfc_allows(name: str) -> None:
    text, allowed = CASES[name]
    async with running_agent(let_it_go) as agent, wire(agent.port) as peer:
        peer.send(text.replace("PORT", str(peer.port)).encode())
        silent_is_fine = not allowed or name == "insuf"
        try:
            response = await peer.receive("SIP/2.0", 0.2 if silent_is_fine else 3)
            while response.startswith("SIP/2.0 100"):
                response = await peer.receive("SIP/2.0")
            assert int(response.split(" ")[1]) in allowed, response
        except TimeoutError:
            assert silent_is_fine
        await assert_alive(peer)


async def test_all_of_them_at_once_leave_nothing_behind() -> None:
    async with running_agent(let_it_go) as agent, wire(agent.port) as peer:
        for text, _ in CASES.values():
            peer.send(text.replace("PORT", str(peer.port)).encode())
        await assert_alive(peer)
        await asyncio.sleep(0.1)
        assert agent.active_calls == 0
