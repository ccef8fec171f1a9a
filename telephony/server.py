"""A SIP server in a few lines: media engine, user agent, trunks and flood guard started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from .agent import OnCall, UserAgent
from .agent_config import AgentConfig
from .call_policy import Terms
from .events import OnEvent, ignore_event
from .media.engine import MediaEngine
from .sip.flood_guard import FloodGuard
from .trunk.registry import TrunkRegistry

FIRST_RTP, LAST_RTP = 20000, 29999
_DEFAULT = AgentConfig()
_STRANGERS = Terms()


@contextlib.asynccontextmanager
async def serving(
    on_call: OnCall | None,
    config: AgentConfig = _DEFAULT,
    *,
    trunks: Path | None = None,
    rtp_ports: tuple[int, int] = (FIRST_RTP, LAST_RTP),
    on_event: OnEvent = ignore_event,
    strangers: Terms = _STRANGERS,
    grace_s: float = 0.0,
) -> AsyncIterator[UserAgent]:
    """A running user agent, which takes calls and places them.

    Args:
        on_call: called in a task of its own for each new call; None only places calls.
        config: where to listen, and how much to take on. RTP uses the same addresses.
        trunks: a folder of trunk files (docs/trunks.md).
        rtp_ports: the first and the last that may be used.
        on_event: is told of calls, refusals, blocked sources and trunks.
        strangers: the terms of calls that belong to no trunk.
        grace_s: how long the calls still on may go on at the end; new ones get 503 then.

    Raises:
        OSError: with words, when a port is taken or an address is not of this machine.
        SourceError: a trunk file is wrong.
    """
    guard = FloodGuard(on_event=on_event)
    registry = TrunkRegistry(trunks, guard=guard, on_event=on_event, strangers=strangers)
    media = MediaEngine(config.hosts, *rtp_ports)
    media.start()
    try:
        agent = UserAgent(config, media, on_call, trunks=registry, guard=guard, on_event=on_event)
        await agent.start()
        try:
            yield agent
        finally:
            await agent.stop(grace_s)
    finally:
        media.stop()


async def stop_signal() -> signal.Signals:
    """Wait for SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[signal.Signals] = loop.create_future()
    with _handled(loop, came):
        return await came


@contextlib.contextmanager
def _handled(loop: asyncio.AbstractEventLoop, came: asyncio.Future[signal.Signals]) -> Iterator[None]:
    def tell(number: signal.Signals) -> None:
        if not came.done():
            came.set_result(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, tell, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
