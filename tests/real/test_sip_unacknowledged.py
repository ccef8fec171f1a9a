"""acceptance.md, 13: a thousand INVITEs that are never ACKed leave nothing behind after 32 s and a margin.

The event loop of the agent runs ten times as fast as the clock on the wall, so that the timers of RFC 3261 run in full.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from collections import Counter

import pytest

from telephony.agent import IncomingCall
from telephony.leg import LegError

from .programs import until
from .siprun import OFFER, OnCall, running_agent, wire

SPEED = 10.0
INVITES = 1000
TIMER_H_S = 32.0
MARGIN_S = 6.0
"""Five of them are timer K of the BYE that ends a call without ACK."""


class HurriedSelector(selectors.DefaultSelector):
    """Waits a tenth of what it is asked to, and knows the time that went by in that: computing takes none of it.

    So a slow machine is late by the clock on the wall, and in time by this one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        began_s = time.monotonic()
        ready = super().select(timeout / SPEED)
        self.now_s += min((time.monotonic() - began_s) * SPEED, timeout)
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """Its seconds are tenths of a second."""

    def __init__(self) -> None:
        self._hurried = HurriedSelector()
        super().__init__(self._hurried)

    def time(self) -> float:
        return self._hurried.now_s


async def answer(incoming: IncomingCall) -> None:
    with contextlib.suppress(LegError):
        await (await incoming.answer()).closed


async def refuse(incoming: IncomingCall) -> None:
    incoming.reject(486)


async def leave_unacknowledged(on_call: OnCall) -> tuple[Counter[int], set[str]]:
    """Send INVITEs and nothing else; the final answers, and the calls that were ended with BYE, which is answered."""
    finals: Counter[int] = Counter()
    ended: set[str] = set()
    async with running_agent(on_call, max_calls=100) as agent, wire(agent.port) as peer:
        seen = set()

        async def listen() -> None:
            while True:
                text = (await peer.inbox.get()).decode()
                call = next(line for line in text.split("\r\n") if line.startswith("Call-ID"))
                if text.startswith("BYE"):
                    ended.add(call)
                    peer.send(
                        b"SIP/2.0 200 OK\r\n"
                        + text.partition("\r\n")[2].partition("\r\nUser-Agent")[0].encode()
                        + b"\r\n\r\n"
                    )
                elif text[8:11] >= "200" and call not in seen:
                    seen.add(call)
                    finals[int(text[8:11])] += 1

        listening = asyncio.create_task(listen())
        for number in range(INVITES):
            peer.send(peer.request("INVITE", branch=f"z9hG4bK{number}", call=f"c{number}", body=OFFER))
            if number % 20 == 19:  # the socket of the agent holds some tens
                with contextlib.suppress(TimeoutError):
                    await until(lambda: len(seen) > number, 2)  # noqa: B023 - it is over before the next
        transactions = agent._endpoint._transactions
        await asyncio.sleep(TIMER_H_S + MARGIN_S)
        listening.cancel()
        assert agent.active_calls == 0
        assert len(transactions) == 0
        assert not transactions._merge
        assert not transactions._sources
        assert not agent._pending
        assert not agent._tasks
    return finals, ended


@pytest.mark.parametrize("on_call", [answer, refuse])
def test_invites_that_are_never_acknowledged_leave_nothing_behind(on_call: OnCall) -> None:
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        finals, ended = runner.run(leave_unacknowledged(on_call))
    print(finals, len(ended))
    assert sum(finals.values()) > INVITES / 2, "the socket of a hurried peer loses some"
    assert len(ended) == finals[200]
    assert finals[200 if on_call is answer else 486] >= 50
