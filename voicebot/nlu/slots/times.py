"""Times of day as callers say them."""

from __future__ import annotations

import re

from voicebot.nlu.slots.tokens import UNITS, Found, alone, below_hundred, small

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\Z")
_FIXED = {"noon": (12, 0), "midday": (12, 0), "lunchtime": (12, 0), "midnight": (0, 0), "noontime": (12, 0)}
_BEFORE = {"at", "for", "around", "about", "by", "say", "approximately", "roughly", "nearly"}
_PARTS = {"morning": "am", "afternoon": "pm", "evening": "pm", "tonight": "pm", "night": "pm", "lunch": "pm"}
Clock = tuple[int, int, int]
"""Hour 0..24, minute, place after it."""


def find_times(words: list[str], *, asked: bool = True, taken: tuple[int, int] = (0, 0)) -> list[Found]:
    """Times in a turn as ``HH:MM``, each place's likeliest half of the day first.

    Without "am", "in the morning" and the like, one to six o'clock are taken as afternoon and seven to eleven as
    morning; the other half follows as a second candidate.

    Args:
        asked: whether a time was asked for; a bare "ten" is one only then.
        taken: tokens that say something else, such as the day.
    """
    found: list[Found] = []
    part = next((_PARTS[w] for w in words if w in _PARTS), "")
    at = 0
    while at < len(words):
        hit = None if taken[0] <= at < taken[1] else _at(words, at, asked, bool(part))
        if hit is None or taken[0] < hit[0][2] <= taken[1]:
            at += 1
            continue
        (hour, minute, end), sure = hit
        half, end = _half(words, end)
        found += [
            Found(f"{h:02d}:{minute:02d}", sure - 0.3 * rank, at, end)
            for rank, h in enumerate(_hours(hour, half, part))
        ]
        at = end
    return found


def _hours(hour: int, half: str, part: str) -> list[int]:
    half = half or part
    if hour > 12 or hour == 0:
        return [hour % 24]
    if half == "am":
        return [hour % 12]
    if half == "pm":
        return [hour % 12 + 12] if not (part == "pm" and hour == 12) else [12]
    afternoon = hour % 12 + 12
    return [afternoon, hour % 12] if hour < 7 or hour == 12 else [hour, afternoon]


def _word(words: list[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""


def _half(words: list[str], at: int) -> tuple[str, int]:
    """``am``, ``o'clock``, ``in the morning`` after a time, and the place after them."""
    while _word(words, at) in ("o'clock", "oclock", "sharp", "exactly", "hours"):
        at += 1
    if _word(words, at) in ("am", "pm"):
        return _word(words, at), at + 1
    if _word(words, at) in ("in", "at") and _word(words, at + 1 + (_word(words, at + 1) == "the")) in _PARTS:
        place = at + 1 + (_word(words, at + 1) == "the")
        return _PARTS[words[place]], place + 1
    return "", at


def _at(words: list[str], at: int, asked: bool, part: bool) -> tuple[Clock, float] | None:
    word = words[at]
    if word in _FIXED:
        return (*_FIXED[word], at + 1), 0.95
    clock = _CLOCK.match(word)
    if clock and int(clock.group(1)) < 24 and int(clock.group(2)) < 60:
        return (int(clock.group(1)), int(clock.group(2)), at + 1), 0.95
    relative = _relative(words, at)
    if relative:
        return relative, 0.95
    plain = _plain(words, at)
    if plain is None:
        return None
    hour, minute, end = plain
    marked = _word(words, at - 1) in _BEFORE or _half(words, end)[1] > end or part
    if not asked and not (marked and (part or end > at + 1 or _half(words, end)[1] > end or alone(words, end))):
        return None
    return (hour, minute, end), 0.95 if marked else (0.85 if end > at + 1 else 0.75)


def _relative(words: list[str], at: int) -> Clock | None:
    """``half past three``, ``quarter to nine``, ``twenty to four``, ``five after ten``, ``half ten``."""
    begin = at + (words[at] == "a")
    word = _word(words, begin)
    if word == "half":
        past = _word(words, begin + 1) in ("past", "after")
        hour = _hour(words, begin + 1 + past)
        return (hour[0], 30, hour[1]) if hour else None
    if word == "quarter":
        minutes, end = 15, begin + 1
    else:
        number = below_hundred(words, begin)
        if number is None or not 1 <= number[0] <= 30 or begin != at:
            return None
        minutes, end = number[0], number[1]
        end += _word(words, end) in ("minutes", "minute")
    way = _word(words, end)
    hour = _hour(words, end + 1)
    if hour is None or way not in ("past", "after", "to", "till", "til", "before", "of"):
        return None
    if way in ("past", "after"):
        return hour[0], minutes, hour[1]
    return (hour[0] - 1) or (12 if hour[0] == 1 else 0), 60 - minutes, hour[1]


def _hour(words: list[str], at: int) -> tuple[int, int] | None:
    if _word(words, at) in ("noon", "midday"):
        return 12, at + 1
    number = below_hundred(words, at)
    return number if number and 1 <= number[0] <= 12 else None


def _plain(words: list[str], at: int) -> Clock | None:
    """``ten``, ``ten thirty``, ``ten oh five``, ``1030``, ``15 30``."""
    word = words[at]
    if word.isdigit() and len(word) in (3, 4) and int(word[:-2]) < 24 and int(word[-2:]) < 60:
        return int(word[:-2]), int(word[-2:]), at + 1
    number = small(word)
    if number is None and word == "ate":
        number = 8
    end = at + 1
    if number == 20 and _word(words, at + 1) in ("one", "two", "three") and small(_word(words, at + 2)) is not None:
        number, end = 20 + UNITS[words[at + 1]], at + 2  # "twenty two thirty"
    if number is None or not 0 <= number <= 23:
        return None
    if _word(words, end) in ("oh", "o", "zero") and UNITS.get(_word(words, end + 1), 0):
        return number, UNITS[words[end + 1]], end + 2
    if _word(words, end) == "hundred" and word not in ("a", "one"):
        return number, 0, end + 1
    minute = below_hundred(words, end)
    if minute and 10 <= minute[0] < 60 and number > 0 and not (word.isdigit() and len(word) > 2):
        return number, minute[0], minute[1]
    return (number, 0, end) if number > 0 else None
