"""How sure a spoken value must be: from where it is taken at once, read back, or asked for again.

Recognition's confidence of an answer inside a grammar is calibrated (`voicebot bench asr`: of answers at 0.9, nine in
ten are right at the least), so all thresholds are chances of being right:

    0 ── asked again ── ASK ── read back ── SURE (or the slot's `sure`) ── taken at once ── 1

What was keyed or typed is sure, and slots with `confirm: never` read nothing back. A value is also read back when its
wording has several meanings (`PLAIN`).
"""

from __future__ import annotations

from voicebot.nlu.specs import Slot

SURE: dict[str, float] = {
    "date": 0.9, "time": 0.9, "datetime": 0.9, "amount": 0.9, "choice": 0.8, "yesno": 0.8, "number": 0.8,
}  # fmt: skip
"""One in ten wrong at the most, as the caller hears a date again before anything is booked; one in five where the next
prompt tells him. Types without one are always read back: nobody hears that a digit in a number is wrong.

Numbers are heard freely, where confidence is the mean probability of a token: of 118 recordings of numbers, amounts and
digits, all 99 from 0.8 on were right, and 15 of the 19 below."""
CHECKED = 0.5
"""The same of a first choice whose check digit fits: what was misheard fits once in ten, so one in twenty is wrong."""
ASK = 0.3
"""Under it, reading back would be wrong two times in three: asking again is quicker, and no wrong number is heard."""
DOUBTED = 0.5
"""At most so sure is what was found only in free words, although the answer was listened for in a grammar."""
PLAIN = 0.6
"""Wording less clear than this ("two" that may be "to", a name that only sounds alike) is read back."""
UNSURE = 0.4
"""Wording that only the last resort understood, and values that could not be looked up: always read back."""


def sure_from(slot: Slot) -> float:
    """From which chance on a spoken value of the slot is taken at once; above 1 where it never is."""
    if slot.sure is not None:
        return slot.sure if slot.sure < 1.0 else 2.0
    if slot.check is not None or slot.lookup is not None:
        return CHECKED
    return SURE.get(slot.type, 0.0 if slot.type == "text" else 2.0)


def vouched(slot: Slot) -> bool:
    """Whether something besides recognition tells right values from wrong ones, so that a faint one may be right."""
    return slot.check is not None or slot.lookup is not None or bool(slot.pattern)
