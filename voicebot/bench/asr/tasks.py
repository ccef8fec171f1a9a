"""What a dialog would expect at each recording of the manifest, and when its answer counts as right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from voicebot.bench.asr.line_conditions import Recording
from voicebot.messages import Expect
from voicebot.nlu.slots.dates import find_dates
from voicebot.nlu.slots.digits import find_digits
from voicebot.nlu.slots.letters import find_codes
from voicebot.nlu.slots.names import find_choices
from voicebot.nlu.slots.numbers import find_amounts
from voicebot.nlu.slots.tokens import tokens
from voicebot.nlu.slots.yesno import find_yesno

TODAY = datetime(2026, 1, 1, 12)
"""Days are named from here, so that figures do not change with the calendar."""
_DIGITS = {"digit": 1, "digits4": 4, "digits6": 6, "digits10": 10}
_LISTED = ("number", "dateword", "ordinal")
_FREE = ("sentence", "request", "long", "word")
NAMES = (*_DIGITS, "digits_real", "letter", "nato", "code", "date", "amount", "yesno", *_LISTED, *_FREE, "coffee")
STRINGS = ("digits4", "digits6", "digits10")
_COFFEE_HOW = ("a little bit of", "a bit of", "a lot of", "lots of", "some")
_SHORTEST_BOOST = 3
_TAKEN = "|"


@dataclass(frozen=True, slots=True)
class RecordingTask:
    """A kind of recording.

    Args:
        expect: what is waited for at a recording.
        value: a text as the dialog would take it; empty where it takes nothing of it.
    """

    expect: Callable[[Recording], Expect]
    value: Callable[[str, Recording], str]
    free: bool = False
    """Scored by words; values are texts."""


def tasks(recordings: Sequence[Recording]) -> dict[str, RecordingTask]:
    """The tasks of a manifest by name; a list of phrases is what its recordings say. Unknown ones are left out."""
    found = {name: RecordingTask(_const(Expect("digits", (n,))), _digits) for name, n in _DIGITS.items()}
    found["digits_real"] = RecordingTask(lambda r: Expect("digits", (_count(r),)), _digits)
    found |= {name: RecordingTask(_const(Expect("alnum", (1,))), _code) for name in ("letter", "nato")}
    found["code"] = RecordingTask(lambda r: Expect("alnum", (_count(r),)), _code)
    found["date"] = RecordingTask(_const(Expect("date")), _date)
    found["amount"] = RecordingTask(_const(Expect("amount")), _amount)
    found["yesno"] = RecordingTask(_const(Expect("yesno")), _yesno)
    for name in _LISTED:
        listed = tuple(sorted({r.transcript for r in recordings if r.task == name}))
        found[name] = RecordingTask(_const(Expect("phrases", phrases=listed)), _words)
    found |= {name: RecordingTask(_const(Expect()), _words, free=True) for name in _FREE}
    menu = OrderMenu(recordings)
    found["coffee"] = RecordingTask(_const(Expect(boost=menu.boost)), menu.order, free=True)
    present = {r.task for r in recordings}
    return {name: task for name, task in found.items() if name in present}


def truth(recording: Recording, task: RecordingTask) -> str:
    """The right value."""
    return task.value(recording.slots if recording.task == "coffee" else recording.transcript, recording)


def plain(text: str) -> str:
    """Lower case words, figures as digits said one by one, for counting wrong words."""
    spelt = re.sub(r"\d", lambda m: f" {_DIGIT_WORDS[int(m[0])]} ", text.lower().replace("’", "'"))
    return " ".join("zero" if w in ("oh", "o") else w for w in re.findall(r"[a-z']+", spelt))


_DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class OrderMenu:
    """The slots of orders: what may fill each, taken from the manifest, as a flow's author would list it.

    A filling may have a measure before it ("a bit of soy milk"); both are needed.
    """

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._kinds: dict[str, dict[str, tuple[str, ...]]] = {}
        for recording in recordings:
            for slot, text in _slots(recording.slots).items() if recording.task == "coffee" else ():
                kind = _split(text)[1]
                self._kinds.setdefault(slot, {}).setdefault(kind, _forms(kind))
        self._measured = {slot for slot in self._kinds if slot.endswith("Amount")}
        listed = {word for kinds in self._kinds.values() for kind in kinds for word in kind.split()}
        self.boost = tuple(sorted(w for w in listed if len(w) >= _SHORTEST_BOOST))
        """Words that a dialog would list."""

    def order(self, text: str, recording: Recording) -> str:
        """Slots of a text (or of the manifest's JSON), as one line."""
        if text.startswith("{"):
            found = {slot: " ".join(_split(said)).strip() for slot, said in _slots(text).items()}
        else:
            found = self._heard(re.findall(r"[a-z0-9']+", text.lower()))
        return "; ".join(f"{slot}: {value}" for slot, value in sorted(found.items()))

    def _heard(self, words: list[str]) -> dict[str, str]:
        """Longest first, each word once: "medium roast" is no size."""
        found: dict[str, str] = {}
        left = list(words)
        while True:
            fitting = [
                (one.end - one.start, -one.start, slot, one)
                for slot, kinds in self._kinds.items()
                if slot not in found
                for one in find_choices(left, kinds, asked=False)
            ]
            if not fitting:
                return found
            _, _, slot, best = max(fitting, key=lambda f: f[:3])
            before = " ".join(words[: best.start])
            how = next((h for h in _COFFEE_HOW if slot in self._measured and f" {before}".endswith(f" {h}")), "")
            found[slot] = f"{how} {best.value}".strip()
            left[best.start : best.end] = [_TAKEN] * (best.end - best.start)


def _slots(text: str) -> dict[str, str]:
    read = json.loads(text) if text.strip() else {}
    return {str(slot): " ".join(str(value).lower().split()) for slot, value in read.items()}


def _split(text: str) -> tuple[str, str]:
    how = next((h for h in _COFFEE_HOW if text.startswith(h + " ")), "")
    return how, text.removeprefix(how).strip()


def _forms(kind: str) -> tuple[str, ...]:
    """How an author of a flow lists it: ``eight ounce`` is also written ``8 ounce``, "iced" is said "ice"; plurals."""
    figures = {"eight": "8", "twelve": "12", "sixteen": "16", "twenty": "20", "iced": "ice"}
    first, _, rest = kind.partition(" ")
    forms = [kind, *([f"{figures[first]} {rest}"] if first in figures else [])]
    return tuple(form + tail for form in forms for tail in ("", "s"))


def _const(expect: Expect) -> Callable[[Recording], Expect]:
    return lambda _: expect


def _count(recording: Recording) -> int:
    return len(recording.transcript.split())


def _digits(text: str, recording: Recording) -> str:
    count = _DIGITS.get(recording.task) or _count(recording)
    return next((f.value for f in find_digits(tokens(text), lambda v: len(v) == count)), "")


def _code(text: str, recording: Recording) -> str:
    """Letters and digits; O and 0 count as the same, as both are called "oh"."""
    found = find_codes(tokens(text), lambda v: len(v) == (_count(recording) if recording.task == "code" else 1))
    return found[0].value.replace("O", "0") if found else ""


def _date(text: str, recording: Recording) -> str:
    return next((f.value for f in find_dates(tokens(text), TODAY.date())), "")


def _amount(text: str, recording: Recording) -> str:
    return next((f.value for f in find_amounts(tokens(text))), "")


def _yesno(text: str, recording: Recording) -> str:
    return next((f.value for f in find_yesno(tokens(text))), "")


def _words(text: str, recording: Recording) -> str:
    return plain(text)
