"""Whether this machine can carry one more call. No I/O; times are in seconds of one monotonic clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

LAG_S = 0.5
"""The event loop runs behind by this much: calls that are up come first."""
RELIEF_S = 1.0
"""New calls are refused for this long after the loop was seen to lag."""

Why = Literal["calls", "calls-per-second", "overload", "draining", "descriptors"]
"""As in `telephony.events.SourceRefused`."""


class Admission:
    """The limits of one user agent.

    Args:
        max_calls: at one time, both directions.
        max_new_per_s: incoming ones; a second's worth may come at once, at least one.
        scarce: whether sockets for one more call are lacking.
    """

    def __init__(self, max_calls: int, max_new_per_s: float, scarce: Callable[[], bool] = lambda: False) -> None:
        self.draining = False
        self._scarce = scarce
        self._max_calls = max_calls
        self._rate = max_new_per_s
        self._tokens = max(max_new_per_s, 1.0)
        self._filled_s: float | None = None
        self._next_beat_s = float("inf")
        self._lagged_until_s = float("-inf")

    def beat(self, now_s: float, next_s: float) -> None:
        """The event loop's timer has come round, and is to come again at `next_s`."""
        self._look(now_s)
        self._next_beat_s = next_s

    def relief_s(self, now_s: float) -> float | None:
        """Until when the lag of the event loop keeps new calls out; None: it keeps up."""
        return self._lagged_until_s if now_s < self._lagged_until_s else None

    def _look(self, now_s: float) -> None:
        """A call is looked at before the timer that is due: the lag is seen by whoever comes first."""
        if now_s - self._next_beat_s > LAG_S:
            self._lagged_until_s = now_s + RELIEF_S

    def full(self, calls: int, now_s: float) -> Why | None:
        """Why nobody has time for a new call beside the `calls` that are up; None: there is room."""
        if self.draining:
            return "draining"
        if calls >= self._max_calls:
            return "calls"
        self._look(now_s)
        if now_s < self._lagged_until_s:
            return "overload"
        return "descriptors" if self._scarce() else None

    def refuses(self, calls: int, now_s: float, *, known: bool) -> Why | None:
        """As `full`, and by the rate; None: the call may come, and is counted.

        `known`: it comes over a trunk. Half of each second's worth is kept for those, so that a flood of others
        does not keep them out.
        """
        why = self.full(calls, now_s)
        if why is not None:
            return why
        elapsed_s = 0.0 if self._filled_s is None else now_s - self._filled_s
        burst = max(self._rate, 1.0)
        self._tokens = min(burst, self._tokens + elapsed_s * self._rate)
        self._filled_s = now_s
        kept = 0.0 if known else min(self._rate / 2, burst - 1)
        if self._tokens < kept + 1:
            return "calls-per-second"
        self._tokens -= 1
        return None
