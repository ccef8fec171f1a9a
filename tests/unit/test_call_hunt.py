"""A call of ours over several hops and redirects: who is tried next, who is not, and when it is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sipmessage import URI

from telephony.agent import CallFailed, CallProgress, OutgoingCall
from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import Terms
from telephony.leg import LegError
from telephony.sip.hop import Hop
from telephony.sip.reason_header import Reason
from telephony.trunk.next_hops import NextHop
from tests.unit.call_support import SDP, Peer, World, header, running, seconds, until_settled
from tests.unit.virtual_clock import virtual_clock

FIRST, SECOND = "192.0.2.1", "192.0.2.2"
FOLLOWS = Terms(redirects=2)


def dial(
    world: World,
    hops: Sequence[str] | Mapping[str, Sequence[str] | OSError] = (FIRST, SECOND),
    ring_s: float = 100,
    **options: Any,
) -> OutgoingCall:
    """Call ann@FIRST; `hops` are the addresses of every host, or of each."""

    async def next_hops(_: object, uri: URI) -> list[NextHop]:
        found = hops.get(uri.host, [uri.host]) if isinstance(hops, Mapping) else hops
        if isinstance(found, OSError):
            raise found
        return [NextHop(uri, Hop("udp", host, 5060)) for host in found]

    world.agent._trunks.next_hops = next_hops  # type: ignore[assignment]
    return world.agent.dial(f"sip:ann@{FIRST}", ring_s=ring_s, **options)


@virtual_clock
async def test_a_silent_hop_is_left_after_four_seconds_and_the_last_one_has_all_its_time() -> None:
    async with running() as world:
        first, second = Peer(world, FIRST), Peer(world, SECOND)
        began_s = seconds()
        with pytest.raises(CallFailed, match="408"):
            await dial(world).answered()
        assert second.got[0].at_s - first.got[0].at_s == pytest.approx(4) and second.times("INVITE")[-1] == 31.5
        assert seconds() - began_s == pytest.approx(4 + 32)


@virtual_clock
async def test_a_hop_that_says_anything_has_the_time_that_it_may_ring() -> None:
    async with running() as world:
        first, second = Peer(world, FIRST), Peer(world, SECOND)
        outgoing = dial(world)
        invite = await first.receive("INVITE")
        first.reply(invite, 100)
        await asyncio.sleep(30)
        first.reply(invite, 200, body=SDP)
        await outgoing.answered()
        assert second.kinds == []


@virtual_clock
async def test_an_answer_of_a_hop_that_was_left_is_hung_up() -> None:
    async with running() as world:
        first, second = Peer(world, FIRST), Peer(world, SECOND)
        outgoing = dial(world)
        late = await first.receive("INVITE")
        second.reply(await second.receive("INVITE"), 200, body=SDP)
        leg = await outgoing.answered()
        first.reply(late, 200, body=SDP)
        await first.receive("ACK")
        await first.receive("BYE")
        assert leg.dialog.hop.host == SECOND and not leg.closed.done()


@pytest.mark.parametrize("status", [503, 0])
def test_another_hop_is_tried_when_one_is_overloaded_or_not_reached(status: int) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            first, second = Peer(world, FIRST), Peer(world, SECOND)
            if not status:
                world.transport.unreachable.add(FIRST)
            outgoing = dial(world)
            if status:
                first.reply(await first.receive("INVITE"), status)
            second.reply(await second.receive("INVITE"), 200, body=SDP)
            assert (await outgoing.answered()).dialog.hop.host == SECOND

    run()


@pytest.mark.parametrize("status", [486, 404, 603, 500])
def test_a_refusal_is_the_called_partys_and_no_other_hop_is_asked(status: int) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            first, second = Peer(world, FIRST), Peer(world, SECOND)
            outgoing = dial(world)
            first.reply(await first.receive("INVITE"), status)
            with pytest.raises(CallFailed, match=str(status)):
                await outgoing.answered()
            assert second.kinds == []

    run()


@virtual_clock
async def test_a_phone_that_has_rung_does_not_ring_again_by_another_hop() -> None:
    async with running() as world:
        first, second = Peer(world, FIRST), Peer(world, SECOND)
        outgoing = dial(world)
        invite = await first.receive("INVITE")
        first.reply(invite, 180)
        first.reply(invite, 503)
        with pytest.raises(CallFailed, match="503"):
            await outgoing.answered()
        assert second.kinds == []


@virtual_clock
async def test_of_several_failures_a_refusal_is_told_rather_than_silence() -> None:
    async with running() as world:
        first = Peer(world, FIRST)
        world.transport.unreachable.add(SECOND)
        outgoing = dial(world)
        first.reply(await first.receive("INVITE"), 503, ("Reason", 'Q.850;cause=34;text="No circuit"'))
        with pytest.raises(CallFailed, match="No circuit"):
            await outgoing.answered()


@virtual_clock
async def test_when_nobody_can_be_reached_the_transports_words_are_told() -> None:
    async with running() as world:
        world.transport.unreachable |= {FIRST, SECOND}
        with pytest.raises(CallFailed, match="503 nobody listens there"):
            await dial(world).answered()
        assert world.engine.sessions[0].closed


@virtual_clock
async def test_an_address_that_is_not_found_is_503_with_the_reason() -> None:
    async with running() as world:
        with pytest.raises(LegError, match=r"503 .*no such name"):
            await dial(world, {FIRST: OSError("no such name")}).answered()


@virtual_clock
async def test_the_ringing_ends_when_its_time_is_over() -> None:
    async with running() as world:
        first = Peer(world, FIRST)
        began_s = seconds()
        outgoing = dial(world, [FIRST], ring_s=20)
        invite = await first.receive("INVITE")
        first.reply(invite, 180)
        with pytest.raises(LegError, match="408"):
            await outgoing.answered()
        assert seconds() - began_s == pytest.approx(20)
        await first.receive("CANCEL")
        assert world.engine.sessions[0].closed and world.agent.active_calls == 0


@virtual_clock
async def test_who_gives_up_says_why_and_nobody_else_is_called() -> None:
    async with running() as world:
        first, second = Peer(world, FIRST), Peer(world, SECOND)
        outgoing = dial(world)
        outcomes: list[SipLeg | LegError] = []
        outgoing.on_done(outcomes.append)
        first.reply(await first.receive("INVITE"), 100)
        outgoing.give_up(Reason("SIP", 200, "Answered by another desk"))
        assert 'text="Answered by another desk"' in header(await first.receive("CANCEL"), "Reason")
        await until_settled()
        (outcome,) = outcomes
        assert isinstance(outcome, LegError) and outcome.status == 487 and second.kinds == []


@virtual_clock
async def test_a_redirect_is_a_refusal_where_the_terms_follow_none() -> None:
    async with running() as world:
        first, second = Peer(world, FIRST), Peer(world, SECOND)
        outgoing = dial(world, {})
        first.reply(await first.receive("INVITE"), 302, ("Contact", f"<sip:bob@{SECOND}>"))
        with pytest.raises(CallFailed, match="302"):
            await outgoing.answered()
        assert second.kinds == []


@virtual_clock
async def test_a_redirect_is_followed_to_the_preferred_place_in_the_same_call() -> None:
    async with running() as world:
        first, second, third = (Peer(world, host) for host in (FIRST, SECOND, "192.0.2.3"))
        outgoing = dial(world, {}, terms=FOLLOWS)
        invite = await first.receive("INVITE")
        first.reply(
            invite, 302, ("Contact", f"<sip:bob@{SECOND}>;q=0.2"), ("Contact", "<sip:eve@192.0.2.3>;q=0.9"),
            contact=False,
        )  # fmt: skip
        moved = await third.receive("INVITE")
        assert str(moved.uri) == "sip:eve@192.0.2.3" and moved.head.call_id == invite.head.call_id
        assert moved.head.seq == invite.head.seq + 1 and moved.head.to.uri == invite.head.to.uri
        third.reply(moved, 486)
        second.reply(await second.receive("INVITE"), 200, body=SDP)
        assert (await outgoing.answered()).dialog.hop.host == SECOND


@virtual_clock
async def test_who_declines_for_everybody_ends_a_redirected_call() -> None:
    async with running() as world:
        first, second, third = (Peer(world, host) for host in (FIRST, SECOND, "192.0.2.3"))
        outgoing = dial(world, {}, terms=FOLLOWS)
        contacts = [("Contact", f"<sip:bob@{SECOND}>;q=0.9"), ("Contact", "<sip:eve@192.0.2.3>;q=0.2")]
        first.reply(await first.receive("INVITE"), 302, *contacts, contact=False)
        second.reply(await second.receive("INVITE"), 603)
        with pytest.raises(CallFailed, match="603"):
            await outgoing.answered()
        assert third.kinds == []


@virtual_clock
async def test_ringing_and_early_audio_are_told_as_they_come() -> None:
    async with running() as world:
        first = Peer(world, FIRST)
        outgoing = dial(world, [FIRST])
        told: list[CallProgress] = []
        blocks: list[int] = []
        outgoing.on_progress, outgoing.on_early_audio = told.append, lambda pcm: blocks.append(len(pcm))
        media = world.engine.sessions[0]
        invite = await first.receive("INVITE")
        media.hears()
        first.reply(invite, 180)
        await until_settled()
        assert outgoing.ringing and not outgoing.early_audio and blocks == []
        first.reply(invite, 183, body=SDP)
        await until_settled()
        media.hears()
        assert blocks == [160] and [(one.status, one.early_media) for one in told] == [(180, False), (183, True)]
        first.reply(invite, 200, body=SDP)
        await outgoing.answered()
        media.hears()
        assert blocks == [160], "what comes now is the leg's"
        assert outgoing.seconds >= 0 and outgoing.done
