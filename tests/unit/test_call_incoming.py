"""A call that rings here: what the caller hears of it, and who wins when two things happen at once."""

from __future__ import annotations

import asyncio
from unittest.mock import ANY

import pytest

from telephony.agent import IncomingCall
from telephony.events import CallSetUp
from telephony.leg import LegError
from tests.unit.call_support import SDP, VIDEO, Peer, header, running, sdp_lines, until_settled
from tests.unit.virtual_clock import virtual_clock

RELIABLE = "Require: 100rel"
DOUBLING = [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
"""When a reliable provisional response is sent again (RFC 3262 section 3: without the ceiling of T2)."""


@virtual_clock
async def test_a_caller_hears_trying_ringing_and_the_answer_with_our_audio() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        incoming.ring()
        leg = await incoming.answer([("X-Desk", "7")])
        ringing, answer = await peer.receive("180"), await peer.receive("200")
        assert peer.kinds == ["100", "180", "200"]
        assert ringing.head.to.tag == answer.head.to.tag and header(ringing, "Contact").startswith("<sip:192.0.2.9")
        assert header(answer, "X-Desk") == "7"
        assert sdp_lines(answer, "m=") == [f"m=audio {world.media_of(leg).port} RTP/AVP 0 101"]
        peer.ack(answer)
        assert leg.state == "confirmed" and world.events == [CallSetUp("", True, 200, ANY)]


@virtual_clock
async def test_an_invite_that_comes_again_gets_the_last_answer_again_and_makes_no_second_call() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        incoming.ring()
        peer.invite(branch=peer.invite_branch)
        await until_settled()
        assert peer.kinds == ["100", "180", "180"] and world.rung.empty()


@virtual_clock
async def test_a_cancel_ends_the_ringing_and_tells_the_application_why() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        incoming.ring()
        peer.cancel('Reason: SIP;cause=200;text="Call completed elsewhere"')
        await incoming.cancelled
        assert peer.kinds[-2:] == ["200", "487"]
        assert [one.words for one in incoming.reasons] == ["SIP 200 Call completed elsewhere"]
        with pytest.raises(LegError, match="487"):
            await incoming.answer()
        with pytest.raises(LegError, match="487"):
            await incoming.early_media()
        assert world.agent.active_calls == 0


@virtual_clock
async def test_a_cancel_that_crosses_the_answer_changes_nothing() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        leg = await incoming.answer()
        peer.cancel()
        await until_settled()
        assert peer.kinds == ["100", "200", "200"], "the INVITE's and the CANCEL's"
        assert not incoming.cancelled.done() and not leg.closed.done()


@virtual_clock
async def test_a_cancel_of_nothing_gets_481() -> None:
    async with running() as world:
        peer = Peer(world)
        peer.invite_branch = "z9hG4bKnothing"
        peer.cancel()
        await peer.receive("481")


@virtual_clock
async def test_a_refusal_is_repeated_until_it_is_acknowledged() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        incoming.reject(486, headers=[("X-Why", "lunch")])
        busy = await peer.receive("486")
        assert header(busy, "X-Why") == "lunch"
        await asyncio.sleep(4)
        assert peer.times("486") == [0.0, 0.5, 1.5, 3.5]
        peer.ack(busy)
        await asyncio.sleep(20)
        assert len(peer.times("486")) == 4
        incoming.reject(500)
        incoming.ring()
        assert peer.kinds[-1] == "486", "a call is decided once"


@virtual_clock
async def test_a_redirect_names_the_preferred_place_first() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        with pytest.raises(ValueError, match="nowhere"):
            incoming.redirect([])
        incoming.redirect(["sip:a@192.0.2.5", "sip:b@192.0.2.6"])
        moved = await peer.receive("302")
        assert moved.headers.getlist("Contact") == ["<sip:a@192.0.2.5>;q=1.00", "<sip:b@192.0.2.6>;q=0.50"]
        with pytest.raises(ValueError, match="does not refuse"):
            incoming.reject(200)


@virtual_clock
async def test_early_audio_goes_out_with_183_and_the_answer_says_the_same_again() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        media = await incoming.early_media()
        assert media is not None and await incoming.early_media() is media
        progress = await peer.receive("183")
        leg = await incoming.answer()
        assert (await peer.receive("200")).body == progress.body and leg.media is media


@virtual_clock
async def test_without_an_offer_and_without_100rel_there_is_no_early_audio() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, body=b"")
        assert await incoming.early_media() is None
        assert not (await peer.receive("183")).body
        await incoming.answer()
        answer = await peer.receive("200")
        assert sdp_lines(answer, "m="), "our offer goes out with the answer"
        peer.ack(answer, body=SDP)
        assert world.engine.sessions[0].agreed[-1].remote == ("192.0.2.1", 30000)


@virtual_clock
async def test_a_reliable_response_is_repeated_until_its_prack_and_the_answer_waits_for_it() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, RELIABLE)
        incoming.ring()
        ringing = await peer.receive("180")
        answering = asyncio.create_task(incoming.answer())
        await asyncio.sleep(2)
        assert peer.times("180") == [0.0, 0.5, 1.5] and not answering.done()
        peer.our_tag = ringing.head.to.tag
        peer.request("PRACK", 2, f"RAck: {int(header(ringing, 'RSeq')) + 1} 1 INVITE")
        await peer.receive("481")
        peer.request("PRACK", 3, f"RAck: {header(ringing, 'RSeq')} 1 INVITE")
        await answering
        await asyncio.sleep(0.4)
        assert len(peer.times("180")) == 3 and peer.kinds[-2:] == ["200", "200"], "the PRACK's and the INVITE's"


@virtual_clock
async def test_responses_that_must_arrive_go_one_after_the_other() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, RELIABLE)
        incoming.ring()
        await incoming.early_media()
        ringing = await peer.receive("180")
        await until_settled()
        assert "183" not in peer.kinds
        peer.our_tag = ringing.head.to.tag
        peer.request("PRACK", 2, f"RAck: {header(ringing, 'RSeq')} 1 INVITE")
        progress = await peer.receive("183")
        assert int(header(progress, "RSeq")) == int(header(ringing, "RSeq")) + 1


@virtual_clock
async def test_a_caller_who_never_acknowledges_a_reliable_response_gets_504() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, RELIABLE)
        incoming.ring()
        answering = asyncio.create_task(incoming.answer())
        await peer.receive("504")
        assert peer.times("180") == DOUBLING
        with pytest.raises(LegError, match="487"):
            await answering
        assert world.agent.active_calls == 0


@virtual_clock
async def test_a_refused_call_is_told_nothing_more_of_its_ringing() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, RELIABLE)
        incoming.ring()
        await peer.receive("180")
        incoming.reject(486)
        peer.ack(await peer.receive("486"))
        await asyncio.sleep(40)
        assert peer.kinds.count("180") == 1 and peer.kinds.count("486") == 1


@virtual_clock
async def test_a_bye_before_the_answer_gives_the_call_up() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        incoming.ring()
        peer.our_tag = (await peer.receive("180")).head.to.tag
        peer.request("BYE", 2)
        await incoming.cancelled
        assert peer.kinds[-2:] == ["200", "487"]


@virtual_clock
async def test_an_offer_that_nobody_could_answer_is_refused_before_it_rings() -> None:
    async with running() as world:
        peer = Peer(world)
        peer.invite(body=VIDEO)
        await peer.receive("488")
        assert world.rung.empty() and not world.engine.sessions


@virtual_clock
async def test_without_a_free_media_port_the_caller_is_told_to_come_again() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer)
        world.engine.full = True
        with pytest.raises(LegError, match="503"):
            await incoming.answer()
        assert header(await peer.receive("503"), "Retry-After") == "5"


@virtual_clock
async def test_an_answer_that_does_not_fit_our_offer_ends_the_call_with_its_ack() -> None:
    async with running() as world:
        peer = Peer(world)
        incoming = await world.incoming(peer, body=b"")
        leg = await incoming.answer()
        peer.ack(await peer.receive("200"), body=VIDEO)
        assert (await leg.closed).startswith("failed: ")
        assert header(await peer.receive("BYE"), "Reason").startswith("SIP;cause=500")


@pytest.mark.parametrize(("status", "error"), [("480", None), ("500", RuntimeError("the application is broken"))])
def test_a_call_that_the_application_leaves_undecided_is_refused(status: str, error: Exception | None) -> None:
    async def on_call(incoming: IncomingCall) -> None:
        if error is not None:
            raise error

    @virtual_clock
    async def run() -> None:
        async with running(on_call) as world:
            peer = Peer(world)
            peer.invite()
            await peer.receive(status)

    run()
