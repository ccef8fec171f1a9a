"""Blocking calls in a bounded number of threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from voicebot import log

T = TypeVar("T")


class Threads:
    """Runs blocking jobs, at most `size` at once; more wait.

    A job whose caller gave up (timeout) keeps its place until it really ends, so a backend that hangs costs at most
    `size` threads. The threads are daemons: a hanging one does not keep the process from ending, as a pool's would.
    """

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, or its exception."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def finish(settle: Callable[[], None]) -> None:
            self._free.release()
            if not result.done():
                settle()

        def body() -> None:
            try:
                value = job()
            except BaseException as error:  # noqa: BLE001 - not handled here: it is raised where the job was asked for
                failure = error
                _post(loop, lambda: finish(lambda: result.set_exception(failure)))
            else:
                _post(loop, lambda: finish(lambda: result.set_result(value)))

        threading.Thread(target=log.in_call(body), name="action", daemon=True).start()
        return await result


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
