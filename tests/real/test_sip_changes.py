"""What can be changed in a running call, with sipp at the other end: it insists on each message and its contents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.leg import LegError
from telephony.sip.digest import Credentials

from .legs import legs
from .programs import PATIENCE_S, until
from .sippscript import Script, sdp
from .siprun import sipp

pytestmark = pytest.mark.peer("sipp")

SHORT = Terms(timer=SessionTimerPolicy(expires_s=2, min_s=1))
Act = Callable[[SipLeg], Awaitable[None]]


async def play(
    script: Script,
    folder: Path,
    act: Act | None = None,
    terms: Terms | None = None,
    credentials: Credentials | None = None,
    transport: str = "udp",
) -> SipLeg:
    """Let sipp call and do what the script says, while `act` is done to our leg. Returns the leg."""
    async with (
        legs(terms, credentials) as ours,
        sipp(script.write(folder), to=ours.port, transport=transport) as caller,
    ):
        leg = await ours.next(caller)
        if act is not None:
            await act(leg)
        await caller.ended()
        await asyncio.wait_for(leg.closed, PATIENCE_S)
        return leg


async def confirmed(leg: SipLeg) -> None:
    await until(lambda: leg.state != "answered")


# ── hold ──


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_a_peer_holds_in_every_dialect_and_resumes(method: str, tmp_path: Path) -> None:
    script = Script().answered()
    dialects = [
        (sdp(2, "sendonly"), "a=recvonly"),
        (sdp(3, "inactive"), "a=inactive"),
        (sdp(4, "recvonly"), "a=sendonly"),
        (sdp(5, "sendrecv", "0.0.0.0"), "a=(inactive|recvonly)"),
        (sdp(6, "sendrecv"), "a=sendrecv"),
        (sdp(6, "sendrecv"), "a=sendrecv"),
    ]
    for body, answer in dialects:
        script.send(method, body).expect(200, body=answer)
        if method == "INVITE":
            script.ack()
    leg = await play(script.bye(), tmp_path)
    assert not leg.held


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_we_hold_and_resume(transport: str, tmp_path: Path) -> None:
    script = Script().answered()
    for asked, answer in [("sendonly", "recvonly"), ("sendrecv", "sendrecv"), ("inactive", "inactive")]:
        script.wanted("INVITE", body=f"a={asked}").reply("200 OK", sdp(2, answer)).wanted("ACK")
    states = []

    async def act(leg: SipLeg) -> None:
        await leg.hold()
        states.append((leg.holding, leg.held))
        await leg.resume()
        states.append((leg.holding, leg.held))
        await leg.hold(silent=True)
        states.append((leg.holding, leg.held))

    await play(script.bye(), tmp_path, act, transport=transport)
    assert states == [(True, False), (False, False), (True, False)]


async def test_we_hold_by_update_where_the_peer_knows_it_and_fall_back_where_it_does_not(tmp_path: Path) -> None:
    script = Script("Allow: INVITE, ACK, BYE, CANCEL, UPDATE").answered()
    script.wanted("UPDATE", body="a=sendonly").reply("200 OK", sdp(2, "recvonly"))
    script.wanted("UPDATE", body="a=sendrecv").reply("491 Request Pending")
    script.wanted("UPDATE", body="a=sendrecv").reply("405 Method Not Allowed")
    script.wanted("INVITE", body="a=sendrecv").reply("200 OK", sdp(3), "Allow: INVITE, ACK, BYE").wanted("ACK")
    script.wanted("INVITE", body="a=sendonly").reply("200 OK", sdp(4, "recvonly")).wanted("ACK")

    async def act(leg: SipLeg) -> None:
        await leg.hold(method="UPDATE")
        assert leg.holding
        await leg.resume(method="UPDATE")
        assert not leg.holding
        await leg.hold(method="UPDATE")

    await play(script.bye(), tmp_path, act)


async def test_a_call_without_media_ends_but_not_while_either_side_holds(tmp_path: Path) -> None:
    script = Script().answered().wanted("INVITE").reply("200 OK", sdp(2, "recvonly")).wanted("ACK").pause(900)
    script.send("INVITE", sdp(3, "sendonly")).expect(200, body="a=inactive").ack()
    script.wanted("INVITE").reply("200 OK", sdp(4, "sendonly")).wanted("ACK").pause(900)
    script.send("INVITE", sdp(5, "sendrecv")).expect(200, body="a=sendrecv").ack()
    script.wanted("BYE", header=("Reason", "Q.850;cause=102")).reply("200 OK")

    async def act(leg: SipLeg) -> None:
        await leg.hold()
        await until(lambda: leg.held)
        await leg.resume()

    leg = await play(script, tmp_path, act, Terms(no_media_s=0.6))
    assert leg.closed.result() == "no-media"


async def test_both_sides_hold_and_each_resumes_for_itself(tmp_path: Path) -> None:
    script = Script().answered()
    script.send("INVITE", sdp(2, "sendonly")).expect(200, body="a=recvonly").ack()
    script.wanted("INVITE", body="a=sendonly").reply("200 OK", sdp(3, "inactive")).wanted("ACK")
    script.send("INVITE", sdp(4, "sendrecv")).expect(200, body="a=sendonly").ack()
    script.wanted("INVITE", body="a=sendrecv").reply("200 OK", sdp(5, "sendrecv")).wanted("ACK")

    async def act(leg: SipLeg) -> None:
        await until(lambda: leg.held)
        await leg.hold()
        await until(lambda: not leg.held)
        assert leg.holding
        await leg.resume()
        assert not leg.holding

    await play(script.bye(), tmp_path, act)


async def test_a_refused_hold_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    script = Script().answered()
    script.wanted("INVITE", body="a=sendonly").reply("488 Not Acceptable Here").wanted("ACK")
    script.send("INVITE").expect(200, body="a=sendrecv").ack(sdp(1))

    async def act(leg: SipLeg) -> None:
        with pytest.raises(LegError) as caught:
            await leg.hold()
        assert caught.value.status == 488
        assert not leg.holding

    await play(script.bye(), tmp_path, act)


async def test_an_offer_that_cannot_be_answered_changes_nothing(tmp_path: Path) -> None:
    script = Script().answered()
    broken = sdp(2).replace("RTP/AVP 0 101", "RTP/AVP 3")
    script.send("INVITE", broken).expect(488, header=("Warning", "399")).ack(refused=True)
    script.send("UPDATE", broken).expect(488)
    script.send("UPDATE", "nonsense").expect(400)
    script.send("UPDATE", "x", kind="text/plain").expect(415, header=("Accept", "application/sdp"))
    script.send("INVITE", sdp(3)).expect(200, body="a=sendrecv").ack()
    await play(script.bye(), tmp_path)


async def test_a_late_offer_reinvite_repeats_what_is_agreed_and_takes_the_answer_in_ack(tmp_path: Path) -> None:
    script = Script().answered()
    script.send("INVITE").expect(200, body="a=sendrecv").ack(sdp(2, "sendonly"))
    script.send("INVITE").expect(200, body="a=sendrecv").ack()  # no answer: all stays
    script.send("OPTIONS").expect(200, header=("Allow", "UPDATE")).wanted("MESSAGE").reply("200 OK")
    held = []

    async def act(leg: SipLeg) -> None:
        await until(lambda: (leg.dialog.remote_seq or 0) == 4)  # INVITE, INVITE, INVITE, OPTIONS
        held.append(leg.held)
        await leg.request("MESSAGE", body=b"go on", content_type="text/plain")

    await play(script.bye(), tmp_path, act)
    assert held == [True]


# ── glare and order ──


async def test_glare_our_reinvite_gets_491_and_is_tried_again_after_a_random_wait(tmp_path: Path) -> None:
    """While ours is open the peer's own gets 491, too (RFC 3261 section 14.2)."""
    script = Script().answered().wanted("INVITE", body="a=sendonly")
    script.reply("491 Request Pending").wanted("ACK")
    script.send("INVITE", sdp(2)).expect(200, body="a=sendrecv").ack()
    script.wanted("INVITE", body="a=sendonly").reply("200 OK", sdp(3, "recvonly")).wanted("ACK")
    await play(script.bye(), tmp_path, lambda leg: leg.hold())


async def test_glare_the_peers_offer_gets_491_while_ours_is_open(tmp_path: Path) -> None:
    script = Script().answered().wanted("INVITE", header=("Via", "SIP"), body="a=sendonly")
    script.send("UPDATE", sdp(2)).expect(491)
    script.send("INVITE", sdp(2)).expect(491).ack(refused=True)
    script.send("UPDATE").expect(200)  # without an offer there is nothing to collide
    leg: list[SipLeg] = []

    async def act(one: SipLeg) -> None:
        leg.append(one)
        with pytest.raises(LegError, match="Over"):
            await one.hold()

    await play(script.bye(), tmp_path, act)
    assert not leg[0].holding


async def test_an_overlap_is_tried_again_after_what_the_peer_asks_for(tmp_path: Path) -> None:
    script = Script().answered().wanted("INVITE")
    script.reply("500 Server Internal Error", extra="Retry-After: 1").wanted("ACK")
    script.wanted("INVITE").reply("200 OK", sdp(2, "recvonly")).wanted("ACK")
    await play(script.bye(), tmp_path, lambda leg: leg.hold())


@pytest.mark.parametrize("status", ["481 Call/Transaction Does Not Exist", "408 Request Timeout"])
async def test_a_peer_that_knows_nothing_of_the_call_ends_it(status: str, tmp_path: Path) -> None:
    script = Script().answered().wanted("INVITE").reply(status).wanted("ACK")
    script.wanted("BYE", header=("Reason", f"SIP;cause=500;text=.failed|{status[:3]}")).reply("200 OK")

    async def act(leg: SipLeg) -> None:
        with pytest.raises(LegError):
            await leg.hold()

    leg = await play(script, tmp_path, act)
    assert leg.closed.result() == f"failed: {status[:3]} to our INVITE"


async def test_a_challenge_inside_the_call_is_answered(tmp_path: Path) -> None:
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
    script = Script().answered().wanted("INVITE").reply("401 Unauthorized", extra=challenge).wanted("ACK")
    script.wanted("INVITE", header=("Authorization", 'username="bot".*SHA-256')).reply("200 OK", sdp(2, "recvonly"))
    script.wanted("ACK", header=("Authorization", "Digest")).bye()
    await play(script, tmp_path, lambda leg: leg.hold(), credentials=Credentials("bot", "secret"))


async def test_a_repeated_200_to_our_reinvite_gets_the_ack_again(tmp_path: Path) -> None:
    script = Script().answered().wanted("INVITE")
    script.reply("200 OK", sdp(2, "recvonly")).wanted("ACK").pause(50)
    await play(script.bye(), tmp_path, lambda leg: leg.hold())


# ── session timers ──


async def test_we_refresh_by_update_when_the_peer_knows_it_and_by_reinvite_when_not(tmp_path: Path) -> None:
    timer = "Supported: timer\nSession-Expires: 2;refresher=uas\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE"
    script = Script(timer).send("INVITE", sdp()).expect(200, header=("Session-Expires", "2;refresher=uas")).ack()
    script.wanted("UPDATE", header=("Session-Expires", "2;refresher=uac"))
    script.reply("405 Method Not Allowed")
    script.wanted("INVITE", header=("Session-Expires", "2;refresher=uac"), body="o=.* 1 IN")
    script.reply("200 OK", sdp(1), "Session-Expires: 2;refresher=uac\nAllow: UPDATE").wanted("ACK")
    script.wanted("UPDATE").reply("200 OK", extra="Session-Expires: 2;refresher=uac")
    await play(script.bye(), tmp_path, terms=SHORT)


async def test_a_peer_that_refreshes_keeps_the_call_and_one_that_stops_loses_it(tmp_path: Path) -> None:
    script = Script("Supported: timer\nSession-Expires: 2;refresher=uac\nMin-SE: 1")
    script.send("INVITE", sdp()).expect(200, header=("Require", "timer")).ack().pause(1000)
    script.send("UPDATE").expect(200, header=("Session-Expires", "2;refresher=uac")).pause(1000)
    script.send("INVITE", sdp()).expect(200, header=("Session-Expires", "2;refresher=uac")).ack()
    script.wanted("BYE", header=("Reason", "SIP;cause=408;text=.Session expired")).reply("200 OK")
    leg = await play(script, tmp_path, terms=SHORT)
    assert leg.closed.result() == "failed: session expired"


async def test_an_interval_below_ours_gets_422_and_the_next_try_is_taken(tmp_path: Path) -> None:
    terms = Terms(timer=SessionTimerPolicy(expires_s=1800, min_s=90))
    script = Script("Supported: timer")
    script.send("INVITE", sdp(), "Session-Expires: 30").expect(422, header=("Min-SE", "90")).ack(refused=True)
    script.send("INVITE", sdp(), "Session-Expires: 90").expect(
        200, header=("Session-Expires", "90;refresher=uac")
    ).ack()
    script.send("UPDATE", extra="Session-Expires: 30").expect(422, header=("Min-SE", "90"))
    await play(script.bye(), tmp_path, terms=terms)


async def test_a_422_to_our_refresh_raises_the_interval(tmp_path: Path) -> None:
    timer = "Supported: timer\nSession-Expires: 2;refresher=uas\nAllow: UPDATE"
    script = Script(timer).answered()
    script.wanted("UPDATE", header=("Session-Expires", "2;")).reply("422 Session Interval Too Small", extra="Min-SE: 7")
    script.wanted("UPDATE", header=("Session-Expires", "7;")).reply("200 OK", extra="Session-Expires: 7;refresher=uac")
    leg = await play(script.bye(), tmp_path, terms=SHORT)
    assert leg.timer.interval_s == 7


# ── keys and other requests ──


async def test_keys_come_by_info(tmp_path: Path) -> None:
    script = Script().answered()
    script.send("INFO", "Signal=5\nDuration=160\n", kind="application/dtmf-relay").expect(200)
    script.send("INFO", "Signal= 11 \n", kind="application/dtmf-relay").expect(200)
    script.send("INFO", "*", kind="application/dtmf").expect(200)
    script.send("INFO").expect(200)
    script.send("INFO", "Signal=X\n", kind="application/dtmf-relay").expect(400)
    script.send("INFO", "<x/>", kind="application/media_control+xml").expect(415, header=("Accept", "dtmf-relay"))
    script.send("INFO", extra="Info-Package: foo").expect(469, header=("Recv-Info", ""))
    keys: list[str] = []

    async def act(leg: SipLeg) -> None:
        leg.on_dtmf = keys.append

    await play(script.bye(), tmp_path, act)
    assert keys == ["5", "#", "*"]


async def test_keys_go_by_info_when_the_terms_say_so(tmp_path: Path) -> None:
    script = Script().answered()
    script.wanted("INFO", header=("Content-Type", "application/dtmf-relay"), body="Signal=1")
    script.reply("415 Unsupported Media Type", extra="Accept: application/dtmf")
    script.wanted("INFO", header=("Content-Type", "application/dtmf"), body="1").reply("200 OK")
    script.wanted("INFO", body="#").reply("200 OK")

    async def act(leg: SipLeg) -> None:
        await confirmed(leg)
        with pytest.raises(ValueError, match="keys"):
            leg.send_dtmf("x")
        leg.send_dtmf("1#")

    await play(script.bye(), tmp_path, act, Terms(keys="info"))


async def test_other_requests_get_what_the_rules_say_and_the_call_goes_on(tmp_path: Path) -> None:
    script = Script().answered()
    script.send("MESSAGE").expect(405, header=("Allow", "UPDATE"))
    script.send("NOTIFY", extra="Event: refer\nSubscription-State: active").expect(481)
    script.send("NOTIFY", extra="Event: presence\nSubscription-State: active").expect(489)
    script.send("PRACK", extra="RAck: 1 1 INVITE").expect(481)
    script.send("REFER", extra="Refer-To: <sip:x@127.0.0.1>").expect(403)
    script.send("OPTIONS").expect(200, header=("Supported", "timer"))
    await play(script.bye(), tmp_path)


async def test_the_peers_reason_is_kept(tmp_path: Path) -> None:
    script = Script().answered().send("BYE", extra='Reason: Q.850;cause=16;text="Normal"').expect(200)
    leg = await play(script, tmp_path)
    assert (leg.closed.result(), leg.ended_by) == ("caller", "caller: Q.850 16 Normal")


async def test_any_request_can_be_sent_inside_a_call(tmp_path: Path) -> None:
    script = Script().answered().wanted("MESSAGE", header=("Content-Type", "text/plain"), body="hello").reply("202 Yes")
    codes = []

    async def act(leg: SipLeg) -> None:
        await confirmed(leg)
        codes.append((await leg.request("MESSAGE", body=b"hello", content_type="text/plain")).code)
        with pytest.raises(ValueError, match="BYE"):
            await leg.request("BYE")

    await play(script.bye(), tmp_path, act)
    assert codes == [202]
