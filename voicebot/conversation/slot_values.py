"""From a turn to slot values: the one that was asked for, others said along with it, and corrections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from voicebot.conversation.state import Memory
from voicebot.flows.flow import Flow
from voicebot.messages import Heard
from voicebot.nlu.slots.corrections import OPENERS, after_correction
from voicebot.nlu.slots.extract import MOST, find, find_heard
from voicebot.nlu.slots.thresholds import ASK, DOUBTED, PLAIN, UNSURE, sure_from, vouched
from voicebot.nlu.slots.tokens import Found, tokens
from voicebot.nlu.slots.yesno import find_yesno, mostly
from voicebot.nlu.specs import Slot

_ALONG = {"digits", "alnum", "date", "time", "datetime", "amount", "choice", "phone", "email"}
"""Types whose wording is clear enough to be taken without having been asked for."""
_FREE = {"text", "name", "yesno", "number"}
_LIMITED = {"date", "time", "datetime", "amount"}
"""Of these, those that have limits."""
_NO_LIMITS = {"earliest": "", "latest": "", "minimum": None, "maximum": None}
_HOLE = "xx"


class Answers:
    """Looks for values in turns; remembers nothing itself."""

    def __init__(self, flow: Flow, memory: Memory) -> None:
        self._flow, self._memory = flow, memory

    def asked(self, slot: str, heard: Heard, now: datetime) -> Found | None:
        """The value for the slot that was asked for; never one that the caller has refused already."""
        return next(iter(self.candidates(slot, heard, now)), None)

    def candidates(self, slot: str, heard: Heard, now: datetime) -> list[Found]:
        """All that the caller may have said for the slot, the likeliest first, of what it allows."""
        spec = self._flow.slots[slot]
        found = find_heard(spec, heard, now)
        refused = min(0.95, max((f.heard for f in found if not self._open(slot, f.value)), default=0.0))
        likely = [replace(f, heard=f.heard if f.heard >= refused else min(1.0, f.heard / (1 - refused)))
                  for f in found if self._open(slot, f.value)]  # fmt: skip
        return [f for f in likely if f.heard >= ASK or vouched(spec)]

    def _open(self, slot: str, value: str) -> bool:
        """Whether the caller has not refused the value already, and it exists as far as a list says."""
        exist = self._flow.existing.get(slot)
        return value not in self._memory.rejected.get(slot, set()) and (exist is None or value in exist)

    def not_allowed(self, slot: str, heard: Heard, now: datetime) -> bool:
        """Whether the turn held a value of the right type that the slot does not accept."""
        spec = self._flow.slots[slot]
        wide = spec.model_copy(update={"lengths": [], "pattern": [], "check": None, **_NO_LIMITS})
        if spec.type in _FREE:
            return False
        found = find_heard(wide, heard, now)
        return bool(found) and found[0].heard >= ASK and (spec.type != "digits" or len(found[0].value) >= 3)

    def part(self, slot: str, heard: Heard, now: datetime) -> str:
        """Digits that are too few for a digit slot, as when a caller pauses in the middle of a number; or nothing."""
        spec = self._flow.slots[slot]
        if spec.type != "digits" or not spec.sizes or heard.source == "keys":
            return ""
        found = find_heard(spec.model_copy(update={"lengths": [], "pattern": [], "check": None}), heard, now)
        return found[0].value if found and len(found[0].value) < min(spec.sizes) else ""

    def along(self, slots: Iterable[str], text: str, now: datetime, taken: Found | None = None) -> dict[str, Found]:
        """Values for slots that were not asked for, each from words that no other one has used."""
        words = tokens(text)
        if taken is not None:
            words[taken.start : taken.end] = [_HOLE] * (taken.end - taken.start)
        out: dict[str, Found] = {}
        for name in slots:
            slot = self._flow.slots[name]
            if slot.type not in _ALONG or slot.secret:
                continue
            found = find(slot, " ".join(words), now, asked=False)
            best = next((f for f in found if self._open(name, f.value)), None)
            if best is not None:
                out[name] = best
                words[best.start : best.end] = [_HOLE] * (best.end - best.start)
        return out

    def beyond(self, slots: Iterable[str], text: str, now: datetime, taken: Iterable[Found]) -> set[str]:
        """Slots for which the text has a value, not asked for, that they do not accept: "on the 4th of July 2030"."""
        words = tokens(text)
        for found in taken:
            words[found.start : found.end] = [_HOLE] * (found.end - found.start)
        rest = " ".join(words)
        return {
            name
            for name in slots
            if (slot := self._flow.slots[name]).type in _LIMITED
            and not slot.secret
            and find(slot.model_copy(update=_NO_LIMITS), rest, now, asked=False)
        }

    def corrected(
        self, slots: Iterable[str], heard: Heard, now: datetime, open_: bool = False
    ) -> list[dict[str, Found]]:
        """As `correction`, from each reading of a turn that holds one: inside the grammar first, best first."""
        names, outside = list(slots), heard.source == "speech" and not heard.expected_text
        found = [self.correction(names, text, now, open_, outside) for text in readings(heard)]
        return [fixed for fixed in found if fixed]

    def correction(
        self, slots: Iterable[str], text: str, now: datetime, open_: bool = False, outside: bool = False
    ) -> dict[str, Found]:
        """New values for slots that are filled already: ``no, I said Wednesday``, ``change the date to Friday``.

        Args:
            slots: candidates, the likeliest first.
            open_: the caller was asked what to change, so a bare value is enough.
            outside: recognition did not hear it inside the grammar of an answer: a value must be most of it.
        """
        words = tokens(text)
        cut = after_correction(words)
        if not (open_ or cut or corrects(text)):
            return {}
        names = list(slots)
        tail = " ".join(words[cut:])
        found = {n: f for n, f in self.along(names, tail, now).items() if f.value != self._memory.slots.get(n)}
        if found:
            return found
        for name in names:
            slot = self._flow.slots[name]
            if slot.type in _FREE or slot.secret:
                continue
            old = self._memory.slots.get(name, "")
            best = next((f for f in find(slot, tail, now) if f.value != old and self._open(name, f.value)), None)
            if best is not None and not (outside and coverage(tail, best) < MOST):
                return {name: best}
        return {}

    def must_check(self, slot: str, found: Found, heard: Heard) -> bool:
        """Whether a value has to be read back before it counts; see `nlu/slots/thresholds.py`."""
        spec = self._flow.slots[slot]
        if spec.secret or spec.confirm == "never":
            return False
        if spec.confirm == "always":
            return True
        if found.confidence <= UNSURE:
            return True
        if heard.source != "speech" or spec.type == "text":
            return False
        if found.heard < sure_from(spec) or found.confidence < PLAIN:
            return True
        return (spec.check is not None or spec.lookup is not None) and self._doubtful(spec, found, heard)

    def _doubtful(self, slot: Slot, found: Found, heard: Heard) -> bool:
        """A check digit holds by chance once in ten, and what was misheard may exist: a value that is not recognition's
        first choice is read back."""
        first = find(slot.model_copy(update={"check": None}), heard.expected_text or heard.text, datetime.min)
        return not first or first[0].value != found.value  # a number in two parts is read back too


def readings(heard: Heard) -> list[str]:
    """What a turn may have been: inside the grammar, best first, then free recognition."""
    return [text for text in dict.fromkeys((heard.expected_text, *heard.alternatives, heard.text)) if text]


def corrects(text: str) -> bool:
    """Whether a turn begins like a correction."""
    words = tokens(text)
    return bool(words) and (words[0] in OPENERS or "change" in words[:5])


def yes_or_no(heard: Heard) -> str:
    """``yes``, ``no`` or empty. A yes does things: outside the grammar it must be most of what was said."""
    if heard.source == "keys":
        return {"1": "yes", "2": "no"}.get(heard.text, "")
    inside = heard.expected_text if heard.expected_confidence >= DOUBTED else ""
    for text in (inside, heard.text):
        found = find_yesno(tokens(text))
        if not found:
            continue
        outside = heard.source == "speech" and not inside
        return "" if outside and found[0].value == "yes" and not mostly(tokens(text)) else found[0].value
    return ""


def coverage(text: str, found: Found) -> float:
    """How much of a text the value takes up, 0..1."""
    return (found.end - found.start) / max(1, len(tokens(text)))
