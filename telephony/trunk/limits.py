"""How many calls a trunk may have, and how many new ones in a second. The clock is an argument."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .model import Trunk

RETRY_FULL_S = 5
"""What a caller is told to wait when all channels are taken."""


@dataclass(frozen=True, slots=True)
class TrunkFull:
    """A call that the trunk has no room for."""

    status: int
    """503, or 486 when the trunk says so."""
    retry_after_s: int | None
    why: Literal["calls", "calls-per-second"]
    """As in `telephony.events.SourceRefused`."""


class ChannelLease:
    """A call's place on its trunk. Give it back when the call is over, however it ended; twice does no harm."""

    __slots__ = ("_give_back",)

    def __init__(self, give_back: Callable[[], None] | None = None) -> None:
        self._give_back = give_back

    def confirm(self) -> None:
        """The caller has acknowledged our answer: his address is no forgery."""

    def release(self) -> None:
        """The call is over."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Limits:
    """The places of one trunk. Counts go on when the file changes: `live` calls stay counted under new limits."""

    def __init__(self) -> None:
        self.live = 0
        self._tokens = math.inf
        self._filled_s = -math.inf

    def admit(self, trunk: Trunk, now_s: float) -> ChannelLease | TrunkFull:
        """A place for one more call, or why there is none.

        New calls draw from a bucket that holds one second's worth, at least one call, and fills evenly.
        """
        if trunk.max_calls is not None and self.live >= trunk.max_calls:
            return TrunkFull(trunk.when_full, RETRY_FULL_S if trunk.when_full == 503 else None, "calls")
        if trunk.max_new_per_s is not None:
            rate = trunk.max_new_per_s
            self._tokens = min(max(rate, 1.0), self._tokens + (now_s - self._filled_s) * rate)
            self._filled_s = now_s
            if self._tokens < 1 - 1e-9:
                return TrunkFull(503, max(math.ceil((1 - self._tokens) / rate), 1), "calls-per-second")
            self._tokens -= 1
        self.live += 1
        return ChannelLease(self._leave)

    def _leave(self) -> None:
        self.live -= 1
