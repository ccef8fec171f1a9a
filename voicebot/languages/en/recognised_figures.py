"""Figures that the model writes, back in words: "May 25th 2003" → "may twenty fifth two thousand three"."""

from __future__ import annotations

import re

from num2words import num2words

from voicebot.languages.en.days_and_times import MONTHS
from voicebot.languages.en.number_words import DIGITS, ORDINAL_GLYPHS, ORDINALS

_ORDINAL = dict(zip(ORDINAL_GLYPHS, ORDINALS, strict=True))
_MONTH = "|".join(MONTHS)
_MAX_FIGURES = 9


def number(figures: str) -> str:
    """`3796` → `three thousand seven hundred ninety six`; long ones digit by digit."""
    if len(figures) > _MAX_FIGURES:
        return " ".join(DIGITS[int(d)] for d in figures)
    said = str(num2words(int(figures)))
    return " ".join(re.sub(r"\band\b|[,-]", " ", said).split())


def year(figures: str) -> str:
    """`1975` → `nineteen seventy five`, `2003` → `two thousand three`."""
    century, rest = int(figures[:2]), int(figures[2:])
    if century == 20 and rest < 10:
        return number(figures)
    tail = "hundred" if rest == 0 else f"oh {DIGITS[rest]}" if rest < 10 else number(figures[2:])
    return f"{number(figures[:2])} {tail}"


def day_and_time(text: str) -> str:
    """Ordinals, years, times and days of the month in words."""
    text = re.sub(r"\b\d{1,2}(?:st|nd|rd|th)\b", lambda m: _ORDINAL.get(m[0], m[0]), text)
    text = re.sub(r"(?:(?<=\d)|\b)([ap])[. ]?m\b\.?", r" \1m", text)
    text = re.sub(rf"\b({_MONTH}) (\d{{1,2}})\b(?!:)", _day, text)
    text = re.sub(r"\b(\d{1,2}):(\d\d)\b", _clock, text)
    text = re.sub(r"\b(?:19|20)\d\d\b", lambda m: year(m[0]), text)
    return " ".join(re.sub(r"\d+", lambda m: number(m[0]), text).split())


def money(text: str) -> str:
    """`$12.50` → `twelve dollars fifty cents`, `3,796` → `three thousand seven hundred ninety six`."""
    text = re.sub(r"(?<=\d)[ ,](?=\d{3}\b)", "", text)
    text = re.sub(r"\$ ?(\d+)[. ](\d\d)\b(?: dollars?)?", r"\1 dollars \2 cents", text)
    text = re.sub(r"\$ ?(\d+)(?: dollars?)?", r"\1 dollars", text)
    return re.sub(r"\d+", lambda m: number(m[0]), text.replace("$", ""))


def _day(match: re.Match[str]) -> str:
    number_of_day = int(match[2])
    return f"{match[1]} {ORDINALS[number_of_day - 1]}" if 1 <= number_of_day <= 31 else match[0]


def _clock(match: re.Match[str]) -> str:
    hour, minute = number(match[1]), int(match[2])
    if minute == 0:
        return f"{hour} o'clock"
    return f"{hour} oh {DIGITS[minute]}" if minute < 10 else f"{hour} {number(match[2])}"
