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
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


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
    """Its time begins at 1000 s and passes only when every task waits for a timer.

    Executors run at once, in its thread.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - belongs to whoever waits
            done.set_exception(error)
        return done


class AtOnce(Executor):
    """An executor without threads."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a fresh `VirtualClockLoop`."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)


def virtual_clock(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a `VirtualClockLoop`."""

    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        run_virtually(test(*args, **more))

    return run
