"""Where a call of ours goes: refusals in the network's words, redirects, dead and full hops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from telephony.agent import CallFailed
from telephony.call_policy import Terms
from telephony.leg import LegError
from telephony.sip.hop import Hop
from telephony.trunk.next_hops import NextHop

from .programs import PATIENCE_S
from .sippcalled import invite, ok, pause, reply, request, write
from .sippscript import sdp
from .siprun import running_agent, sipp
from .test_sip_outbound import BYE, assert_idle, uri

pytestmark = pytest.mark.peer("sipp")


async def test_a_refusal_says_why_in_the_words_of_the_network(tmp_path: Path) -> None:
    busy = reply(503, more='Reason: Q.850;cause=34;text="No circuit available"')
    script = write(tmp_path, invite(), busy, request("ACK"))
    async with running_agent(None) as agent, sipp(script) as called:
        with pytest.raises(CallFailed, match="No circuit available") as caught:
            await agent.call(uri(called.port))
        assert caught.value.status == 503
        assert caught.value.reasons[0].cause == 34
        await called.ended()


async def test_a_redirect_is_followed_where_the_terms_allow_it_and_never_in_circles(tmp_path: Path) -> None:
    answers = write(tmp_path, invite({"To": "human@"}), reply(200, body=sdp()), request("ACK"), BYE)
    async with running_agent(None) as agent, sipp(answers) as there:
        contact = f"<sip:human@127.0.0.1:1;transport=nonsense>;q=0.9, <sip:b@127.0.0.1:{there.port}>;q=0.5"
        moved = write(tmp_path, invite(), reply(302, contact=contact), request("ACK"))
        async with sipp(moved) as here:
            leg = await agent.call(uri(here.port), terms=Terms(redirects=1))
            await leg.hang_up()
            await here.ended()
            await there.ended()
        async with sipp(moved) as here:
            with pytest.raises(LegError) as caught:
                await agent.call(uri(here.port))
            assert caught.value.status == 302
            await here.ended()
        circle = write(tmp_path, invite(), reply(302, contact="<sip:human@[local_ip]:[local_port]>"), request("ACK"))
        async with sipp(circle) as here:
            with pytest.raises(LegError) as caught:
                await agent.call(uri(here.port), terms=Terms(redirects=5))
            assert caught.value.status == 302
            await here.ended()
        assert_idle(agent)


async def test_the_next_hop_is_tried_when_one_is_dead_or_says_503(
    tmp_path: Path, unused_udp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = write(tmp_path, invite(), reply(180), reply(200, body=sdp()), request("ACK"), BYE)
    refuses = write(tmp_path, invite(), reply(503), request("ACK"))
    async with running_agent(None) as agent, sipp(refuses) as full, sipp(answers) as free:

        async def ways(trunk: object, to: object) -> list[NextHop]:
            hops = [Hop("tcp", "127.0.0.1", unused_udp_port), Hop("udp", "127.0.0.1", unused_udp_port)]
            hops += [Hop("udp", "127.0.0.1", full.port), Hop("udp", "127.0.0.1", free.port)]
            return [NextHop(to, hop) for hop in hops]  # type: ignore[arg-type]

        monkeypatch.setattr(agent._trunks, "next_hops", ways)
        monkeypatch.setattr("telephony.call.outbound.hunt.HOP_PATIENCE_S", 1000)  # so silence would not be enough
        leg = await asyncio.wait_for(agent.call("sip:human@somewhere.invalid", ring_s=1000), PATIENCE_S)
        await leg.hang_up()
        await full.ended()
        await free.ended()
        assert_idle(agent)


async def test_a_silent_hop_is_left_after_its_patience_and_cancelled_when_it_wakes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.call.outbound.hunt.HOP_PATIENCE_S", 0.3)
    late = write(
        tmp_path, invite(), pause(600), reply(180), request("CANCEL"), ok(), reply(487), request("ACK"), pause(10)
    )
    answers = write(tmp_path, invite(), reply(200, body=sdp()), request("ACK"), BYE)
    async with running_agent(None) as agent, sipp(late) as sleepy, sipp(answers) as awake:

        async def ways(trunk: object, to: object) -> list[NextHop]:
            return [NextHop(to, Hop("udp", "127.0.0.1", one.port)) for one in (sleepy, awake)]  # type: ignore[arg-type]

        monkeypatch.setattr(agent._trunks, "next_hops", ways)
        leg = await agent.call("sip:human@somewhere.invalid")
        await sleepy.ended()
        await leg.hang_up()
        await awake.ended()
