"""Why the dialog did what it did, one record a turn, for the transcript page and the call record."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicebot.nlu.bands import Band


@dataclass(frozen=True, slots=True)
class Decision:
    """One turn's decision. Values of secret slots are masked (see `Conversation`)."""

    rule: str = ""
    """What fired: ``slot``, ``correction``, ``intent``, ``command:person``, ``no-match``, ``no-input``, ``result`` …"""
    step: str = ""
    """The step that was waiting, such as ``order_status.order_number``."""
    intent: str = ""
    """Best guess of what was wanted; empty when it was not looked at."""
    confidence: float = 0.0
    """Of that guess, 0..1."""
    band: Band = ""
    slots: dict[str, str] = field(default_factory=dict)
    """Values found in this turn."""
    failures: int = 0
    """Failures in a row after this turn."""
    why: tuple[str, ...] = ()
    """What the failures and the handover come from, oldest first: ``no-match at order_status.order_number``."""
    secret: bool = False
    """The turn held a secret value: its text must not be kept."""
