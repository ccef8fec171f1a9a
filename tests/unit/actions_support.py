"""What several tests of actions use: a DNS with prepared answers, and actions from a piece of YAML."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.messages import Do, Result

Run = Callable[..., Awaitable[Result]]


class Dns(AbstractResolver):
    """Gives prepared answers, one after the other, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for a in found
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def actions(folder: Path, text: str, dns: Dns | None = None) -> AsyncIterator[Run]:
    file = folder / "x.actions.yaml"
    file.write_text(text)
    runner = Actions(Catalog.load(file, {}), dns)
    await runner.start()
    count = 0

    async def run(name: str, **args: Any) -> Result:
        nonlocal count
        count += 1
        return await runner.run(Do(name, args, f"t{count}"))

    try:
        yield run
    finally:
        await runner.stop()
