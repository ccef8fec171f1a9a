"""What a slot allows: days relative to the day of the call, times, numbers, check digits."""

from __future__ import annotations

import re
from datetime import date, time, timedelta

_RELATIVE = re.compile(r"([+-])\s*(\d{1,4})\s*(day|week|month|year)s?\Z")
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_ONE_YEAR, _MANY_YEARS = timedelta(days=366), timedelta(days=3653)


class LimitError(ValueError):
    """A limit that cannot be read."""


def day_limit(text: str, today: date | None) -> date:
    """``today``, ``tomorrow``, ``yesterday``, ``+3 days``, ``-120 years`` or an ISO date as a day.

    Args:
        today: the day of the call; None only checks that the limit can be read.

    Raises:
        LimitError: none of these.
    """
    base = today or date(2000, 1, 1)
    words = text.strip().lower()
    near = {"today": 0, "tomorrow": 1, "yesterday": -1}
    if words in near:
        return base + timedelta(days=near[words])
    match = _RELATIVE.match(words)
    try:
        if match:
            days = int(match.group(2)) * _DAYS[match.group(3)]
            return base + timedelta(days=days if match.group(1) == "+" else -days)
        return date.fromisoformat(words)
    except (ValueError, OverflowError):
        raise LimitError(f"{text!r} is not a day") from None


def year_needed(earliest: str, latest: str, today: date | None) -> bool | None:
    """Whether callers have to say the year of a day within these limits (as in `day_limit`; empty for none).

    Within a year nobody does, as day and month are one day only; over ten years, or further away than a year, day and
    month are of no use without it, and everybody knows that (a birthday). Between the two, or with a limit missing:
    None, who knows. Raises LimitError.
    """
    now = day_limit("today", today)
    first = day_limit(earliest, today) if earliest else None
    last = day_limit(latest, today) if latest else None
    if (last is not None and last < now - _ONE_YEAR) or (first is not None and first > now + _ONE_YEAR):
        return True
    if first is None or last is None or _ONE_YEAR < last - first < _MANY_YEARS:
        return None
    return last - first >= _MANY_YEARS


def time_limit(text: str) -> time:
    """``09:00`` as a time. Raises LimitError."""
    try:
        return time.fromisoformat(text.strip())
    except ValueError:
        raise LimitError(f"{text!r} is not a time") from None


def luhn(number: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for i, c in enumerate(reversed(number)):
        digit = int(c) * (2 if i % 2 else 1)
        total += digit - 9 if digit > 9 else digit
    return number.isdigit() and total % 10 == 0
