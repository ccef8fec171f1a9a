"""Events that belong to no call: what happens to the server itself. `events.KINDS` has them beside those of a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from voicebot.journal.entry import Event, Plain


@dataclass(frozen=True, slots=True)
class FlowDeployed(Event):
    """The server answers with this flow from now on."""

    kind: ClassVar[str] = "deployed"
    flow: str
    flow_hash: Plain
    """SHA-256 of the flow's file."""
    file: Plain
    """Name of the file, without its folder."""


@dataclass(frozen=True, slots=True)
class ServerStopped(Event):
    """The server was told to stop and all its calls are over."""

    kind: ClassVar[str] = "stopped"
    grace_s: float
    """How long live calls were given."""


@dataclass(frozen=True, slots=True)
class RecordsPruned(Event):
    """Calls were taken out of the record because of their age."""

    kind: ClassVar[str] = "pruned"
    before: float
    """Those that began before this, in seconds since 1970."""
    calls: int
    unanswered: int
    """Calls of which there were events only."""


@dataclass(frozen=True, slots=True)
class AddressBlocked(Event):
    """An address is turned away for a while."""

    kind: ClassVar[str] = "blocked"
    host: Plain
    why: Plain
    seconds: float = 0.0
    """For how long; 0: it was let in again."""
