"""A bot with a folder of trunks, to be run where the test wants it: ``python -m tests.real.natbot FOLDER ADDRESS``.

Answers every call, and prints a line for each state of a trunk, each warning, and each call.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.events import TelephonyEvent, TrunkStateChanged
from telephony.media.engine import MediaEngine
from telephony.trunk.registry import TrunkRegistry


def on_event(event: TelephonyEvent) -> None:
    if isinstance(event, TrunkStateChanged):
        print("state", event.state, event.why, flush=True)


async def on_call(incoming: IncomingCall) -> None:
    print("call", incoming.from_uri, incoming.trunk.name if incoming.trunk else "-", flush=True)
    leg = await incoming.answer()
    print("over", await leg.closed, flush=True)


async def main(folder: Path, address: str) -> None:
    """Until killed."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    engine = MediaEngine(address, 23800, 23899)
    engine.start()
    agent = UserAgent(
        AgentConfig(address, 0, open=False), engine, on_call, trunks=TrunkRegistry(folder, on_event=on_event)
    )
    await agent.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
