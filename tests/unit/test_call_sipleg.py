"""An answered SIP call: keys, transfers, and each way in which it can end."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from telephony.call.dialog.closing_leg import BYE_PATIENCE_S
from telephony.call_policy import Terms
from telephony.events import CallEnded
from telephony.leg import Leg, LegError
from telephony.sip.hop import Hop
from telephony.sip.message import Request
from telephony.sip_trace import SipTrace
from tests.unit.call_support import SDP, Peer, header, placed, running, seconds, until_settled
from tests.unit.player_support import FakeLeg
from tests.unit.virtual_clock import virtual_clock

# ── how it ends ──


@virtual_clock
async def test_a_peer_that_hangs_up_is_answered_and_its_reason_is_kept() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        peer.request("BYE", 2, 'Reason: Q.850;cause=16;text="Normal call clearing"')
        assert await leg.closed == "caller" and await leg.closed == "caller"
        await peer.receive("200")
        assert leg.ended_by == "caller: Q.850 16 Normal call clearing" and leg.state == "closed"
        assert world.media_of(leg).closed and world.agent.active_calls == 0
        ended = world.events[-1]
        assert isinstance(ended, CallEnded) and (ended.cause, ended.words) == ("caller", "caller")


@virtual_clock
async def test_hanging_up_waits_for_the_peer_to_confirm_but_not_for_long() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        hanging_up = asyncio.create_task(leg.hang_up())
        bye = await peer.receive("BYE")
        assert header(bye, "Reason") == 'Q.850;cause=16;text="Normal call clearing"'
        peer.reply(bye, 200)
        await hanging_up
        assert peer.kinds.count("BYE") == 1

        silent = Peer(world, "192.0.2.2", "call-2")
        other, began_s = await world.talking(silent), seconds()
        await other.hang_up("the desk closes")
        assert seconds() - began_s == pytest.approx(BYE_PATIENCE_S) and await other.closed == "the desk closes"
        await other.hang_up()
        byes = [one.message.head.vias[0].branch for one in silent.got if one.kind == "BYE"]
        assert len(byes) > 1 and len(set(byes)) == 1, "repeated, not begun anew"


@virtual_clock
async def test_our_bye_waits_for_the_ack_of_the_answer() -> None:
    """RFC 3261 section 15: the called party does not hang up before its 200 is acknowledged."""
    async with running() as world:
        peer = Peer(world)
        leg = await (await world.incoming(peer)).answer()
        answer = await peer.receive("200")
        leg.end()
        await asyncio.sleep(1)
        assert "BYE" not in peer.kinds and peer.times("200") == [0.0, 0.5]
        peer.ack(answer)
        await peer.receive("BYE")


@virtual_clock
async def test_an_answer_that_is_never_acknowledged_is_repeated_for_32_s_and_ends_the_call() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await (await world.incoming(peer)).answer()
        began_s = seconds()
        assert await leg.closed == "failed: no ACK" and seconds() - began_s == pytest.approx(32)
        assert peer.times("200") == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert header(await peer.receive("BYE"), "Reason") == 'SIP;cause=500;text="no ACK"'


@virtual_clock
async def test_a_call_without_media_is_ended_and_says_so() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        on_timeout = world.media_of(leg).on_timeout
        assert on_timeout is not None
        on_timeout()
        assert await leg.closed == "no-media"
        assert header(await peer.receive("BYE"), "Reason") == 'Q.850;cause=102;text="No media"'


@virtual_clock
async def test_the_log_names_a_source_that_was_not_believed_and_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as world:
        leg = await world.talking(Peer(world))
        media = world.media_of(leg)
        media.refused_source = ("198.51.100.66", 9999)
        assert media.on_timeout is not None
        media.on_timeout()
        (said,) = [one for one in caplog.records if "not believed" in one.message]
        assert said.__dict__["source"] == "198.51.100.66:9999"
        assert "symmetric: true" in said.__dict__["remedy"]


@virtual_clock
@pytest.mark.parametrize("method", ["INFO", "OPTIONS", "UPDATE", "INVITE", "MESSAGE"])
async def test_requests_of_the_peer_show_that_it_lives(method: str) -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        lives = world.media_of(leg).lives
        peer.request(method, 2, body=SDP if method == "INVITE" else b"")
        await peer.receive("405" if method == "MESSAGE" else "200")
        assert world.media_of(leg).lives > lives


@virtual_clock
async def test_requests_that_are_not_of_the_dialog_show_nothing() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        lives = world.media_of(leg).lives
        peer.request("INFO", 5)
        await peer.receive("200")
        peer.request("INFO", 4)
        await peer.receive("500")
        peer.tag = "somebody-else"
        peer.request("INFO", 6)
        await peer.receive("481")
        assert world.media_of(leg).lives == lives + 1


@virtual_clock
async def test_an_answer_to_our_refresh_shows_that_the_peer_lives() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        lives = world.media_of(leg).lives
        refreshing = asyncio.create_task(leg.refresh())
        invite = await peer.receive("INVITE")
        assert world.media_of(leg).lives == lives
        peer.reply(invite, 200, body=SDP)
        await refreshing
        assert world.media_of(leg).lives == lives + 1


@virtual_clock
async def test_a_request_from_another_host_tells_the_media_where_the_peer_is_now() -> None:
    """A phone that went from one network to another; its SDP, of a private address, is word for word the same."""
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        media = world.media_of(leg)
        assert media.signalled_from == [peer.hop.host]
        peer.request("INVITE", 2, body=SDP)
        await peer.receive("200")
        assert media.signalled_from == [peer.hop.host]
        peer.hop = Hop("udp", "192.0.2.77", 5060)
        world.transport.peers["192.0.2.77"] = peer
        peer.request("INVITE", 3, body=SDP)
        await asyncio.sleep(1)
        assert media.signalled_from == ["192.0.2.1", "192.0.2.77"]
        assert media.agreed[0] == media.agreed[1]


@virtual_clock
async def test_after_the_end_nothing_is_answered_but_bye() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        leg.end()
        await peer.receive("BYE")
        peer.request("INFO", 2)
        await peer.receive("481")
        peer.request("BYE", 3)
        await peer.receive("200")
        for work in (leg.hold(), leg.request("INFO"), leg.transfer("sip:bob@192.0.2.7")):
            with pytest.raises(LegError, match="481"):
                await work


@virtual_clock
async def test_requests_out_of_order_and_of_another_dialog_change_nothing() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        peer.request("INFO", 5)
        await peer.receive("200")
        peer.request("INFO", 4)
        await peer.receive("500")
        peer.tag = "somebody-else"
        peer.request("BYE", 6)
        await peer.receive("481")
        assert not leg.closed.done()


# ── keys and transfers ──


@virtual_clock
async def test_keys_go_by_info_one_after_the_other_and_another_way_when_the_peer_takes_none() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await placed(world, peer, Terms(keys="info"))
        leg.send_dtmf("1#2")
        first = await peer.receive("INFO")
        assert first.body == b"Signal=1\r\nDuration=160\r\n"
        peer.reply(first, 200)
        second = await peer.receive("INFO")
        assert second.body.startswith(b"Signal=#")
        peer.reply(second, 415)
        plain = await peer.receive("INFO")
        assert plain.body == b"#"
        peer.reply(plain, 501)
        await until_settled()
        assert world.media_of(leg).keys == "#2"
        with pytest.raises(ValueError, match="not made of keys"):
            leg.send_dtmf("x")


@virtual_clock
async def test_a_key_that_comes_by_info_and_as_an_event_is_one_key() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        keys: list[str] = []
        leg.on_dtmf = keys.append
        on_dtmf = world.media_of(leg).on_dtmf
        assert on_dtmf is not None
        on_dtmf("5")
        peer.request("INFO", 2, body=b"Signal=5", content_type="application/dtmf-relay")
        await peer.receive("200")
        await asyncio.sleep(1)
        on_dtmf("5")
        peer.request("INFO", 3, body=b"?", content_type="application/dtmf")
        await peer.receive("400")
        assert keys == ["5", "5"]


@virtual_clock
async def test_events_that_were_not_agreed_are_named_in_log_and_trace(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as world:
        world.agent._endpoint._trace = trace = SipTrace()
        leg = await world.talking(Peer(world))
        tell = leg.media.on_unagreed_events
        assert tell is not None
        tell(101)
        (remark,) = [entry.remark for entry in trace.of(leg.id) if entry.remark]
        assert "events of payload type 101, which was not agreed" in remark
        assert "a=rtpmap:101 telephone-event/8000" in remark
        (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert record.message == remark
        assert vars(record)["sip_call_id"] == leg.id


async def refer(peer: Peer, status: str) -> Request:
    """Take a REFER and tell that the target answered so."""
    sent = cast("Request", await peer.receive("REFER"))
    peer.reply(sent, 202)
    peer.request("NOTIFY", 20, "Event: refer", "Subscription-State: terminated;reason=noresource",
                 body=f"SIP/2.0 {status}\r\n".encode(), content_type="message/sipfrag")  # fmt: skip
    return sent


@virtual_clock
async def test_a_transfer_that_works_ends_the_leg_and_one_that_does_not_leaves_it() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        transferring = asyncio.create_task(leg.transfer("sip:bob@192.0.2.7"))
        await refer(peer, "486 Busy Here")
        with pytest.raises(LegError, match="486"):
            await transferring
        assert not leg.closed.done()

        again = asyncio.create_task(leg.transfer("sip:bob@192.0.2.7"))
        sent = await peer.receive("REFER")
        with pytest.raises(LegError, match="491"):
            await leg.transfer("sip:eve@192.0.2.7")
        peer.reply(sent, 202)
        peer.request("BYE", 21)
        assert (await again).status == 202 and await leg.closed == "transferred", "it has left for the target"


@virtual_clock
async def test_a_transfer_that_nothing_more_is_heard_of_is_given_up() -> None:
    async with running() as world:
        peer = Peer(world)
        leg = await world.talking(peer)
        transferring, began_s = asyncio.create_task(leg.transfer("sip:bob@192.0.2.7")), seconds()
        peer.reply(await peer.receive("REFER"), 202)
        with pytest.raises(LegError, match="408"):
            await transferring
        assert seconds() - began_s == pytest.approx(40) and not leg.closed.done()


@virtual_clock
async def test_two_sip_legs_are_connected_by_refer_with_replaces_and_other_kinds_not_at_all() -> None:
    async with running() as world:
        caller, human = Peer(world), Peer(world, "192.0.2.2", "call-2")
        leg, other = await world.talking(caller), await world.talking(human)
        assert not await leg.connect_to(cast("Leg", FakeLeg()))
        assert "REFER" not in caller.kinds
        connecting = asyncio.create_task(leg.connect_to(other))
        sent = await refer(caller, "200 OK")
        target = header(sent, "Refer-To")
        assert target.startswith("<sip:ann@192.0.2.2:5060?Replaces=call-2%3Bto-tag%3Dpeer-192.0.2.2")
        caller.reply(await caller.receive("BYE"), 200)
        assert await connecting and await leg.closed == "transferred" and not other.closed.done()


@virtual_clock
async def test_two_legs_that_cannot_be_connected_talk_on_through_us() -> None:
    async with running() as world:
        caller, human = Peer(world), Peer(world, "192.0.2.2", "call-2")
        leg, other = await world.talking(caller), await world.talking(human)
        connecting = asyncio.create_task(leg.connect_to(other))
        caller.reply(await caller.receive("REFER"), 603)
        with pytest.raises(LegError, match="603"):
            await connecting
        assert not leg.closed.done() and not other.closed.done()
