"""What the record of a call holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Speaker = Literal["caller", "bot", "system"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Something said by one side, or an event of the call (``system``)."""

    speaker: Speaker
    text: str
    confidence: float | None = None
    """Of the recognition, 0..1; None for the bot and for keys."""
    intent: str = ""
    intent_confidence: float | None = None
    step: str = ""
    """Step of the dialog when it was said."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Stage → milliseconds."""
    barged_in: bool = False
    source: str = ""
    """``speech``, ``keys`` or ``text`` for a caller's turn."""
    secret: bool = False
    """The text is never stored: ``•••`` stands for it and for the values found; trace and alternatives are left out."""
    rule: str = ""
    """Of the conversation, by which the turn was decided."""
    trace: Mapping[str, Any] = field(default_factory=dict)
    """Why: candidates, band, failures and their reasons; plain data."""
    alternatives: tuple[str, ...] = ()
    """Recognition's n-best, best first."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """Slot → the value found in the turn; secret ones are masked."""
    failures: int = 0
    """In a row, after this turn."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One line of the list of calls."""

    call_id: str
    started_at: float
    """Seconds since 1970."""
    ended_at: float | None
    """None while the call is under way."""
    channel: str
    caller: str
    called: str
    flow: str
    outcome: str
    reason: str
    resolved: tuple[str, ...]
    """Tasks done end to end."""
    turns: int
    """Turns of the caller."""
    flow_hash: str = ""
    """Of the flow's content; empty for calls recorded before it was kept."""


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A stored turn: `at` is in seconds since 1970."""

    at: float
    turn: Turn


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A stored backend action: `at` (its end) is in seconds since 1970; secret arguments are masked."""

    at: float
    name: str
    args: Mapping[str, Any]
    ok: bool
    error: str
    ms: float
    token: str = ""
    """Under which the backend may know a repeated write again."""
    write: bool = False
    """Whether it changes something."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """A stored event of the journal."""

    call_id: str | None
    """None for what happened to the server rather than in a call: a deploy, a login, a block."""
    number: int
    """From 1, within the call."""
    at: float
    """Seconds since 1970."""
    kind: str
    version: int
    """Of the kind's fields."""
    data: Mapping[str, Any]
    """The fields, redacted."""


@dataclass(frozen=True, slots=True)
class CallDetail:
    """Everything stored about one call."""

    call: CallRow
    summary: str
    slots: Mapping[str, str]
    turns: tuple[TurnRow, ...]
    actions: tuple[ActionRow, ...]
    media: Mapping[str, Any]
    """Packets lost, late, concealed … as the leg counted them."""
