"""Our own user agent as a phone, in the process of the test, for tests that look at the server and not at the phone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from telephony.agent import AgentConfig, LegError, SipLeg, UserAgent
from telephony.media.engine import MediaEngine
from tests.real.programs import PATIENCE_S


@contextlib.asynccontextmanager
async def phone(first_port: int) -> AsyncIterator[UserAgent]:
    media = MediaEngine("127.0.0.1", first_port, first_port + 99)
    agent = UserAgent(AgentConfig(("127.0.0.1",), 0), media, None)
    media.start()
    await agent.start()
    try:
        yield agent
    finally:
        await agent.stop()
        media.stop()


async def placed(agent: UserAgent, uri: str) -> SipLeg:
    """A call; on a machine that does other things, the server may ask for patience."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await agent.call(uri, from_name="caller")
            except LegError as error:
                if error.status != 503:
                    raise
            await asyncio.sleep(1)
