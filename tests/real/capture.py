"""tshark at the loopback interface, from a moment that is sure to one that is sure."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from .programs import PATIENCE_S, until_it_says

EVERY_S = 0.05


@contextlib.asynccontextmanager
async def capturing(path: Path, ports: str) -> AsyncIterator[None]:
    """Write down all packets that `ports`, a capture filter such as ``udp port 9``, names.

    tshark says that it captures before it does, and writes later than packets come. So one of our own has to be in the
    file before the block begins, and another before it ends.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        own = f"udp port {probe.getsockname()[1]}"
        shark = await asyncio.create_subprocess_exec(
            *("tshark", "-i", "lo", "-f", f"({ports}) or {own}", "-w", str(path), "-q"), stderr=asyncio.subprocess.PIPE
        )
        try:
            await until_it_says(shark.stderr, b"Capturing on")
            await _written(path, probe, b"the capture begins")
            yield
            await _written(path, probe, b"the capture ends")
        finally:
            shark.terminate()
            await shark.communicate()


async def _written(path: Path, probe: socket.socket, words: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(_holds, path, words):
            probe.sendto(words, probe.getsockname())
            await asyncio.sleep(EVERY_S)


def _holds(path: Path, words: bytes) -> bool:
    return path.is_file() and words in path.read_bytes()
