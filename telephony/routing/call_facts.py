"""What is known of a call when it has to be decided where it goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MAX_VALUE_CHARS = 200
"""Of anything of a peer that a dialog, a record or a page gets to see."""
MAX_HEADER_CHARS = 16_384
"""More of one header value is not looked at."""
MAX_VALUES = 16
"""Values of one header that are looked at."""


def clean(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    """One line of printable characters, at most `limit` of them: anything else becomes a space."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text[: limit * 4]).split())[:limit]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """An incoming call. All its texts are the peer's: hostile."""

    to: str
    """Request-URI, or a bare number."""
    from_: str
    """Value of From, its URI, or a bare number."""
    trunk: str = ""
    """Name of the trunk that the call came by; empty for a caller without one."""
    trusted: bool = False
    """The trunk is configured to be trusted: its headers (P-Asserted-Identity, Diversion, X-*) are believed."""
    verstat: bool = False
    """The trunk is configured to be believed about caller verification (STIR/SHAKEN), too."""
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lower-case name → values."""

    @classmethod
    def of(
        cls,
        to: str,
        from_: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        trunk: str = "",
        trusted: bool = False,
        verstat: bool = False,
    ) -> CallFacts:
        """Facts from header lines in their order; more than `MAX_VALUES` of one name are dropped."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            values = found.setdefault(name.strip().lower(), [])
            if len(values) < MAX_VALUES:
                values.append(value[:MAX_HEADER_CHARS])
        lists = {name: tuple(values) for name, values in found.items()}
        return cls(to, from_, trunk, trusted, verstat, lists)

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a header."""
        return self.headers.get(name.lower(), ())

    def first(self, name: str) -> str:
        """The first value of a header, or an empty text."""
        return next(iter(self.values(name)), "")
