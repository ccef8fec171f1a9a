"""What tests share about the programs that they start: waiting for their words, and ports that nobody uses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket

RTP_PORTS = range(30000, 32768)
"""Below those that the system gives to whoever asks for any, above those of a server that was not told otherwise."""
PATIENCE_S = 20.0


async def until_it_says(output: asyncio.StreamReader | None, words: bytes, patience_s: float = PATIENCE_S) -> None:
    """Read a program's output up to a line with `words`. Fails with what it said when it ends, or is silent, before."""
    assert output is not None, "the program was started without a pipe"
    said = b""
    try:
        async with asyncio.timeout(patience_s):
            while words not in (line := await output.readline()):
                said += line
                if not line:
                    break
            else:
                return
        what = "has ended"
    except TimeoutError:
        what = f"has not said {words!r} within {patience_s:g} s"
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode("utf-8", "replace"))
    raise AssertionError(f"the program {what}; it said:\n{text[-4000:]}")


def free_ports(count: int) -> range:
    """So many neighbouring UDP ports, the first of them even, that nobody on this machine uses now."""
    for _ in range(200):
        first = random.randrange(RTP_PORTS.start, RTP_PORTS.stop - count, 2)
        with contextlib.ExitStack() as bound:
            try:
                for port in range(first, first + count):
                    one = bound.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    one.bind(("0.0.0.0", port))
            except OSError:
                continue
            return range(first, first + count)
    raise AssertionError(f"no {count} free ports in a row")
