"""Keepalives on a hop (RFC 5626 sections 3.5.1 and 4.4): they keep a NAT open and find out that a flow is dead."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from .hop import Hop

SHORTEST = 0.8
"""Of the interval: each is drawn between this part of it and the whole (RFC 5626 section 4.4.1)."""


class KeepAlive:
    """Pings `hop` until it is cancelled.

    Args:
        hop: whom.
        every_s: the interval.
        ping: sends one.
        on_dead: called, with the reason, each time that the flow is found dead; the next ping opens another.
    """

    def __init__(
        self, hop: Hop, every_s: float, ping: Callable[[Hop], None], on_dead: Callable[[str], None] | None
    ) -> None:
        self.hop = hop
        self.on_dead = on_dead
        self._every_s = every_s
        self._ping = ping
        self._timer: asyncio.TimerHandle | None = None
        self.cancelled = False
        self._arm()

    def cancel(self) -> None:
        """No more pings."""
        self.cancelled = True
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        wait_s = self._every_s * random.uniform(SHORTEST, 1.0)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _tick(self) -> None:
        self._arm()
        self._ping(self.hop)
