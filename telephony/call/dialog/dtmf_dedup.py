"""Keys that a peer presses, in RTP or by INFO; one that comes both ways is one key. The clock is an argument."""

from __future__ import annotations

from collections import deque
from typing import Literal

TWICE_S = 0.3
"""So far apart may the two reports of one key be."""
MAX_HELD_S = 10.0
"""Whatever a report says: so long is a key held at most."""
MAX_OPEN = 32

DtmfPath = Literal["media", "info"]


class DtmfDedup:
    """Of one call. Some phones report each key by telephone event (or as a tone) and by INFO."""

    def __init__(self) -> None:
        self._open: deque[tuple[float, str, DtmfPath]] = deque(maxlen=MAX_OPEN)
        """Reports that have not been matched by one of the other way."""

    def is_new(self, key: str, way: DtmfPath, now_s: float, held_s: float = 0.0) -> bool:
        """Whether this report is a key press of its own: not the same key that has just come the other way.

        `held_s`: how long the key was pressed by now. Events come when it goes down, INFO often when it is let go.
        """
        while self._open and now_s - self._open[0][0] > TWICE_S + MAX_HELD_S:
            self._open.popleft()
        for one in self._open:
            if one[1] == key and one[2] != way and now_s - one[0] <= TWICE_S + min(held_s, MAX_HELD_S):
                self._open.remove(one)
                return False
        self._open.append((now_s, key, way))
        return True
