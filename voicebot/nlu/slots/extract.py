"""What a turn says for one slot: candidates of its type, filtered by what the slot allows."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from datetime import date, datetime

import dateparser

from voicebot.messages import Heard
from voicebot.nlu.slots import limits
from voicebot.nlu.slots.corrections import after_correction
from voicebot.nlu.slots.dates import find_dates
from voicebot.nlu.slots.digits import find_digits
from voicebot.nlu.slots.letters import find_codes
from voicebot.nlu.slots.names import find_choices, find_emails, find_listed, find_names, find_phones, listed
from voicebot.nlu.slots.numbers import find_amounts, find_numbers
from voicebot.nlu.slots.thresholds import DOUBTED, UNSURE
from voicebot.nlu.slots.times import find_times
from voicebot.nlu.slots.tokens import Found, tokens
from voicebot.nlu.slots.yesno import find_yesno, mostly
from voicebot.nlu.specs import Slot

MOST = 0.5
"""Of a turn's words."""
_CLEAR = {"date", "time", "datetime", "amount", "choice", "name"}
"""Types with wordings that mean nothing else; digits have them where their number is known."""


def find(slot: Slot, text: str, now: datetime, *, asked: bool = True) -> list[Found]:
    """Values for a slot in a text, the likeliest first, only such as the slot allows.

    Args:
        text: what was recognised or typed.
        now: the moment of speaking.
        asked: whether the slot was asked for; otherwise only wordings that can mean nothing else count.
    """
    words = tokens(text)
    if not words:
        return []
    found = _by_type(slot, text, words, now, asked)
    allowed = [f for f in found if allows(slot, f.value, now)]
    if not allowed and not found and asked and slot.type in ("date", "datetime"):
        allowed = [f for f in _last_resort(slot, text, words, now) if allows(slot, f.value, now)]
    return list({f.value: f for f in reversed(allowed)}.values())[::-1]


def find_keyed(slot: Slot, keys: str, now: datetime) -> list[Found]:
    """The value that was keyed: digits as they are, dates as MMDD or MMDDYYYY, times as HHMM, choices by number."""
    value = _keyed(slot, keys.strip("#"), now.date())
    return [Found(value, 1.0, 0, 1)] if value and allows(slot, value, now) else []


def find_heard(slot: Slot, heard: Heard, now: datetime) -> list[Found]:
    """Values for the slot that was asked for: in-grammar results first, then free recognition.

    What recognition did not hear inside the slot's grammar is other speech as a rule: it counts only where it says
    nothing else, or in words that can mean nothing else.
    """
    if heard.source == "keys":
        return find_keyed(slot, heard.text, now)
    out: dict[str, Found] = {}
    whole = len(tokens(heard.text)) or 1
    left = 1.0
    for text in filter(None, dict.fromkeys((heard.expected_text, *heard.alternatives))):
        share = heard.expected_confidence if left == 1.0 else min(heard.expected_confidence, left / 2)
        left -= share
        for found in find(slot, text, now)[:4]:
            out.setdefault(found.value, replace(found, start=0, end=whole, heard=share))
    if doubted(slot, heard):
        chance, free = min(heard.confidence, DOUBTED), _other_words(slot, heard.text, now)
    else:
        chance = min(heard.confidence, left / 2) if out else heard.confidence
        free = find(slot, heard.text, now)
    for found in free:  # the words of a value that was known are those beside which others may be
        out[found.value] = replace(found, heard=out[found.value].heard if found.value in out else chance)
    return list(out.values())


def doubted(slot: Slot, heard: Heard) -> bool:
    """Whether the slot was listened for in a grammar, and what was said is not in it."""
    return heard.source == "speech" and slot.kind != "free" and not heard.expected_text


def _other_words(slot: Slot, text: str, now: datetime) -> list[Found]:
    """Values in a turn that was not inside the slot's grammar."""
    if slot.type == "yesno":
        return find(slot, text, now) if mostly(tokens(text)) else []
    size = len(tokens(text))
    alone = [found for found in find(slot, text, now) if found.end - found.start >= MOST * size]
    clear = slot.type in _CLEAR or (slot.type == "digits" and bool(slot.sizes))
    return alone or (find(slot, text, now, asked=False) if clear else [])


def allows(slot: Slot, value: str, now: datetime) -> bool:
    """Whether a value is one that the slot accepts."""
    if slot.type in ("digits", "alnum"):
        fits = len(value) in slot.sizes if slot.sizes else len(value) <= 20
        fits = fits and (not slot.pattern or any(shaped(value, pattern) for pattern in slot.pattern))
        return fits and (slot.check != "luhn" or limits.luhn(value))
    if slot.type in ("amount", "number"):
        number = float(value)
        return (slot.minimum is None or number >= slot.minimum) and (slot.maximum is None or number <= slot.maximum)
    if slot.type in ("date", "datetime"):
        day = date.fromisoformat(value[:10])
        early = not slot.earliest or day >= limits.day_limit(slot.earliest, now.date())
        late = not slot.latest or day <= limits.day_limit(slot.latest, now.date())
        return early and late
    if slot.type == "time":
        early = not slot.earliest or value >= limits.time_limit(slot.earliest).strftime("%H:%M")
        return early and (not slot.latest or value <= limits.time_limit(slot.latest).strftime("%H:%M"))
    return True


def _by_type(slot: Slot, text: str, words: list[str], now: datetime, asked: bool) -> list[Found]:
    def valid(value: str) -> bool:
        return allows(slot, value, now)

    match slot.type:
        case "digits":
            return find_digits(words, valid, asked=asked)
        case "alnum":
            return find_codes(words, valid)
        case "date":
            return _latest_first(find_dates(words, now.date(), asked=asked), words)
        case "time":
            return _times(words, now, asked)
        case "datetime":
            return _datetimes(words, now, asked)
        case "amount":
            return find_amounts(words, asked=asked)
        case "number":
            return find_numbers(words)
        case "yesno":
            return find_yesno(words)
        case "choice":
            return find_choices(words, synonyms(slot), asked=asked)
        case "phone":
            return find_phones(words, slot.region)
        case "email":
            return find_emails(text, words)
        case "name":
            return find_listed(words, synonyms(slot), asked=asked) if slot.names else find_names(words)
    return [Found(re.sub(r"[\x00-\x1f\x7f]", " ", text).strip(), 0.9, 0, len(words))]


def shaped(value: str, pattern: str) -> bool:
    """Whether a code has this shape (see `Slot.pattern`)."""
    return len(value) == len(pattern) and all(
        c.isalpha() if p == "A" else c.isdigit() if p == "9" else p in ("*", c.lower())
        for c, p in zip(value, pattern, strict=True)
    )


def synonyms(slot: Slot) -> dict[str, list[str]]:
    """Every way to say each choice or listed name of a slot."""
    return {name: list(forms) for name, forms in listed(tuple(slot.names)).items()} or {
        key: [*choice.synonyms, *([choice.say] if choice.say else []), key.replace("_", " ")]
        for key, choice in slot.choices.items()
    }


def _latest_first(found: list[Found], words: list[str]) -> list[Found]:
    """A corrected value before the one that it corrects."""
    cut = after_correction(words)
    return sorted(found, key=lambda f: f.start < cut)


def _times(words: list[str], now: datetime, asked: bool) -> list[Found]:
    days = find_dates(words, now.date(), asked=False)
    taken = (days[0].start, days[0].end) if days else (0, 0)
    return _latest_first(find_times(words, asked=asked, taken=taken), words)


def _datetimes(words: list[str], now: datetime, asked: bool) -> list[Found]:
    days = _latest_first(find_dates(words, now.date(), asked=asked), words)
    out: list[Found] = []
    for day in days[:3]:
        times = find_times(words, asked=True, taken=(day.start, day.end))
        out += [
            Found(
                f"{day.value}T{t.value}",
                min(day.confidence, t.confidence),
                min(day.start, t.start),
                max(day.end, t.end),
            )
            for t in _latest_first(times, words)[:3]
        ]
    return out


def _last_resort(slot: Slot, text: str, words: list[str], now: datetime) -> list[Found]:
    settings = {"RELATIVE_BASE": now.replace(tzinfo=None), "PREFER_DATES_FROM": "future", "REQUIRE_PARTS": ["day"]}
    if len(words) > 8:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns about its own use of dates without a year
        moment = dateparser.parse(text[:80], languages=["en"], settings=settings)
    if moment is None:
        return []
    value = moment.date().isoformat() if slot.type == "date" else moment.strftime("%Y-%m-%dT%H:%M")
    return [Found(value, UNSURE, 0, len(words))]


def _keyed(slot: Slot, keys: str, today: date) -> str:
    if slot.type == "amount":
        whole, _, cents = keys.partition("*")
        return (
            f"{int(whole)}.{cents[:2]:0<2}" if whole.isdigit() and len(whole) < 10 and (cents or "0").isdigit() else ""
        )
    if not keys.isdigit():
        return ""
    if slot.type == "yesno":
        return {"1": "yes", "2": "no"}.get(keys, "")
    if slot.type == "choice":
        names = list(slot.choices)
        return names[int(keys) - 1] if len(keys) < 3 and 1 <= int(keys) <= len(names) else ""
    if slot.type == "date":
        return _keyed_day(keys, today)
    if slot.type == "time" and len(keys) in (3, 4) and int(keys[:-2]) < 24 and int(keys[-2:]) < 60:
        return f"{int(keys[:-2]):02d}:{keys[-2:]}"
    if slot.type == "phone":
        found = find_phones([keys], slot.region)
        return found[0].value if found else ""
    if slot.type == "number":
        return str(int(keys)) if len(keys) <= 9 else ""
    return keys if slot.type in ("digits", "alnum") else ""


def _keyed_day(keys: str, today: date) -> str:
    if len(keys) not in (4, 8):
        return ""
    try:
        year = int(keys[4:]) if len(keys) == 8 else today.year
        day = date(year, int(keys[:2]), int(keys[2:4]))
        if len(keys) == 4 and day < today:
            day = day.replace(year=today.year + 1)
    except ValueError:
        return ""
    return day.isoformat()


def warm() -> None:
    """Let dateparser read its tables: a fifth of a second that no caller should wait for."""
    dateparser.parse("tomorrow", languages=["en"])
