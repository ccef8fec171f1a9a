"""Why a call ended, as the Reason header says it (RFC 3326). No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .grammar import is_token, parse_params, quote, split_list

MAX_TEXT = 200
"""Of a peer's words; the rest is cut."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: ``Q.850;cause=16;text="Normal call clearing"``."""

    protocol: str
    """``SIP`` (cause is a status), ``Q.850`` (cause is one of ISDN's), or another token."""
    cause: int | None = None
    text: str = ""

    @classmethod
    def parse(cls, value: str) -> Reason:
        """Read one value. Raises ValueError."""
        protocol, separator, rest = value.strip().partition(";")
        protocol = protocol.strip()
        if not is_token(protocol):
            raise ValueError("no protocol")
        params = parse_params(separator + rest)
        cause = params.get("cause") or ""
        plain = "".join(ch if ch.isprintable() else " " for ch in params.get("text") or "")
        known = cause.isascii() and cause.isdigit() and len(cause) <= 4
        return cls(protocol, int(cause) if known else None, plain[:MAX_TEXT])

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        return f"{self.protocol}{cause}" + (f";text={quote(self.text)}" if self.text else "")

    @property
    def words(self) -> str:
        """For people: ``Q.850 16 Normal call clearing``."""
        cause = "" if self.cause is None else str(self.cause)
        return " ".join(part for part in (self.protocol, cause, self.text) if part)


def read(values: list[str]) -> list[Reason]:
    """All reasons that can be read; broken ones are left out (nobody fails over a courtesy)."""
    reasons: list[Reason] = []
    for value in values:
        try:
            reasons += [Reason.parse(item) for item in split_list(value)]
        except ValueError:
            continue
    return reasons
