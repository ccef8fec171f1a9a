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
        self._misses: dict[Place, int | None] = {}
        """Misses in a row; None: never asked."""

    def watch(self, hops: Iterable[Hop]) -> None:
        """These are the trunk's hops now; what is known of those that stay is kept."""
        self._misses = {place: self._misses.get(place) for place in map(place, hops)}

    def answered(self, hop: Hop) -> None:
        """It answered, with any status."""
        self._note(hop, 0)

    def missed(self, hop: Hop) -> None:
        """It did not answer."""
        self._note(hop, min((self._misses.get(place(hop)) or 0) + 1, MISSES))

    def _note(self, hop: Hop, misses: int) -> None:
        if place(hop) in self._misses:
            self._misses[place(hop)] = misses

    def of(self, hop: Hop) -> State:
        """The state of one hop; one miss does not change it from up."""
        misses = self._misses.get(place(hop))
        return "unknown" if misses is None else "down" if misses >= MISSES else "up" if misses == 0 else "unknown"

    @property
    def state(self) -> State:
        """Up when any hop is, down when all are."""
        states = {"unknown" if m is None else "down" if m >= MISSES else "up" for m in self._misses.values()}
        return "up" if "up" in states else "unknown" if "unknown" in states or not states else "down"

    def sorted(self, hops: list[Hop]) -> list[Hop]:
        """In the given order, those that are down last: they are still tried when nothing else is left."""
        return sorted(hops, key=lambda hop: self.of(hop) == "down")


def place(hop: Hop) -> Place:
    """What makes two hops the same server."""
    return (hop.protocol, hop.host, hop.port)
