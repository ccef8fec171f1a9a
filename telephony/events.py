"""What telephony tells whoever listens (metrics, logs, dashboards). Telephony itself keeps no metrics library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .leg import EndCause
from .media.stats import MediaStats
from .sip.tls import ShownCertificate


@dataclass(frozen=True, slots=True)
class CallSetUp:
    """A call was answered or refused, either way."""

    trunk: str
    incoming: bool
    status: int
    """Of the final response; 487 when it was given up before."""
    seconds: float
    """INVITE to final response."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """An answered call has ended."""

    trunk: str
    incoming: bool
    cause: EndCause
    seconds: float
    media: MediaStats = field(default_factory=MediaStats)
    words: str = ""
    """Why, for people, as `Leg.closed` says it."""


@dataclass(frozen=True, slots=True)
class SourceRefused:
    """A packet or request was turned away before it cost anything."""

    why: Literal[
        "rate", "blocked", "scanner", "unlisted", "calls", "calls-per-second", "digest", "draining", "overload",
        "descriptors",
    ]  # fmt: skip
    host: str
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class SourceBlocked:
    """A source is refused outright for a while, or (seconds 0) no longer."""

    host: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TrunkStateChanged:
    """A trunk's health or registration changed."""

    trunk: str
    state: Literal["up", "down", "registered", "refused", "unknown"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class CertificateShown:
    """From now on callers by TLS are shown this certificate: at the start, and when its file was renewed."""

    certificate: ShownCertificate


TelephonyEvent = CallSetUp | CallEnded | SourceRefused | SourceBlocked | TrunkStateChanged | CertificateShown
OnEvent = Callable[[TelephonyEvent], None]
"""Called on the event loop; must not raise and must not wait."""


def ignore_event(event: TelephonyEvent) -> None:
    """Nobody listens."""
