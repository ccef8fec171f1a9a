"""Which hops of a trunk answer. No I/O; OPTIONS are sent by `Line`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..sip.hop import Hop

MISSES = 2
"""So many OPTIONS without any answer and the hop is down; one answer, whatever it says, and it is up."""

State = Literal["up", "down", "unknown"]
Place = tuple[str, str, int]


class Health:
    """The states of one trunk's hops."""

    def __init__(self) -> None:
        self._known: dict[Place, tuple[State, int]] = {}
        """State, and misses since the last answer."""

    def watch(self, hops: Iterable[Hop]) -> None:
        """These are the trunk's hops now; what is known of those that stay is kept."""
        self._known = {where: self._known.get(where, ("unknown", 0)) for where in map(place, hops)}

    def answered(self, hop: Hop) -> None:
        """It answered, with any status."""
        if place(hop) in self._known:
            self._known[place(hop)] = ("up", 0)

    def missed(self, hop: Hop) -> None:
        """It did not answer."""
        state, misses = self._known.get(place(hop), ("unknown", 0))
        if place(hop) in self._known:
            self._known[place(hop)] = ("down" if misses + 1 >= MISSES else state, misses + 1)

    def of(self, hop: Hop) -> State:
        """The state of one hop."""
        return self._known.get(place(hop), ("unknown", 0))[0]

    @property
    def state(self) -> State:
        """Up when any hop is, down when all are."""
        states = {state for state, _ in self._known.values()}
        return "up" if "up" in states else "down" if states == {"down"} else "unknown"


def place(hop: Hop) -> Place:
    """What makes two hops the same server."""
    return (hop.protocol, hop.host, hop.port)
