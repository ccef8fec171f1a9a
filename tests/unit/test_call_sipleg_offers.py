"""An answered SIP call is changed: hold and resume, glare, the peer's offers, and session timers."""

from __future__ import annotations

import asyncio

import pytest

from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.leg import LegError
from tests.unit.call_support import HELD, SDP, VIDEO, Peer, header, placed, running, sdp_lines, seconds
from tests.unit.virtual_clock import virtual_clock

# ── offers ──


@virtual_clock
async def test_hold_and_resume_say_which_way_audio_goes() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        for work, direction in ((leg.hold(), "sendonly"), (leg.hold(silent=True), "inactive"), (leg.resume(), "")):
            changing = asyncio.create_task(work)
            invite = await peer.receive("INVITE")
            assert sdp_lines(invite, "a=send") + sdp_lines(invite, "a=inactive") == [f"a={direction or 'sendrecv'}"]
            peer.reply(invite, 200, body=SDP)
            await changing
            assert leg.holding is bool(direction) and (await peer.receive("ACK")).head.seq == invite.head.seq
        await leg.resume()
        assert peer.kinds.count("INVITE") == 3, "who does not hold has nothing to resume"


@virtual_clock
async def test_a_peer_that_refuses_to_be_held_goes_on_as_before() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        holding = asyncio.create_task(leg.hold())
        peer.reply(await peer.receive("INVITE"), 403)
        with pytest.raises(LegError, match="403"):
            await holding
        assert not leg.closed.done()
        again = asyncio.create_task(leg.refresh())
        invite = await peer.receive("INVITE")
        assert sdp_lines(invite, "a=sendrecv")
        peer.reply(invite, 200, body=SDP)
        await again


@pytest.mark.parametrize(("ours", "least_s", "most_s"), [(True, 2.1, 4.0), (False, 0.0, 2.0)])
def test_after_glare_the_owner_of_the_call_waits_longer(ours: bool, least_s: float, most_s: float) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            peer = Peer(world)
            leg = await placed(world, peer) if ours else await world.talking(peer)
            holding = asyncio.create_task(leg.hold())
            peer.reply(await peer.receive("INVITE"), 491)
            began_s = seconds()
            second = await peer.receive("INVITE")
            assert least_s <= seconds() - began_s <= most_s
            peer.reply(second, 200, body=SDP)
            await holding

    run()


@virtual_clock
async def test_an_offer_that_crosses_ours_gets_491() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        holding = asyncio.create_task(leg.hold())
        invite = await peer.receive("INVITE")
        peer.invite(seq=2)
        peer.ack(await peer.receive("491"))
        peer.request("UPDATE", 3, body=SDP)
        await peer.receive("491")
        peer.reply(invite, 200, body=SDP)
        await holding


@virtual_clock
async def test_a_peer_that_holds_us_is_answered_and_an_offer_that_cannot_be_changes_nothing() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        peer.invite(seq=2, body=HELD)
        answer = await peer.receive("200")
        peer.ack(answer)
        assert sdp_lines(answer, "a=recvonly") and leg.held
        peer.invite(seq=3, body=VIDEO)
        peer.ack(await peer.receive("488"))
        peer.request("UPDATE", 4, body=b"?", content_type="text/plain")
        assert header(await peer.receive("415"), "Accept") == "application/sdp"
        assert leg.held and not leg.closed.done()


@virtual_clock
async def test_a_peer_that_acknowledges_nothing_is_told_to_wait_at_the_fifth_offer() -> None:
    async with running() as world:
        peer = Peer(world)
        await world.talking(peer)
        for seq in range(2, 6):
            peer.invite(seq=seq)
        peer.invite(seq=6)
        assert header(await peer.receive("500"), "Retry-After")


@virtual_clock
async def test_a_re_invite_that_rings_for_ever_is_cancelled() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        holding, began_s = asyncio.create_task(leg.hold()), seconds()
        invite = await peer.receive("INVITE")
        peer.reply(invite, 180)
        peer.reply(await peer.receive("CANCEL"), 200)
        peer.reply(invite, 487)
        with pytest.raises(LegError, match="487"):
            await holding
        assert seconds() - began_s == pytest.approx(32) and not leg.closed.done()


# ── session timer ──


@virtual_clock
async def test_a_session_that_we_refresh_is_refreshed_at_half_time_by_update_where_the_peer_knows_it() -> None:
    async with running() as world:
        peer = Peer(world)
        terms = Terms(timer=SessionTimerPolicy(1800, 90))
        leg = await placed(world, peer, terms, ("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, UPDATE"))
        began_s = seconds()
        for _ in range(3):
            update = await peer.receive("UPDATE")
            assert seconds() - began_s == pytest.approx(300) and not update.body
            assert header(update, "Session-Expires") == "600;refresher=uac"
            began_s = seconds()
            peer.reply(update, 200, ("Session-Expires", "600;refresher=uac"))
        assert not leg.closed.done()


@virtual_clock
async def test_a_session_that_the_peer_does_not_refresh_ends_before_its_time_is_over() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer, "Supported: timer", "Session-Expires: 90;refresher=uac")
        began_s = seconds()
        assert await leg.closed == "failed: session expired" and seconds() - began_s == pytest.approx(60)
        assert header(await peer.receive("BYE"), "Reason") == 'SIP;cause=408;text="Session expired"'


@virtual_clock
async def test_a_refresh_of_the_peers_begins_the_time_anew() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer, "Supported: timer", "Session-Expires: 90;refresher=uac")
        for seq in range(2, 6):
            await asyncio.sleep(45)
            peer.request("UPDATE", seq, "Supported: timer", "Session-Expires: 90;refresher=uac")
            assert header(await peer.receive("200"), "Session-Expires").startswith("90")
        assert not leg.closed.done()


@pytest.mark.parametrize("status", [481, 408])
def test_a_refresh_that_finds_the_peer_without_the_call_ends_it(status: int) -> None:
    @virtual_clock
    async def run() -> None:
        async with running() as world:
            peer = Peer(world)
            leg = await placed(world, peer, None, ("Session-Expires", "600;refresher=uac"))
            invite = await peer.receive("INVITE")
            if status == 481:
                peer.reply(invite, 481)
            assert await leg.closed == f"failed: {status} to our INVITE"

    run()
