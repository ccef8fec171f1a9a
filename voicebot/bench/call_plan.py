"""What a test caller is to do, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from telephony.media.codecs import Pcm

TurnKind = Literal["free", "digits", "yesno", "after-action", "keys"]
KINDS: tuple[TurnKind, ...] = ("free", "digits", "yesno", "after-action", "keys")
TurnStatus = Literal["answered", "unanswered", "cut-off", "call-over"]


@dataclass(frozen=True, slots=True)
class CallerStep:
    """One turn of the caller."""

    kind: TurnKind
    """What the answer has to wait for: free speech, dictated digits, yes or no, a backend, keys."""
    label: str
    """What is said, for people."""
    pcm: Pcm | None = None
    """Spoken, at 8000 Hz."""
    keys: str = ""
    """Pressed instead."""
    barge_in: bool = False
    """Begin while the prompt is playing."""


@dataclass(slots=True)
class MeasuredTurn:
    """One turn as it went."""

    kind: TurnKind
    label: str
    status: TurnStatus
    voice_to_voice_ms: float | None = None
    """Sent packet with the last voiced sample (or key) to received packet with the first voiced one of the answer."""
    stopped_ms: float | None = None
    """Barge-in: first voiced sample sent to last voiced sample of the prompt received."""
    answer: Pcm | None = None
    """What came back, at 8000 Hz."""
    heard: str = ""
    """`answer` recognised, where that was asked for."""


@dataclass(slots=True)
class CallReport:
    """One call as it went."""

    script: str
    failure: str = ""
    """Why there was no call; empty when it was answered."""
    greeting_ms: float | None = None
    """200 OK to the first voiced sample of the greeting received; None when none came."""
    greeting: Pcm | None = None
    heard: str = ""
    """`greeting` recognised, where that was asked for."""
    seconds: float = 0.0
    """200 OK to the end."""
    ended_by: str = ""
    turns: list[MeasuredTurn] = field(default_factory=list)


HearBot = Callable[[], Awaitable[Pcm | None]]
"""Waits until the other side has finished; what it said since our last turn, or None when the call is over."""


class CallerPlan(Protocol):
    """Decides what a caller does next."""

    async def next(self, listen: HearBot) -> CallerStep | None:
        """The next turn, to be taken at once; None when there is nothing more to say."""
        ...


class FixedPlan:
    """One step after another, whatever is heard."""

    def __init__(self, steps: list[CallerStep]) -> None:
        self._steps = iter([*steps, None])

    async def next(self, listen: HearBot) -> CallerStep | None:
        """See `CallerPlan`. A step that barges in does not listen to the end."""
        step = next(self._steps, None)
        if step is not None and step.barge_in:
            return step
        return step if await listen() is not None else None
