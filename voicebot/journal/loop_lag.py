"""How late the event loop comes to what is due: while it is late, every call waits."""

from __future__ import annotations

import asyncio

from voicebot.journal import metrics

EVERY_S = 0.25


class LoopLag:
    """Measures the running loop from `start` to `stop`."""

    def __init__(self) -> None:
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """To be called on the loop that is measured."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + EVERY_S
        self._timer = loop.call_at(self._due_s, self._look)

    def stop(self) -> None:
        """Calling it again does nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        metrics.loop_lag.observe(max(0.0, asyncio.get_running_loop().time() - self._due_s))
        self.start()
