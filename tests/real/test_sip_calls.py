"""Calls that sipp makes to our agent and takes from it, over UDP and TCP, with the real media engine."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from telephony.agent import Credentials, IncomingCall, UserAgent
from telephony.leg import LegError

from .programs import PATIENCE_S, until
from .siprun import running_agent, sipp

pytestmark = pytest.mark.peer("sipp")
both = pytest.mark.parametrize("transport", ["udp", "tcp"])


async def answer_until_hung_up(incoming: IncomingCall) -> None:
    incoming.ring()
    leg = await incoming.answer()
    leg.play(np.zeros(8000, np.int16))
    assert await leg.closed == "caller"


async def answer_and_hang_up(incoming: IncomingCall) -> None:
    leg = await incoming.answer()
    await asyncio.sleep(0.2)
    await leg.hang_up()
    assert await leg.closed == "local"


async def ring_until_cancelled(incoming: IncomingCall) -> None:
    incoming.ring()
    await incoming.cancelled
    with pytest.raises(LegError):
        await incoming.answer()


def assert_idle(agent: UserAgent) -> None:
    assert agent.active_calls == 0


@both
async def test_calls_come_in_and_are_hung_up_by_the_caller(transport: str) -> None:
    async with running_agent(answer_until_hung_up) as agent:
        async with sipp("UAC", to=agent.port, transport=transport, calls=20, rate=20) as caller:
            await caller.ended()
        assert_idle(agent)


@both
@pytest.mark.parametrize(
    ("scenario", "on_call"),
    [
        ("cancel", ring_until_cancelled),
        ("options", None),
        ("hold", answer_until_hung_up),
        ("late_offer", answer_until_hung_up),
        ("in_dialog", answer_until_hung_up),
        ("bye_from_us", answer_and_hang_up),
    ],
)
async def test_a_caller_gets_what_the_scenario_wants(scenario: str, on_call: object, transport: str) -> None:
    async with running_agent(on_call) as agent:  # type: ignore[arg-type]
        async with sipp(scenario, to=agent.port, transport=transport) as caller:
            await caller.ended()
        await until(lambda: agent.active_calls == 0)


async def test_requests_travel_by_the_recorded_route() -> None:
    async with running_agent(answer_and_hang_up) as agent, sipp("record_route", to=agent.port) as caller:
        await caller.ended()


@both
async def test_over_the_limit_a_call_gets_503_with_retry_after(transport: str) -> None:
    refusing = running_agent(answer_until_hung_up, max_calls=0)
    async with refusing as agent, sipp("refused", to=agent.port, transport=transport) as caller:
        await caller.ended()


@both
async def test_we_call_and_hang_up(transport: str) -> None:
    async with running_agent(None) as agent, sipp("UAS", transport=transport) as called:
        leg = await agent.call(f"sip:human@127.0.0.1:{called.port};transport={transport}", headers={"X-Summary": "a"})
        assert agent.active_calls == 1
        await leg.hang_up()
        assert await leg.closed == "local"
        assert_idle(agent)
        await called.ended()


async def test_the_called_party_hangs_up() -> None:
    async with running_agent(None) as agent, sipp("uas_hangs_up") as called:
        leg = await agent.call(f"sip:human@127.0.0.1:{called.port}")
        assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"
        await called.ended()


async def test_busy_says_so() -> None:
    async with running_agent(None) as agent, sipp("uas_busy") as called:
        with pytest.raises(LegError) as caught:
            await agent.call(f"sip:human@127.0.0.1:{called.port}")
        assert (caught.value.status, caught.value.reason) == (486, "Busy Here")
        assert_idle(agent)
        await called.ended()


@pytest.mark.parametrize("scenario", ["uas_no_answer", "uas_crossing"])
async def test_no_answer_in_time_is_cancelled_even_when_the_answer_crosses(scenario: str) -> None:
    """sipp insists on CANCEL, and on ACK and BYE when its 200 comes all the same."""
    async with running_agent(None) as agent, sipp(scenario) as called:
        with pytest.raises(LegError) as caught:
            await agent.call(f"sip:human@127.0.0.1:{called.port}", ring_s=0.3)
        assert caught.value.status == 408
        await called.ended()
        assert_idle(agent)


async def test_a_cancelled_task_cancels_the_call() -> None:
    async with running_agent(None) as agent, sipp("uas_no_answer") as called:
        task = asyncio.create_task(agent.call(f"sip:human@127.0.0.1:{called.port}"))
        await until(lambda: agent.active_calls == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await called.ended()
        assert_idle(agent)


async def test_a_challenge_is_answered() -> None:
    """sipp computes the digest itself and says 403 to a wrong one."""
    async with running_agent(None) as agent, sipp("uas_digest") as called:
        leg = await agent.call(f"sip:human@127.0.0.1:{called.port}", credentials=Credentials("bot", "secret"))
        await leg.hang_up()
        await called.ended()


async def test_a_challenge_without_credentials_fails_the_call() -> None:
    async with running_agent(None) as agent, sipp("uas_digest") as called:
        with pytest.raises(LegError) as caught:
            await agent.call(f"sip:human@127.0.0.1:{called.port}")
        assert caught.value.status == 401


async def test_nobody_there_is_unreachable() -> None:
    async with running_agent(None) as agent:
        with pytest.raises(LegError) as caught:
            await agent.call("sip:human@127.0.0.1:1;transport=tcp")
        assert caught.value.status == 503
        for uri in ("sips:a@127.0.0.1", "http://x", "sip:a@no.such.host.invalid"):
            with pytest.raises(LegError):
                await agent.call(uri)
        with pytest.raises(ValueError, match="Via"):
            await agent.call("sip:a@127.0.0.1:1", headers={"Via": "x"})
        assert_idle(agent)


async def test_a_closed_port_is_told_from_a_telephone_that_rings(unused_udp_port: int) -> None:
    async with running_agent(None) as agent:
        with pytest.raises(LegError, match="nobody listens") as caught:
            await agent.call(f"sip:desk@127.0.0.1:{unused_udp_port}", ring_s=30)
    assert caught.value.status == 503
