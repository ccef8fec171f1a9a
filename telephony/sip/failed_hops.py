"""Hops that failed lately: they are tried last for a while. The clock is an argument."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .hop import Hop, Route

PENALTY_S = 60.0
MAX_PENALTY_S = 600.0
MAX_PENALTIES = 512


class FailedHops:
    """Bounded; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._until_s: OrderedDict[Route, float] = OrderedDict()

    def add(self, hop: Hop, now_s: float, for_s: float = PENALTY_S) -> None:
        """`hop` failed, or said when it wants to be asked again."""
        self._until_s[hop.route] = now_s + min(for_s, MAX_PENALTY_S)
        self._until_s.move_to_end(hop.route)
        if len(self._until_s) > MAX_PENALTIES:
            self._until_s.popitem(last=False)

    def lift(self, hop: Hop) -> None:
        """`hop` has answered."""
        self._until_s.pop(hop.route, None)

    def order(self, hops: Iterable[Hop], now_s: float) -> list[Hop]:
        """The same hops, those under penalty last, both parts in their order."""
        return sorted(hops, key=lambda hop: self._until_s.get(hop.route, float("-inf")) > now_s)
