"""Multipart bodies and delayed offers in calls: INVITE, 183, 200, ACK, PRACK and UPDATE alike."""

from __future__ import annotations

import asyncio

import pytest

from telephony.agent import CallFailed
from telephony.events import CallEnded
from telephony.sip.grammar import NameAddr
from telephony.sip.message import SipError, parse
from tests.unit.call_support import HELD, SDP, Peer, header, running, sdp_lines, until_settled
from tests.unit.virtual_clock import virtual_clock

KIND = 'multipart/mixed;boundary="unique-boundary-1"'
ISUP = b"Content-Type: application/isup\r\nContent-Disposition: signal; handling=optional\r\n\r\n\x01\0\r\n\xff"


def beside_isup(sdp: bytes, isup: bytes = ISUP) -> bytes:
    parts = (isup, b"Content-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n" + sdp)
    return b"".join(b"--unique-boundary-1\r\n" + part + b"\r\n" for part in parts) + b"--unique-boundary-1--\r\n"


REQUIRED = beside_isup(SDP, ISUP.replace(b"optional", b"required"))


@virtual_clock
async def test_an_offer_beside_other_parts_is_answered_in_invite_re_invite_and_update() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer, body=beside_isup(SDP), content_type=KIND)
        assert world.media_of(leg).agreed[-1].remote == ("192.0.2.1", 30000)
        peer.invite(seq=2, body=beside_isup(HELD), content_type=KIND)
        answer = await peer.receive("200")
        peer.ack(answer)
        assert sdp_lines(answer, "a=recvonly") and leg.held
        peer.request("UPDATE", 3, body=beside_isup(SDP), content_type=KIND)
        assert sdp_lines(await peer.receive("200"), "a=sendrecv") and not leg.held


@virtual_clock
async def test_a_part_that_has_to_be_understood_is_refused_in_each_of_them() -> None:
    async with running() as world:
        peer = Peer(world)
        peer.invite(body=REQUIRED, content_type=KIND)
        assert header(await peer.receive("415"), "Accept") == "application/sdp"
        other = Peer(world, "192.0.2.2", "call-2")
        leg = await world.talking(other, body=beside_isup(SDP), content_type=KIND)
        other.invite(seq=2, body=REQUIRED, content_type=KIND)
        refusal = await other.receive("415")
        assert header(refusal, "Accept") == "application/sdp"
        other.ack(refusal)
        other.request("UPDATE", 3, body=REQUIRED, content_type=KIND)
        assert header(await other.receive("415"), "Accept") == "application/sdp"
        assert not leg.closed.done()


@virtual_clock
async def test_an_invite_whose_parts_hold_no_offer_gets_ours_and_answers_in_a_multipart_ack() -> None:
    async with running() as world:
        peer = Peer(world)
        optional = "Content-Disposition: signal;handling=optional"
        leg = await (await world.incoming(peer, optional, body=b"\x01", content_type="application/isup")).answer()
        answer = await peer.receive("200")
        assert sdp_lines(answer, "m=audio")
        peer.ack(answer, body=beside_isup(SDP), content_type=KIND)
        await until_settled()
        assert world.media_of(leg).agreed[-1].remote == ("192.0.2.1", 30000) and not leg.closed.done()


@pytest.mark.parametrize(
    ("body", "kind"), [(b"", ""), (b"\r\n", "application/sdp"), (b"\x01", "application/isup"), (REQUIRED[:20], KIND)]
)
def test_an_ack_without_an_answer_to_our_offer_ends_the_call_and_says_so(body: bytes, kind: str) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            peer = Peer(world)
            incoming = await world.incoming(peer, body=b"")
            leg = await incoming.answer()
            peer.ack(await peer.receive("200"), body=body, content_type=kind)
            bye = await peer.receive("BYE")
            words = "the ACK brought no answer to our offer"
            assert header(bye, "Reason") == f'SIP;cause=500;text="{words}"'
            assert await leg.closed == f"failed: {words}"
            peer.reply(bye, 200)
            await until_settled()
            (over,) = [event for event in world.events if isinstance(event, CallEnded)]
            assert (over.cause, over.words) == ("failed", f"failed: {words}")

    run()


@virtual_clock
async def test_an_ack_without_an_answer_in_a_running_call_changes_nothing() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        peer.invite(seq=2, body=b"")
        peer.ack(await peer.receive("200"))
        await until_settled()
        assert not leg.closed.done() and "BYE" not in peer.kinds


@virtual_clock
async def test_a_prack_brings_the_answer_in_a_multipart() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, "Supported: 100rel", body=b"")
        await incoming.early_media()
        progress = await peer.receive("183")
        peer.our_tag = progress.head.to.tag
        peer.request("PRACK", 2, f"RAck: {header(progress, 'RSeq')} 1 INVITE", body=beside_isup(SDP), content_type=KIND)
        assert (await peer.receive("200")).head.method == "PRACK"
        assert world.engine.sessions[0].agreed[-1].remote == ("192.0.2.1", 30000)


@pytest.mark.parametrize("early", [False, True])
def test_an_answer_beside_other_parts_is_taken_from_183_and_200(early: bool) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            peer = Peer(world)
            outgoing = world.agent.dial("sip:ann@192.0.2.1", ring_s=100)
            invite = await peer.receive("INVITE")
            if early:
                peer.reply(invite, 183, body=beside_isup(SDP), content_type=KIND)
                await until_settled()
                assert world.engine.sessions[0].agreed[-1].remote == ("192.0.2.1", 30000)
            peer.reply(invite, 200, body=beside_isup(SDP, ISUP.replace(b"optional", b"required")), content_type=KIND)
            leg = await outgoing.answered()
            assert world.media_of(leg).agreed[-1].remote == ("192.0.2.1", 30000)

    run()


@virtual_clock
async def test_a_200_without_an_answer_ends_the_call_and_says_so() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = world.agent.dial("sip:ann@192.0.2.1", ring_s=100)
        peer.reply(await peer.receive("INVITE"), 200, body=ISUP, content_type="application/isup")
        with pytest.raises(CallFailed, match="the response brought no answer to our offer"):
            await outgoing.answered()
        assert "brought no answer" in header(await peer.receive("BYE"), "Reason")


@virtual_clock
async def test_a_host_name_in_the_place_of_an_address_is_refused_with_a_warning_that_names_it() -> None:
    async with running() as world:
        peer = Peer(world)
        peer.invite(body=SDP.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 media.example.com"))
        warning = header(await peer.receive("488"), "Warning")
        assert warning.startswith('301 voicebot "') and "media.example.com" in warning
        other = Peer(world, "192.0.2.2", "call-2")
        leg = await world.talking(other)
        other.request("UPDATE", 2, body=HELD.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 media.example.com"))
        assert "media.example.com" in header(await other.receive("488"), "Warning")
        assert not leg.closed.done()


@pytest.mark.parametrize(
    "caller",
    [
        "anonymous;tag=f",
        "<anonymous>;tag=f",
        '"X" <+4930123>;tag=f',
        "+4930123;tag=f",
        "ann@example.com;tag=f",
        '"Ann, at home" <ann@example.com>;tag=f',
        "Unknown <unavailable>;tag=f",
        '"" <4930123>;tag=f',
        "<+49 (30) 123-456>;tag=f",
        "<10.0.0.1:5060>;tag=f",
        "tel:+4930123;tag=f",
    ],
)
def test_a_caller_who_writes_no_scheme_is_answered_and_hung_up_as_any(caller: str) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            peer = Peer(world)
            peer.tag = "f"
            data = (
                f"INVITE sip:bot@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: {caller}\r\n"
                "To: demo\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\nContact: <sip:ann@192.0.2.1:5060>\r\n"
                f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n"
            ).encode() + SDP
            peer.send(data)
            async with asyncio.timeout(10):
                incoming = await world.rung.get()
            leg = await incoming.answer()
            peer.ack(await peer.receive("200"))
            leg.end()
            bye = await peer.receive("BYE")
            assert header(bye, "To") == caller

    run()


NOBODY = ['"unbalanced <anonymous>', "<>", "<a b>", '<a"b>', "", "<a,b>", "<a\\b>"]


@pytest.mark.parametrize("caller", NOBODY)
def test_what_names_nobody_is_malformed(caller: str) -> None:
    head = f"OPTIONS sip:bot@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: {caller};tag=f\r\n"
    with pytest.raises(SipError, match="400 Malformed From"):
        parse((head + "To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n").encode())


def test_what_messages_are_sent_to_still_has_to_be_a_uri() -> None:
    for value in ("anonymous", "<+4930123>", "ann@example.com"):
        with pytest.raises(ValueError, match="URI"):
            NameAddr.parse(value)
