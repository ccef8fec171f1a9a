"""What a conversation knows: slots, variables, the tasks under way and those that are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicebot.conversation.pending import PendingLookup
from voicebot.flows.flow import Flow
from voicebot.flows.templates import Value
from voicebot.nlu.slots.tokens import Found

MASK = "••••"
MAX_VALUE = 500
"""Characters of one value that a backend may put into a variable."""


def dots(value: str, kind: str) -> str:
    """What is shown of a secret value where nobody says otherwise."""
    return MASK


class BadAnswer(ValueError):
    """A backend's answer without a field that the flow needs, or with one that is no plain value."""


@dataclass(slots=True)
class TaskFrame:
    """A task under way."""

    task: str
    at: int = 0
    """Index of the instruction that is next, or that waits."""


@dataclass(slots=True)
class Memory:
    flow: Flow
    caller: Mapping[str, Value]
    """What the call brings; never changed."""
    masked: Callable[[str, str], str] = dots
    """What is shown instead of a secret value of this slot type."""
    slots: dict[str, str] = field(default_factory=dict)
    unchecked: dict[str, Found] = field(default_factory=dict)
    """Values that must be read back before they count."""
    ahead: dict[str, PendingLookup] = field(default_factory=dict)
    """Values that were given before they were asked for: looked up when their turn comes."""
    beyond: set[str] = field(default_factory=set)
    """Slots for which a value was given before they were asked for that they do not accept."""
    rejected: dict[str, set[str]] = field(default_factory=dict)
    """Values that the caller said were wrong."""
    variables: dict[str, Value] = field(default_factory=dict)
    frames: list[TaskFrame] = field(default_factory=list)
    retried: set[str] = field(default_factory=set)
    """Slots that were forgotten because of a failure: filling them again is no progress yet."""
    resolved: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    """What came of the resolved tasks, in words."""
    wishes: list[str] = field(default_factory=list)
    """Tasks that were started, in order."""

    def values(self) -> dict[str, Value]:
        """Everything that a text or condition can name."""
        return {**self.caller, **self.variables, **self.slots}

    def shown(self) -> dict[str, str]:
        """Slot values, secrets masked."""
        return {name: self.mask(name, value) for name, value in self.slots.items()}

    def mask(self, slot: str, value: str) -> str:
        spec = self.flow.slots[slot]
        return self.masked(value, spec.type) if spec.secret else value

    def secret(self, names: set[str]) -> bool:
        return any(name in self.flow.slots and self.flow.slots[name].secret for name in names)

    def forget(self, slots: tuple[str, ...] | list[str]) -> None:
        for name in slots:
            self.slots.pop(name, None)
            self.unchecked.pop(name, None)
            self.ahead.pop(name, None)
            self.beyond.discard(name)

    def clear(self) -> None:
        """Start over: nothing of the caller's wishes is kept, what was done stays done."""
        self.frames.clear()
        self.slots.clear()
        self.unchecked.clear()
        self.ahead.clear()
        self.beyond.clear()
        self.rejected.clear()
        self.retried.clear()

    def begin(self, task: str) -> None:
        """Put a task on top; one that is under way already is taken up again where it was."""
        for i, frame in enumerate(self.frames):
            if frame.task == task:
                del self.frames[i + 1 :]
                return
        needed_below = {slot for frame in self.frames for slot in self.flow.programs[frame.task].slots}
        stale = [s for s in self.flow.programs[task].slots if not self.flow.slots[s].keep and s not in needed_below]
        self.forget(stale)
        for slot in stale:
            self.rejected.pop(slot, None)
            self.retried.discard(slot)
        self.frames.append(TaskFrame(task))
        self.wishes.append(task)

    def save(self, answer: Any, wanted: Mapping[str, str]) -> None:
        """Take fields of a backend's answer into variables. Raises BadAnswer; then nothing is taken."""
        self.variables |= {name: _field(answer, path) for name, path in wanted.items()}


def values(answer: Any, path: str) -> list[str]:
    """The list at `path` of a backend's answer as texts: plain values, or rows whose first column counts.

    Raises:
        BadAnswer: there is no such list.
    """
    rows = _at(answer, path) if path else answer
    if not isinstance(rows, (list, tuple)):
        raise BadAnswer(path)
    plain = [next(iter(row.values()), None) if isinstance(row, dict) else row for row in rows]
    return [str(value) for value in plain if isinstance(value, (str, int))]


def _at(answer: Any, path: str) -> Any:
    for key in path.split("."):
        if isinstance(answer, dict) and key in answer:
            answer = answer[key]
        elif isinstance(answer, (list, tuple)) and key.isdigit() and len(key) < 6 and int(key) < len(answer):
            answer = answer[int(key)]
        else:
            raise BadAnswer(path)
    return answer


def _field(answer: Any, path: str) -> Value:
    answer = _at(answer, path)
    if isinstance(answer, str):  # no line ends or control characters from a backend reach a header or a log
        return " ".join("".join(c if c.isprintable() else " " for c in answer[:MAX_VALUE]).split())
    if answer is None or isinstance(answer, (bool, int, float)):
        return answer
    raise BadAnswer(path)
