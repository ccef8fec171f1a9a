"""How much the network shakes: least and greatest transit time of the last seconds (no I/O)."""

from __future__ import annotations

MIN_WAIT_MS = 20.0
START_WAIT_MS = 60.0
"""Until something is known. It costs nothing where nothing is missing."""
MAX_WAIT_MS = 150.0

_MARGIN_MS = 10.0
"""Arrivals are seen on a 5 ms tick; a bit more than that is not jitter."""
_WINDOW_MS = 5000.0


class TransitTime:
    """Least and greatest transit time over the last five to ten seconds, in two buckets.

    Transit times are arrival minus timestamp, so only their differences mean something.
    """

    def __init__(self, transit_ms: float, now_ms: float) -> None:
        self._begin(transit_ms, now_ms, START_WAIT_MS)

    def restart(self, transit_ms: float, now_ms: float) -> None:
        """Forget what was seen: the sender's clock jumped. How much the network shakes is still known."""
        self._begin(transit_ms, now_ms, self.wait_ms)

    def _begin(self, transit_ms: float, now_ms: float, wait_ms: float) -> None:
        self._since_ms = now_ms
        self._low = self._old_low = self._high = transit_ms
        self._old_high = transit_ms + wait_ms - _MARGIN_MS
        self.least_ms, self.wait_ms = transit_ms, wait_ms

    def add(self, transit_ms: float, now_ms: float) -> None:
        """Note one packet."""
        if now_ms - self._since_ms > _WINDOW_MS:
            self._since_ms = now_ms
            self._old_low, self._old_high = self._low, self._high
            self._low = self._high = transit_ms
        elif transit_ms < self._low:
            self._low = transit_ms
        elif transit_ms > self._high:
            self._high = transit_ms
        self.least_ms = self._low if self._low < self._old_low else self._old_low
        high = self._high if self._high > self._old_high else self._old_high
        self.wait_ms = min(max(high - self.least_ms + _MARGIN_MS, MIN_WAIT_MS), MAX_WAIT_MS)
