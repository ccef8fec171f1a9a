"""Tests on a clock of their own: when nothing is ready, time jumps to the next timer. Nobody waits.

@virtual_clock
async def test_…() -> None:
    await asyncio.sleep(32)  # at once
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Jump(selectors.DefaultSelector):
    """Lets time pass instead of waiting for a socket."""

    loop: VirtualClockLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None:
            raise RuntimeError("the test waits for something that can never happen")
        self.loop.now_s += timeout
        return found


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """Its time begins at 1000 s and passes only when every task waits for a timer."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


def virtual_clock(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a `VirtualClockLoop`."""

    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
            runner.run(test(*args, **more))

    return run
