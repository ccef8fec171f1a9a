"""What happens in a call when messages get lost, come twice, late, crosswise or from nowhere: bare datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator

import pytest

from telephony.call.dialog import offer_answer
from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.leg import LegError

from .legs import Legs, legs
from .programs import PATIENCE_S, until
from .siprun import OFFER, Wire, to_tag, wire

HELD = OFFER + "a=sendonly\n"


@contextlib.asynccontextmanager
async def called(terms: Terms | None = None) -> AsyncIterator[tuple[Legs, Wire, SipLeg, str]]:
    """A call from a bare socket: our endpoint, the socket, our leg, its tag."""
    async with legs(terms) as ours, wire(ours.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        tag = to_tag(await peer.receive("SIP/2.0 200"))
        peer.send(peer.request("ACK", branch="z9hG4bKack", to=tag))
        leg = await ours.new.get()
        await until(lambda: leg.state == "confirmed")
        yield ours, peer, leg, tag


def answer(request: str, status: str, body: str = "", extra: str = "") -> str:
    """A response to a request that came in."""
    kept = [line for line in request.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
    kind = "Content-Type: application/sdp\n" if body else ""
    length = len(body.replace("\n", "\r\n"))
    head = f"SIP/2.0 {status}\n" + "\n".join(kept) + f"\n{extra}{kind}"
    return f"{head}Contact: <sip:ann@127.0.0.1:9>\nContent-Length: {length}\n\n{body}"


async def nothing(peer: Wire, start: str, seconds: float = 0.2) -> None:
    with pytest.raises(TimeoutError):
        await peer.receive(start, seconds)


async def test_a_200_to_our_reinvite_that_comes_again_gets_the_same_ack_again() -> None:
    async with called() as (_, peer, leg, _tag):
        holding = asyncio.create_task(leg.hold())
        invite = await peer.receive("INVITE ")
        ok = answer(invite, "200 OK", OFFER + "a=recvonly\n").replace("ann@127.0.0.1:9", f"ann@127.0.0.1:{peer.port}")
        acks = []
        for _ in range(3):
            peer.send(ok)
            acks.append(await peer.receive("ACK "))
        await holding
        assert acks[0] == acks[1] == acks[2]
        assert re.search(r"^CSeq: (\d+) ", acks[0], re.MULTILINE)[1] in invite  # type: ignore[index]
        assert leg.holding


async def test_an_ack_that_comes_late_again_or_for_nothing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer_answer, "T1_S", 0.05)
    async with called() as (_, peer, leg, tag):
        peer.send(peer.request("INVITE", branch="z9hG4bKr", seq="2", to=tag, body=HELD))
        for _ in range(3):  # the ACK is late, so the 200 is repeated
            assert "a=recvonly" in await peer.receive("SIP/2.0 200")
        for n in range(3):
            peer.send(peer.request("ACK", branch=f"z9hG4bKl{n}", seq="2", to=tag, body=OFFER))
        peer.send(peer.request("ACK", branch="z9hG4bKm", seq="77", to=tag))
        peer.send(peer.request("OPTIONS", branch="z9hG4bKn", seq="78", to=tag))
        while "CSeq: 78 " not in await peer.receive("SIP/2.0 200"):
            pass  # what is answered later was sent later
        while not peer.inbox.empty():
            peer.inbox.get_nowait()
        await nothing(peer, "SIP/2.0 200")
        assert leg.held and leg.state == "confirmed"


async def test_a_reinvite_whose_ack_was_lost_does_not_block_the_next_and_a_crowd_of_them_is_told_to_wait() -> None:
    """RFC 5407 section 3.1: the offer and its answer were complete before the ACK."""
    async with called() as (_, peer, leg, tag):
        for n in range(2, 2 + offer_answer.MAX_UNACKNOWLEDGED):
            body = HELD.replace("o=u 1 1", f"o=u 1 {n}") if n % 2 else OFFER.replace("o=u 1 1", f"o=u 1 {n}")
            peer.send(peer.request("INVITE", branch=f"z9hG4bKr{n}", seq=str(n), to=tag, body=body))
            await peer.receive("SIP/2.0 200")
        assert leg.held
        peer.send(peer.request("INVITE", branch="z9hG4bKr99", seq="99", to=tag, body=OFFER))
        assert "Retry-After: " in await peer.receive("SIP/2.0 500")
        assert leg.state == "confirmed"


async def test_our_late_offer_is_open_until_the_ack_and_collides_with_others() -> None:
    async with called() as (_, peer, leg, tag):
        peer.send(peer.request("INVITE", branch="z9hG4bKr", seq="2", to=tag))
        await peer.receive("SIP/2.0 200")
        peer.send(peer.request("UPDATE", branch="z9hG4bKs", seq="3", to=tag, body=OFFER))
        await peer.receive("SIP/2.0 491")
        holding = asyncio.create_task(leg.hold())  # ours waits for the ACK (RFC 3261 section 14.1)
        await nothing(peer, "INVITE ")
        peer.send(peer.request("ACK", branch="z9hG4bKt", seq="2", to=tag, body=OFFER))
        invite = await peer.receive("INVITE ")
        peer.send(answer(invite, "488 No"))
        with pytest.raises(LegError, match="488"):
            await holding


@pytest.mark.parametrize("what", ["to", "from", "call"])
async def test_a_request_with_a_wrong_tag_or_call_is_of_no_call(what: str) -> None:
    async with called() as (_, peer, leg, tag):
        bye = peer.request("BYE", branch="z9hG4bKw", seq="2", to=tag)
        wrong = {"to": (tag, ";tag=wrong"), "from": (";tag=ann", ";tag=bob"), "call": ("call-1", "call-2")}[what]
        peer.send(bye.replace(*wrong))
        await peer.receive("SIP/2.0 481")
        assert leg.state == "confirmed"


@pytest.mark.parametrize("size", [500, 1500])
async def test_a_request_too_large_for_a_datagram_goes_by_tcp(size: int) -> None:
    """RFC 3261 section 18.1.1, in a dialog whose peer listens by UDP and TCP."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(size)
        heard.append(head)
        writer.write(answer(head, "200 OK").replace("\n", "\r\n").encode())
        await reader.read()
        writer.close()

    async with called() as (_, peer, leg, _tag), await asyncio.start_server(serve, "127.0.0.1", peer.port):
        asking = asyncio.create_task(leg.request("MESSAGE", body=b"x" * size, content_type="text/plain"))
        if size < 1300:
            peer.send(answer(await peer.receive("MESSAGE "), "200 OK"))
        assert (await asyncio.wait_for(asking, PATIENCE_S)).code == 200
        assert [re.findall(r"SIP/2.0/(\w+) ", head) for head in heard] == ([["TCP"]] if size > 1300 else [])
        assert leg.dialog.hop.protocol == "udp"


async def test_where_the_peer_has_no_tcp_it_goes_by_udp_all_the_same() -> None:
    async with called() as (_, peer, leg, _tag):
        for number in (1, 2):
            asking = asyncio.create_task(leg.request("MESSAGE", body=b"x" * 1500, content_type="text/plain"))
            message = await peer.receive("MESSAGE ")
            assert "Via: SIP/2.0/UDP " in message and message.endswith("x" * 1500)
            assert f"CSeq: {number + 1} MESSAGE" in message, "the first number went with what TCP did not carry"
            peer.send(answer(message, "200 OK"))
            assert (await asking).code == 200
        assert leg.state == "confirmed"


async def test_a_key_that_comes_in_rtp_and_by_info_is_pressed_once() -> None:
    async with called() as (_, peer, leg, tag):
        keys: list[str] = []
        leg.on_dtmf = keys.append
        for n, key in enumerate("5#", 2):
            leg.media.deliver(key)
            info = peer.request("INFO", branch=f"z9hG4bKi{n}", seq=str(n), to=tag, body=f"Signal={key}\n")
            peer.send(info.replace("application/sdp", "application/dtmf-relay"))
            await peer.receive("SIP/2.0 200")
        assert keys == ["5", "#"]


async def test_byes_that_cross_end_the_call_once() -> None:
    async with called() as (ours, peer, leg, tag):
        hanging_up = asyncio.create_task(leg.hang_up())
        bye = await peer.receive("BYE ")
        peer.send(peer.request("BYE", branch="z9hG4bKw", seq="2", to=tag))
        await peer.receive("SIP/2.0 200")
        peer.send(answer(bye, "481 Gone"))
        await hanging_up
        assert leg.closed.result() == "local"
        assert not ours.all
        await nothing(peer, "BYE ")


async def test_after_our_bye_every_request_but_bye_is_of_no_call() -> None:
    async with called() as (_, peer, leg, tag):
        leg.end()
        await peer.receive("BYE ")
        for n, method in enumerate(["INVITE", "UPDATE", "INFO", "OPTIONS", "NOTIFY", "REFER"]):
            peer.send(peer.request(method, branch=f"z9hG4bKx{n}", seq=str(n + 2), to=tag))
            await peer.receive("SIP/2.0 481")


async def test_a_bye_while_our_reinvite_is_open_ends_the_wait_and_a_late_200_gets_its_ack() -> None:
    async with called() as (_, peer, leg, tag):
        holding = asyncio.create_task(leg.hold())
        invite = await peer.receive("INVITE ")
        peer.send(peer.request("BYE", branch="z9hG4bKw", seq="2", to=tag))
        await peer.receive("SIP/2.0 200")
        with pytest.raises(LegError, match="Over"):
            await holding
        peer.send(answer(invite, "200 OK", OFFER).replace("ann@127.0.0.1:9", f"ann@127.0.0.1:{peer.port}"))
        await peer.receive("ACK ")
        assert leg.closed.result() == "caller"


async def test_we_may_hang_up_while_our_own_reinvite_is_open() -> None:
    async with called() as (_, peer, leg, _tag):
        holding = asyncio.create_task(leg.hold())
        invite = await peer.receive("INVITE ")
        hanging_up = asyncio.create_task(leg.hang_up())
        bye = await peer.receive("BYE ")
        peer.send(answer(invite, "487 Terminated"))
        await peer.receive("ACK ")
        peer.send(answer(bye, "200 OK"))
        await hanging_up
        with pytest.raises(LegError, match="Over"):
            await holding


async def test_a_reinvite_that_only_rings_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer_answer, "PATIENCE_S", 0.3)
    async with called() as (_, peer, leg, _tag):
        holding = asyncio.create_task(leg.hold())
        invite = await peer.receive("INVITE ")
        peer.send(answer(invite, "180 Ringing"))
        cancel = await peer.receive("CANCEL ")
        assert re.findall(r"branch=\S+", cancel) == re.findall(r"branch=\S+", invite)
        peer.send(answer(cancel, "200 OK"))
        peer.send(answer(invite, "487 Request Terminated"))
        await peer.receive("ACK ")
        with pytest.raises(LegError, match="487"):
            await holding
        assert not leg.holding and leg.state == "confirmed"


async def test_a_hold_that_nobody_waits_for_any_more_still_counts_when_the_peer_agrees() -> None:
    async with called() as (_, peer, leg, _tag):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leg.hold(), 0.05)
        invite = await peer.receive("INVITE ")
        resuming = asyncio.create_task(leg.resume())
        await nothing(peer, "INVITE ")  # one at a time
        ok = answer(invite, "200 OK", OFFER + "a=recvonly\n").replace("ann@127.0.0.1:9", f"ann@127.0.0.1:{peer.port}")
        peer.send(ok)
        await peer.receive("ACK ")
        assert leg.negotiation.agreed is not None and leg.negotiation.agreed.direction == "sendonly"
        assert "a=sendrecv" in await peer.receive("INVITE ")
        resuming.cancel()


async def test_an_answer_that_cannot_be_used_leaves_the_session_as_it_was() -> None:
    async with called() as (_, peer, leg, _tag):
        before = leg.negotiation.agreed
        holding = asyncio.create_task(leg.hold())
        invite = await peer.receive("INVITE ")
        peer.send(
            answer(invite, "200 OK", OFFER.replace("21600", "0")).replace("127.0.0.1:9>", f"127.0.0.1:{peer.port}>")
        )
        await peer.receive("ACK ")
        with pytest.raises(LegError):
            await holding
        assert leg.negotiation.agreed == before and not leg.holding


async def test_a_moved_contact_is_followed() -> None:
    async with called() as (_, peer, leg, tag), wire(1) as elsewhere:
        update = peer.request("UPDATE", branch="z9hG4bKu", seq="2", to=tag)
        peer.send(update.replace(f"Contact: <sip:ann@127.0.0.1:{peer.port}>", "Contact: <sip:new@127.0.0.1:1>"))
        await peer.receive("SIP/2.0 200")
        assert (str(leg.dialog.target), leg.dialog.next_hop().port) == ("sip:new@127.0.0.1:1", 1)
        assert elsewhere.port


async def test_two_sides_that_hold_at_the_same_moment_both_succeed() -> None:
    """Both get 491 and wait: the one that placed the call 2.1 to 4 s, the other 0 to 2 s."""
    async with legs() as one, legs() as other:
        caller = await one.call(other.port)
        callee = await other.new.get()
        await until(lambda: callee.state == "confirmed")
        began_s = asyncio.get_running_loop().time()
        await asyncio.gather(caller.hold(), callee.hold())
        assert 2.1 <= asyncio.get_running_loop().time() - began_s < 5
        assert caller.holding and caller.held and callee.holding and callee.held
        await caller.resume()
        assert not caller.holding and caller.held
        await callee.resume()
        assert not caller.held and not callee.held
        await caller.hang_up()


@pytest.mark.parametrize("expires_s", [3, 4])
async def test_sessions_are_kept_alive_between_ours_and_end_when_the_other_side_is_gone(expires_s: int) -> None:
    async with (
        legs(Terms(timer=SessionTimerPolicy(expires_s, 1))) as one,
        legs(Terms(timer=SessionTimerPolicy(3, 1))) as other,
    ):
        caller = await one.call(other.port)
        callee = await other.new.get()
        await asyncio.sleep(3.5)
        assert caller.timer.ours and caller.timer.interval_s == 3
        assert caller.state == callee.state == "confirmed"
        one.all.clear()  # the caller's machine has forgotten everything
        caller.drop()
        assert await asyncio.wait_for(callee.closed, PATIENCE_S) == "failed: session expired"


async def test_a_time_limit_on_closed_hurts_neither_the_call_nor_others_who_wait() -> None:
    async with called() as (_, peer, leg, tag):
        told: list[str] = []
        leg.when_closed(lambda reason: told.append(reason.cause))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leg.closed, 0.05)
        waiting = asyncio.create_task(asyncio.wait([leg.closed]))
        await asyncio.sleep(0)
        peer.send(peer.request("BYE", branch="z9hG4bKw", seq="2", to=tag))
        await peer.receive("SIP/2.0 200")
        await asyncio.wait_for(waiting, PATIENCE_S)
        assert (leg.closed.result(), told) == ("caller", ["caller"])


MUTABLE = [
    ("INFO", "Content-Type: application/dtmf-relay\n", "Signal=5\nDuration=160\n"),
    ("INFO", "Content-Type: application/dtmf\nInfo-Package: x\n", "5"),
    (
        "NOTIFY",
        "Event: refer;id=2\nSubscription-State: active;expires=60\nContent-Type: message/sipfrag\n",
        "SIP/2.0 180 R\n",
    ),
    ("REFER", "Refer-To: <sip:x@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\nReferred-By: <sip:a@b>\n", ""),
    ("UPDATE", "Session-Expires: 1800;refresher=uac\nMin-SE: 90\nSupported: timer\nAllow: UPDATE\n", ""),
    ("UPDATE", "Content-Type: application/sdp\nSession-Expires: 90\n", OFFER),
    ("INVITE", "Content-Type: application/sdp\nSupported: timer\n", OFFER + "a=sendonly\na=ptime:30\n"),
    ("OPTIONS", 'Reason: Q.850;cause=16;text="x"\n', ""),
]


def acknowledge(peer: Wire, tag: str) -> int:
    """ACK each 200 to INVITE that has come. Returns how many messages of any kind there were."""
    count = peer.inbox.qsize()
    for _ in range(count):
        text = peer.inbox.get_nowait().decode()
        seq = re.search(r"^CSeq: (\d+) INVITE", text, re.MULTILINE)
        if seq is not None and text.startswith("SIP/2.0 200"):
            peer.send(peer.request("ACK", branch=f"z9hG4bKy{seq[1]}", seq=seq[1], to=tag))
    return count


async def test_mutated_requests_inside_a_call_raise_nothing_and_the_call_can_still_be_ended() -> None:
    """3,000 with a fixed seed: octets of headers and bodies changed, doubled, cut and moved."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    chance, answers = random.Random(4028), 0
    async with called(Terms(refer_in=True)) as (_, peer, leg, tag):
        leg.on_refer = lambda referral: chance.random() < 0.5
        for n in range(3000):
            method, headers, body = chance.choice(MUTABLE)
            tail = bytearray((headers + f"Content-Length: {len(body)}\n\n{body}").encode())
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(tail))
                match chance.randrange(4):
                    case 0:
                        tail[at] = chance.randrange(256)
                    case 1:
                        tail[at:at] = tail[at : at + chance.randint(1, 30)] * chance.randint(1, 20)
                    case 2:
                        del tail[at : at + chance.randint(1, 10)]
                    case 3:
                        tail[at:at] = chance.choice([b";", b",", b'"', b"<", b"%", b"\xff", b"=", b":", b"9" * 12])
                tail = tail or bytearray(b" ")
            start = peer.request(method, branch=f"z9hG4bKz{n}", seq=str(n + 2), to=tag).partition("Content-Length:")[0]
            peer.send((start.encode() + tail).replace(b"\n", b"\r\n"))
            if n % 5 == 0:
                await asyncio.sleep(0.001)
                answers += acknowledge(peer, tag)
        while answers <= 2000:
            await asyncio.sleep(0.05)
            answers += acknowledge(peer, tag)
        assert not failures
        if leg.state == "confirmed":
            peer.send(peer.request("BYE", branch="z9hG4bKbye", seq="9999", to=tag))
            await peer.receive("SIP/2.0 200")
        assert leg.state == "closed"
