"""From a turn to slot values: the one that was asked for, others said along with it, and corrections."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from voicebot.events import Heard
from voicebot.mind.flow import Flow
from voicebot.mind.memory import Memory
from voicebot.mind.schema import Slot
from voicebot.mind.slots.corrections import OPENERS, after_correction
from voicebot.mind.slots.find import UNSURE, find, find_heard
from voicebot.mind.slots.words import Found, tokens
from voicebot.mind.slots.yesno import find_yesno

_ALONG = {"digits", "alnum", "date", "time", "datetime", "amount", "choice", "phone", "email"}
"""Types whose wording is clear enough to be taken without having been asked for."""
_FREE = {"text", "name", "yesno", "number"}
_SURE = {"date": 0.55, "time": 0.5, "datetime": 0.55, "amount": 0.6, "choice": 0.45, "number": 0.45, "yesno": 0.4}
"""Confidence from which a spoken value counts without being read back; types without one are always read back."""
_HOLE = "xx"


class Answers:
    """Looks for values in turns; remembers nothing itself."""

    def __init__(self, flow: Flow, memory: Memory) -> None:
        self._flow, self._memory = flow, memory

    def asked(self, slot: str, heard: Heard, now: datetime) -> Found | None:
        """The value for the slot that was asked for; never one that the caller has refused already."""
        refused = self._memory.rejected.get(slot, set())
        return next((f for f in find_heard(self._flow.slots[slot], heard, now) if f.value not in refused), None)

    def not_allowed(self, slot: str, heard: Heard, now: datetime) -> bool:
        """Whether the turn held a value of the right type that the slot does not accept."""
        spec = self._flow.slots[slot]
        wide = spec.model_copy(
            update={"lengths": [], "check": None, "earliest": "", "latest": "", "minimum": None, "maximum": None}
        )
        if spec.type in _FREE:
            return False
        found = find_heard(wide, heard, now)
        return bool(found) and (spec.type != "digits" or len(found[0].value) >= 3)

    def part(self, slot: str, heard: Heard, now: datetime) -> str:
        """Digits that are too few for a digit slot, as when a caller pauses in the middle of a number; or nothing."""
        spec = self._flow.slots[slot]
        if spec.type != "digits" or not spec.lengths or heard.source == "keys":
            return ""
        found = find_heard(spec.model_copy(update={"lengths": [], "check": None}), heard, now)
        return found[0].value if found and len(found[0].value) < min(spec.lengths) else ""

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
            refused = self._memory.rejected.get(name, set())
            best = next((f for f in find(slot, " ".join(words), now, asked=False) if f.value not in refused), None)
            if best is not None:
                out[name] = best
                words[best.start : best.end] = [_HOLE] * (best.end - best.start)
        return out

    def correction(self, slots: Iterable[str], text: str, now: datetime, open_: bool = False) -> dict[str, Found]:
        """New values for slots that are filled already: ``no, I said Wednesday``, ``change the date to Friday``.

        Args:
            slots: candidates, the likeliest first.
            open_: the caller was asked what to change, so a bare value is enough.
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
            refused = self._memory.rejected.get(name, set()) | {self._memory.slots.get(name, "")}
            best = next((f for f in find(slot, tail, now) if f.value not in refused), None)
            if best is not None:
                return {name: best}
        return {}

    def must_check(self, slot: str, found: Found, heard: Heard) -> bool:
        """Whether a value has to be read back before it counts."""
        spec = self._flow.slots[slot]
        if spec.secret or spec.confirm == "never":
            return False
        if spec.confirm == "always":
            return True
        if heard.source != "speech":
            return found.confidence <= UNSURE
        if spec.check is not None:
            return self._doubtful(spec, found, heard)
        return found.confidence < _SURE.get(spec.type, 2.0) and spec.type != "text"

    def _doubtful(self, slot: Slot, found: Found, heard: Heard) -> bool:
        """A check digit holds by chance once in ten: a value that is not recognition's first choice is read back."""
        first = find(slot.model_copy(update={"check": None}), heard.expected_text or heard.text, datetime.min)
        return not first or first[0].value != found.value  # a number in two parts is read back too


def corrects(text: str) -> bool:
    """Whether a turn begins like a correction."""
    words = tokens(text)
    return bool(words) and (words[0] in OPENERS or "change" in words[:5])


def yes_or_no(heard: Heard) -> str:
    """``yes``, ``no`` or empty."""
    if heard.source == "keys":
        return {"1": "yes", "2": "no"}.get(heard.text, "")
    for text in (heard.expected_text, heard.text):
        found = find_yesno(tokens(text))
        if found:
            return found[0].value
    return ""


def coverage(heard: Heard, found: Found) -> float:
    """How much of a turn the value takes up, 0..1."""
    return (found.end - found.start) / max(1, len(tokens(heard.text)))
