"""Keys that a peer presses, in RTP or by INFO; one that comes both ways is one key. The clock is an argument."""

from __future__ import annotations

from collections import deque
from typing import Literal

TWICE_S = 0.3
"""So far apart may the two reports of one key be."""
MAX_OPEN = 32

DtmfPath = Literal["media", "info"]


class DtmfDedup:
    """Of one call. Some phones report each key by telephone event (or as a tone) and by INFO."""

    def __init__(self) -> None:
        self._open: deque[tuple[float, str, DtmfPath]] = deque(maxlen=MAX_OPEN)
        """Reports that have not been matched by one of the other way."""

    def is_new(self, key: str, way: DtmfPath, now_s: float) -> bool:
        """Whether this report is a key press of its own: not the same key that has just come the other way."""
        while self._open and now_s - self._open[0][0] > TWICE_S:
            self._open.popleft()
        for one in self._open:
            if one[1] == key and one[2] != way:
                self._open.remove(one)
                return False
        self._open.append((now_s, key, way))
        return True
