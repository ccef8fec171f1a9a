"""The ladder of a call: as a story, as text, as a page that no peer can write into, and as a capture."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from telephony.doctor import call_trace, ladder, ladder_page, message_sequence, pcap
from telephony.doctor.call_trace import CallTrace
from telephony.sip.hop import Hop
from telephony.sip_trace import SipTrace, TraceEntry

PEER = Hop("udp", "192.0.2.9", 5062)
LOCAL = "192.0.2.1:5060"
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 0 101\r\n{more}"
OFFER = SDP.format(more="a=rtpmap:101 telephone-event/8000\r\n")
ANSWER = SDP.replace("8 0 101", "8").format(more="")
HELD = SDP.format(more="a=sendonly\r\n")


def message(start: str, seq: str = "1 INVITE", extra: str = "", body: str = "", name: str = "Ann") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK{seq[0]}\r\n"
        f"From: {name} <sip:ann@192.0.2.9>;tag=a\r\n"
        f"To: <sip:bot@192.0.2.1>;tag=b\r\nCall-ID: call@x\r\nCSeq: {seq}\r\n{extra}{kind}"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


def back(octets: bytes) -> bytes:
    """The same from the called side."""
    return octets.replace(b"From: ", b"Fro: ").replace(b"To: ", b"From: ").replace(b"Fro: ", b"To: ")


class Clock:
    """Goes on by what it is told."""

    now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


def traced(*said: tuple[float, bool, bytes] | str) -> CallTrace:
    """Messages as (seconds since the last one, ours, octets), or remarks."""
    clock = Clock()
    trace = SipTrace(wall=clock, clock=clock)
    for item in said:
        if isinstance(item, str):
            trace.remark("call@x", item)
            continue
        clock.now_s += item[0]
        trace.note(item[1], PEER, LOCAL, item[2])
    return CallTrace("call@x", {"call@x": trace.of("call@x")})


INVITE = message("INVITE sip:bot@192.0.2.1 SIP/2.0", body=OFFER)
RINGING = message("SIP/2.0 180 Ringing")
OK = message("SIP/2.0 200 OK", body=ANSWER)
ACK = message("ACK sip:bot@192.0.2.1 SIP/2.0", "1 ACK")
HOLD = message("INVITE sip:bot@192.0.2.1 SIP/2.0", "2 INVITE", body=HELD)
BYE = back(message("BYE sip:ann@192.0.2.9 SIP/2.0", "3 BYE", 'Reason: Q.850;cause=16;text="done"\r\n'))
CALL = traced(
    (0, False, INVITE), (0.15, True, RINGING), (1.85, True, OK), (0.5, True, OK), (0.02, False, ACK),
    "SDP agreed: PCMA, 20 ms", (3, False, HOLD), (4, True, BYE), (0.1, False, back(message("SIP/2.0 200 OK", "3 BYE"))),
)  # fmt: skip


def test_the_story_gives_times_codecs_holds_and_who_hung_up() -> None:
    told = message_sequence.read_sequence(CALL)
    assert told.facts == [
        "first sign of ringing (180) after 150 ms (post-dial delay)",
        "answered after 2000 ms (set-up time)",
        'we hung up: Q.850;cause=16;text="done", after 7.5 s of talk',
        "1 message(s) came more than once: packets are lost, or answers come late",
    ]
    notes = {index: step.notes for index, step in enumerate(told.steps)}
    assert notes[0] == ["offer: audio: PCMA, PCMU, telephone-event; at 192.0.2.9 port 6000; plain RTP"]
    assert "audio: agreed on PCMA, plain RTP, no events for key presses" in notes[2]
    assert told.steps[3].repeated == 1 and notes[3] == ["retransmission (no. 1, after 0.50 s)"]
    assert told.steps[5].label == "SDP agreed: PCMA, 20 ms"
    assert "audio: put on hold" in notes[6]


@pytest.mark.parametrize(
    ("said", "fact"),
    [
        ([(0, False, INVITE), (1, True, message("SIP/2.0 486 Busy Here"))], "not answered: 486 Busy Here by us"),
        ([(0, True, INVITE), (1, False, message("SIP/2.0 403 No"))], "not answered: 403 No by the other side"),
        (
            [(0, False, INVITE), (1, False, message("CANCEL sip:bot@192.0.2.1 SIP/2.0", "1 CANCEL"))],
            "not answered: the other side gave up before an answer",
        ),
        ([(0, True, INVITE)], "not answered yet, and not refused: no final response is in the trace"),
        ([(0, False, INVITE), (1, True, OK)],
         "the answer was never confirmed: no ACK came; look at Contact, Record-Route and the firewall"),
    ],
)  # fmt: skip
def test_calls_that_do_not_come_about_say_why(said: list[tuple[float, bool, bytes]], fact: str) -> None:
    assert fact in message_sequence.read_sequence(traced(*said)).facts


def test_refusals_carry_their_meaning_warning_and_remedy() -> None:
    refused = message("SIP/2.0 488 No", extra='Warning: 304 x "no codec"\r\nRetry-After: 5\r\n')
    step = message_sequence.read_sequence(traced((0, True, INVITE), (0.1, False, refused))).steps[1]
    assert step.failure
    assert step.notes[0].startswith("nothing in the offer can be used — compare codecs and encryption")
    assert 'Warning: 304 x "no codec"' in step.notes[0] and step.notes[1] == "try again after 5 s"


def test_an_offer_in_the_answer_is_recognised() -> None:
    late = message("INVITE sip:bot@192.0.2.1 SIP/2.0")
    acknowledged = message("ACK sip:bot@192.0.2.1 SIP/2.0", "1 ACK", body=ANSWER)
    steps = message_sequence.read_sequence(traced((0, False, late), (0.1, True, message("SIP/2.0 200 OK", body=OFFER)),
                              (0.1, False, acknowledged))).steps  # fmt: skip
    assert "late offer" in steps[0].notes[0] and steps[1].notes[0].startswith("offer: audio")
    assert "audio: agreed on PCMA, plain RTP, no events for key presses" in steps[2].notes


def test_the_text_has_an_arrow_for_each_message() -> None:
    text = ladder.text(message_sequence.read_sequence(CALL))
    assert "   0.000 |-- INVITE sip:bot@192.0.2.1 " in text and "   0.150 |<- 180 Ringing -" in text
    assert max(map(len, text.split("\n"))) < 160
    assert ladder.text(message_sequence.read_sequence(CallTrace("x", {}))) == "nothing is known of call x\n"


def test_a_call_that_comes_back_with_one_call_id_has_two_legs() -> None:
    there_and_back = [(INVITE, True), (INVITE, False), (OK, True), (OK, False), (ACK, True), (ACK, False)]
    said = [(0.1, ours, octets) for octets, ours in [*there_and_back, (BYE, True), (BYE, False)]]
    told = message_sequence.read_sequence(traced(*said))
    assert [fact.partition(",")[0] for fact in told.facts] == [
        "we called", "  answered after 300 ms (set-up time)", "  the other side hung up: Q.850;cause=16;text=\"done\"",
        "we were called", "  answered after 100 ms (set-up time)", "  we hung up: Q.850;cause=16;text=\"done\"",
    ]  # fmt: skip
    assert all(step.repeated == 0 for step in told.steps)


def test_two_legs_stand_left_and_right_of_us() -> None:
    clock = Clock()
    trace = SipTrace(wall=clock, clock=clock)
    trace.note(False, PEER, LOCAL, INVITE)
    trace.note(True, Hop("tcp", "2001:db8::7", 5060), LOCAL, INVITE.replace(b"call@x", b"second"))
    told = message_sequence.read_sequence(CallTrace("c", {"call@x": trace.of("call@x"), "second": trace.of("second")}))
    lines = ladder.text(told).split("\n")
    header = next(line for line in lines if "us 192.0.2.1:5060" in line)
    assert header.split() == ["192.0.2.9:5062", "us", "192.0.2.1:5060", "[2001:db8::7]:5060"]
    assert any(line.rstrip().endswith(">| TCP") for line in lines)


def test_json_brings_back_what_was_sent() -> None:
    again = call_trace.from_json(json.loads(json.dumps(call_trace.to_json(CALL))))
    assert (again.call, again.legs, list(again.rtp)) == (CALL.call, CALL.legs, [])


@pytest.mark.parametrize(
    "data",
    [None, [], {"legs": 1}, {"legs": [{}]}, {"legs": [{"call_id": "a", "entries": [1]}]},
     {"legs": [{"call_id": "a", "entries": [{"wall_s": "x", "at_s": 0}]}]},
     {"legs": [{"call_id": "a", "entries": [{"wall_s": 1, "at_s": 0, "data": "%"}]}]},
     {"legs": [{"call_id": "a", "entries": [{"wall_s": 1e999, "at_s": 0, "data": ""}]}]}],
)  # fmt: skip
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        call_trace.from_json(data)


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.equivalents: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.equivalents += [value for name, value in attrs if name == "http-equiv"]


OURS = {"html", "head", "meta", "title", "style", "body", "h1", "p", "ul", "li", "table", "thead", "tbody", "tr", "th",
        "td", "div", "span", "details", "summary", "pre"}  # fmt: skip
PAYLOADS = [
    template.format(body)
    for template in (
        "<script>{}</script>", '"><img src=x onerror={}>', "<svg/onload={}>", "</pre><script>{}</script>",
        "</title><script>{}</script>", "</style><script>{}</script>", "<iframe srcdoc='<script>{}</script>'>",
        "<a href=javascript:{}>x</a>", "' onmouseover='{}", "<!--<script>{}</script>-->", "<body onload={}>",
        "&lt;script&gt;{}&lt;/script&gt;", "\u003cscript\u003e{}", "<math><mi//xlink:href='data:x,{}'>",
        "<details open ontoggle={}>", "<meta http-equiv=refresh content='0;url=javascript:{}'>", "]]><script>{}",
    )
    for body in ("alert(1)", "fetch(`//x`)", "document.cookie")
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_a_peer_sends_becomes_markup(payload: str) -> None:
    """Acceptance 30, for the ladder."""
    assert len(PAYLOADS) >= 50
    body = f"v=0\r\no={payload}\r\ns={payload}\r\nc=IN IP4 {payload}\r\nm={payload} 1 {payload} 0\r\na={payload}\r\n"
    quoted = '"' + payload.replace("\\", "").replace('"', '\\"') + '"'
    extra = f"User-Agent: {payload}\r\nReason: {payload}\r\nWarning: {payload}\r\nRefer-To: {payload}\r\n"
    call = traced(
        (0, False, message("INVITE sip:bot@x SIP/2.0", extra=extra, body=body, name=quoted)),
        payload,
        (0, False, message("REFER sip:bot@x SIP/2.0", "2 REFER", extra)),
        (0, False, message(f"SIP/2.0 400 {payload}", extra=extra)),
        (0, False, message(f"INVITE {payload} SIP/2.0")),
    )
    html = ladder_page.page(
        message_sequence.read_sequence(
            CallTrace(payload, {**call.legs, payload: [TraceEntry(1, 1, False, payload, payload, payload, b"x")]})
        )
    )
    found = Tags()
    found.feed(html)
    assert found.tags <= OURS
    assert found.attributes <= {"lang", "charset", "http-equiv", "content", "class", "colspan"}
    assert found.equivalents == ["Content-Security-Policy"]


def test_no_mutated_message_breaks_the_tools() -> None:
    rng = random.Random(4)
    for _ in range(400):
        said: list[tuple[float, bool, bytes]] = []
        for data in (INVITE, OK, HOLD, BYE):
            octets = bytearray(data)
            for _ in range(rng.randrange(8)):
                octets[rng.randrange(len(octets))] = rng.randrange(256)
            said.append((0.1, rng.random() < 0.5, bytes(octets)))
        call = traced(*said)
        told = message_sequence.read_sequence(call)
        text = ladder.text(told)
        assert all(ch.isprintable() or ch == "\n" for ch in text)
        assert ladder_page.page(told) and pcap.write(call)


@pytest.mark.peer("tshark")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_reads_the_capture(tmp_path: Path) -> None:
    packets = [bytes([0x80, 8, 0, n, 0, 0, 0, n * 80, 0, 0, 0, 1]) + b"\xd5" * 160 for n in range(3)]
    where = "udp", "192.0.2.1:20000", "192.0.2.9:6000"
    rtp = [TraceEntry(1_800_000_000.1 + n / 50, n / 50, True, *where, packet) for n, packet in enumerate(packets)]
    six = [TraceEntry(1_800_000_009.0, 9, True, "tls", "[2001:db8::1]:5061", "[2001:db8::2]:4000", BYE)]
    call = CallTrace("c", {**CALL.legs, "six": six}, rtp)
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap.write(call))
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "rtp.heuristic_rtp:TRUE"]
    fields = ["-e", "sip.Method", "-e", "sip.Status-Code", "-e", "rtp.p_type", "-e", "udp.checksum.status",
              "-e", "ip.checksum.status", "-e", "ip.src", "-e", "udp.dstport", "-e", "frame.time_epoch"]  # fmt: skip
    run = subprocess.run(
        ["tshark", "-r", path, *checks, "-T", "fields", "-E", "separator=,", *fields],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split(",") for line in run.stdout.splitlines()]
    assert [row[0] or row[1] or f"rtp {row[2]}" for row in rows] == [
        "INVITE", "rtp 8", "rtp 8", "rtp 8", "180", "200", "200", "ACK", "INVITE", "BYE", "BYE", "200",
    ]  # fmt: skip
    assert {row[3] for row in rows} == {"1"} and {row[4] for row in rows} == {"1", ""}
    assert rows[0][5:7] == ["192.0.2.9", "5060"] and float(rows[0][7]) == 1_800_000_000
