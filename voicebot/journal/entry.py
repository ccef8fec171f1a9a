"""What every event of the journal has: fields that say whose words they hold, plain data, and its place in a call."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_type_hints

Plain = Annotated[str, "plain"]
"""No caller's word: an id, a hash, a name of ours. It stays as it is."""
Party = Annotated[str, "party"]
"""Somebody's address: a telephone number in it stays whole."""
Said = Annotated[str, "said"]
"""Somebody's words: all of them are masked when the event is secret."""


class Event:
    """Base of all events."""

    __slots__ = ()
    kind: ClassVar[str]
    version: ClassVar[int] = 1

    def data(self) -> dict[str, Any]:
        """The fields as plain data, for JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    @functools.cache
    def marks(cls) -> Mapping[str, str]:
        """Field → ``plain``, ``party`` or ``said``: how redaction treats it; other fields are masked where need be."""
        hints = get_type_hints(cls, include_extras=True)
        return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event where and when it happened."""

    call: str | None
    """Our own id of the call; None for what happened outside calls."""
    number: int
    """Counts from 1 within a call, without gaps; 0 for what happened outside calls."""
    at: float
    """Seconds since 1970."""
    event: Event
    live: Event | None = None
    """It as sinks get it that cannot take anything back, where that is less."""

    def for_live_sinks(self) -> Entry:
        """Without the numbers that answered no question: they may be the beginning of something secret."""
        return self if self.live is None else Entry(self.call, self.number, self.at, self.live)

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain data: ``call``, ``number``, ``at``, ``kind``, ``version``, ``data``."""
        return {
            "call": self.call,
            "number": self.number,
            "at": self.at,
            "kind": self.event.kind,
            "version": self.event.version,
            "data": self.event.data(),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return round(value, 4)
    return float(value) if hasattr(value, "__float__") else str(value)  # numpy's numbers among them
