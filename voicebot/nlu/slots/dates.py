"""Days as callers say them, seen from the day of the call."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from voicebot.nlu.slots.tokens import UNITS, Found, alone, below_hundred, cardinal, ordinal, small

DAYS = {name.lower(): i for i, name in enumerate(calendar.day_name)}
DAYS |= {
    "mon": 0,
    "tue": 1,
    "tues": 1,
    "wed": 2,
    "weds": 2,
    "thu": 3,
    "thur": 3,
    "thurs": 3,
    "fri": 4,
    "sat": 5,
    "sun": 6,
}
DAYS |= {f"{name}s": number for name, number in list(DAYS.items()) if name.endswith("day")}
MONTHS = {name.lower(): i for i, name in enumerate(calendar.month_name) if name}
MONTHS |= {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_SPAN = {"day": 1, "days": 1, "week": 7, "weeks": 7}
_NUMERIC = re.compile(r"(\d{1,4})[-/](\d{1,2})(?:[-/](\d{1,4}))?\Z")
Hit = tuple[list[date], int, float]
"""Days in order of likelihood, the place after them, confidence."""


def find_dates(words: list[str], today: date, *, asked: bool = True) -> list[Found]:
    """Days in a turn as ISO dates: each place where one is said, its likeliest reading first.

    Args:
        asked: whether a day was asked for; "five twelve eighty four" and a bare "the fifteenth" are days only then.
    """
    found: list[Found] = []
    at = 0
    while at < len(words):
        hit = _at(words, at, today, asked)
        if hit is None:
            at += 1
            continue
        days, end, sure = hit
        found += [Found(day.isoformat(), sure - 0.2 * rank, at, end) for rank, day in enumerate(days)]
        at = end
    return found


def _at(words: list[str], at: int, today: date, asked: bool) -> Hit | None:
    """The longest day said at one place."""
    rules = [_near, _weekday, _distance, _month_day, _nth_weekday, _month_end, _numeric]
    hits = [hit for rule in rules if (hit := rule(words, at, today)) is not None]
    if not hits and asked:
        hits = [hit for rule in (_day_alone, _all_numbers) if (hit := rule(words, at, today)) is not None]
    elif not hits:
        bare = _day_alone(words, at, today)
        hits = [bare] if bare and words[at] in ("the", "on") and alone(words, bare[1]) else []
    return max(hits, key=lambda hit: hit[1], default=None)


def _word(words: list[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""


def _near(words: list[str], at: int, today: date) -> Hit | None:
    skip = 1 if _word(words, at) == "the" else 0
    if words[at + skip : at + skip + 3] == ["day", "after", "tomorrow"]:
        return [today + timedelta(2)], at + skip + 3, 0.95
    if words[at + skip : at + skip + 3] == ["day", "before", "yesterday"]:
        return [today - timedelta(2)], at + skip + 3, 0.95
    near = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1, "tomorrow's": 1, "today's": 0}
    word = words[at]
    if word in near:
        if words[at + 1 : at + 2] == ["week"]:  # "tomorrow week"
            return [today + timedelta(near[word] + 7)], at + 2, 0.9
        return [today + timedelta(near[word])], at + 1, 0.95
    if words[at : at + 2] in (["this", "morning"], ["this", "afternoon"], ["this", "evening"]):
        return [today], at + 1, 0.9
    if words[at : at + 2] == ["right", "now"]:
        return [today], at + 2, 0.8
    return None


def _weekday(words: list[str], at: int, today: date) -> Hit | None:
    word, after = words[at], _word(words, at + 1)
    monday = today - timedelta(today.weekday())
    if word in ("next", "this", "last", "coming"):
        return _named_week(words, at, today, monday)
    if word not in DAYS:
        return None
    day = _coming(today, DAYS[word])
    end = _after_day_number(words, at + 1)
    if end > at + 1:
        return None  # "tuesday the third": the date rule reads it
    if after == "week":
        return [day + timedelta(7)], at + 2, 0.9
    if words[at + 1 : at + 3] == ["after", "next"]:
        return [day + timedelta(7)], at + 3, 0.85
    if words[at + 1 : at + 3] == ["next", "week"]:
        return [monday + timedelta(7 + DAYS[word])], at + 3, 0.95
    if words[at + 1 : at + 3] == ["this", "week"]:
        return [monday + timedelta(DAYS[word])], at + 3, 0.95
    if words[at + 1 : at + 4] == ["in", "two", "weeks"] or words[at + 1 : at + 4] == ["in", "a", "fortnight"]:
        return [monday + timedelta(14 + DAYS[word])], at + 4, 0.85
    return [day], at + 1, 0.9


def _named_week(words: list[str], at: int, today: date, monday: date) -> Hit | None:
    word, after = words[at], _word(words, at + 1)
    if after == "week" and (name := _word(words, at + 2 + (_word(words, at + 2) == "on"))) in DAYS:
        end = at + 3 + (_word(words, at + 2) == "on")
        weeks = {"next": 1, "this": 0, "last": -1}.get(word)
        return ([monday + timedelta(7 * weeks + DAYS[name])], end, 0.95) if weeks is not None else None
    skip = 1 if after in ("coming", "following") else 0
    name = _word(words, at + 1 + skip)
    if name not in DAYS:
        return None
    end = at + 2 + skip
    coming = _coming(today, DAYS[name])
    if word == "last":
        back = (today.weekday() - DAYS[name]) % 7 or 7
        return [today - timedelta(back)], end, 0.9
    if word == "next" and not skip:
        following = monday + timedelta(7 + DAYS[name])
        return ([following], end, 0.9) if following == coming else ([following, coming], end, 0.75)
    return [coming], end, 0.9


def _coming(today: date, weekday: int) -> date:
    """The next such weekday after today."""
    return today + timedelta((weekday - today.weekday() - 1) % 7 + 1)


def _distance(words: list[str], at: int, today: date) -> Hit | None:
    """``in three days``, ``two weeks from monday``, ``a fortnight today``."""
    begin = at + 1 if words[at] == "in" else at
    if _word(words, begin) in ("a", "one") and _word(words, begin + 1) == "fortnight":
        days, end = 14, begin + 2
    elif _word(words, begin) == "a" and _word(words, begin + 1) in ("day", "week"):
        days, end = _SPAN[_word(words, begin + 1)], begin + 2
    elif (
        _word(words, begin) == "a"
        and words[begin + 1 : begin + 3] == ["couple", "of"]
        and _word(words, begin + 3) in _SPAN
    ):
        days, end = 2 * _SPAN[_word(words, begin + 3)], begin + 4
    else:
        number = cardinal(words, begin)
        if number is None or not 0 < number[0] < 400:
            return None
        unit = _word(words, number[1])
        if unit in ("month", "months") and number[0] <= 24 and words[at] == "in":
            return [_months_on(today, number[0])], number[1] + 1, 0.8
        if unit not in _SPAN:
            return None
        days, end = number[0] * _SPAN[unit], number[1] + 1
    if _word(words, end) == "ago":
        return [today - timedelta(days)], end + 1, 0.9
    if _word(words, end) in ("from", "after", "on") or _word(words, end) in ("today", "tomorrow"):
        start = end + 1 if _word(words, end) in ("from", "after", "on") else end
        if _word(words, start) in ("now", "today"):
            return [today + timedelta(days)], start + 1, 0.95
        base = _near(words, start, today) or (_weekday(words, start, today) if start < len(words) else None)
        return ([base[0][0] + timedelta(days)], base[1], 0.9) if start < len(words) and base else None
    if words[end : end + 1] == ["time"] or begin != at:
        return [today + timedelta(days)], end + (_word(words, end) == "time"), 0.9
    return None


def _months_on(day: date, months: int) -> date:
    index = day.month - 1 + months
    year, month = day.year + index // 12, index % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _after_day_number(words: list[str], at: int) -> int:
    """The place after ``the third`` or ``march third`` behind a weekday; `at` when neither follows."""
    skip = 1 if _word(words, at) == "the" else 0
    number = ordinal(words, at + skip)
    if number is not None:
        return number[1]
    return at + 1 if _word(words, at) in MONTHS else at


def _month_day(words: list[str], at: int, today: date) -> Hit | None:
    """``march third``, ``the third of march``, ``tuesday the third of march 2026``, ``3 march``."""
    begin = at + 1 if words[at] in DAYS else at
    begin += 1 if begin > at and _word(words, begin) == "the" and _word(words, begin + 1) in MONTHS else 0
    named = _word(words, begin)
    if named in MONTHS:
        day = _day_number(words, begin + 1 + (_word(words, begin + 1) == "the"))
        return _dated(words, at, MONTHS[named], day, today) if day else None
    skip = 1 if named == "the" else 0
    day = _day_number(words, begin + skip)
    if day is None:
        return None
    month_at = day[1] + (_word(words, day[1]) == "of")
    if _word(words, month_at) in MONTHS:
        return _dated(words, at, MONTHS[words[month_at]], (day[0], month_at + 1), today)
    if words[month_at : month_at + 2] in (["next", "month"], ["this", "month"]) or (
        words[month_at : month_at + 3] in (["the", "next", "month"], ["the", "following", "month"])
    ):
        end = month_at + 2 + (_word(words, month_at) == "the")
        base = today if words[month_at] == "this" else _months_on(today.replace(day=1), 1)
        made = _make(base.year, base.month, day[0])
        return ([made], end, 0.9) if made else None
    return None


def _day_number(words: list[str], at: int) -> tuple[int, int] | None:
    number = ordinal(words, at) or below_hundred(words, at)
    if number is None or not 1 <= number[0] <= 31 or ":" in _word(words, at):
        return None
    return number


def _dated(words: list[str], at: int, month: int, day: tuple[int, int], today: date) -> Hit | None:
    year = _year(words, day[1])
    if year is not None:
        made = _make(year[0], month, day[0])
        return ([made], year[1], 0.95) if made else None
    days = [d for y in (today.year, today.year + 1, today.year - 1) if (d := _make(y, month, day[0])) is not None]
    if not days:
        days = [d for y in range(today.year, today.year + 8) if (d := _make(y, month, day[0])) is not None][:1]
    days.sort(key=lambda d: (d < today, abs((d - today).days)))
    return (days[:2], day[1], 0.95) if days else None


def _year(words: list[str], at: int) -> tuple[int, int] | None:
    """``2026``, ``two thousand and one``, ``nineteen seventy six``, ``twenty twenty six`` at a place."""
    at += _word(words, at) in ("in", "of")
    word = _word(words, at)
    if len(word) == 4 and word.isdigit() and 1900 <= int(word) <= 2100:
        return int(word), at + 1
    if word == "two" and _word(words, at + 1) == "thousand":
        number = cardinal(words, at)
        return number if number and 2000 <= number[0] < 2100 else None
    if word in ("nineteen", "twenty"):
        century = 19 if word == "nineteen" else 20
        if _word(words, at + 1) in ("oh", "o") and _word(words, at + 2) in UNITS:
            return century * 100 + UNITS[words[at + 2]], at + 3
        rest = below_hundred(words, at + 1)
        if rest and rest[0] >= 10:
            return century * 100 + rest[0], rest[1]
        if rest is None and word == "nineteen" and _word(words, at + 1) == "hundred":
            return 1900, at + 2
    return None


def _make(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _nth_weekday(words: list[str], at: int, today: date) -> Hit | None:
    """``the third friday in april``, ``last monday of next month``."""
    begin = at + (words[at] == "the")
    number = (5, begin + 1) if _word(words, begin) == "last" else ordinal(words, begin)
    if number is None or number[0] > 5 or _word(words, number[1]) not in DAYS:
        return None
    end = number[1] + 1
    if _word(words, end) not in ("in", "of"):
        return None
    if _word(words, end + 1) in MONTHS:
        month, end = MONTHS[words[end + 1]], end + 2
        year = today.year + (month < today.month)
    elif words[end + 1 : end + 3] in (["next", "month"], ["this", "month"]):
        base = _months_on(today.replace(day=1), int(words[end + 1] == "next"))
        year, month, end = base.year, base.month, end + 3
    else:
        return None
    weekday = DAYS[words[number[1]]]
    days = [d for n in range(1, 32) if (d := _make(year, month, n)) is not None and d.weekday() == weekday]
    if number[0] == 5 and _word(words, begin) == "last":
        return [days[-1]], end, 0.9
    return ([days[number[0] - 1]], end, 0.9) if number[0] <= len(days) else None


def _month_end(words: list[str], at: int, today: date) -> Hit | None:
    begin = at + (words[at] == "the")
    if words[begin : begin + 2] not in (["end", "of"], ["last", "day"]):
        return None
    rest = begin + 2 + (_word(words, begin + 1) == "day")
    if words[rest : rest + 2] in (["the", "month"], ["this", "month"], ["next", "month"]):
        base = _months_on(today.replace(day=1), int(words[rest] == "next"))
        return [base.replace(day=calendar.monthrange(base.year, base.month)[1])], rest + 2, 0.85
    if _word(words, rest) in MONTHS:
        month = MONTHS[words[rest]]
        year = today.year + (month < today.month)
        return [date(year, month, calendar.monthrange(year, month)[1])], rest + 1, 0.85
    return None


def _numeric(words: list[str], at: int, today: date) -> Hit | None:
    """``2026-11-24``, ``3/21/2025``, ``3/21``; month before day, unless only the other way is a date."""
    match = _NUMERIC.match(words[at])
    if match is None:
        return None
    one, two, three = match.group(1), int(match.group(2)), match.group(3)
    if len(one) == 4:
        made = _make(int(one), two, int(three or 1))
        return ([made], at + 1, 0.95) if made and three else None
    if three is None:
        return _dated([], 0, int(one), (two, at + 1), today) if "/" in words[at] and 1 <= int(one) <= 12 else None
    year = _full_year(int(three), today) if len(three) in (2, 4) else 0
    days = [d for d in (_make(year, int(one), two), _make(year, two, int(one))) if year and d is not None]
    return (list(dict.fromkeys(days)), at + 1, 0.9) if days else None


def _full_year(year: int, today: date) -> int:
    if year >= 100:
        return year
    return 2000 + year if year <= today.year % 100 + 15 else 1900 + year


def _day_alone(words: list[str], at: int, today: date) -> Hit | None:
    """``the fifteenth``: the next one, ``tuesday the third`` with a weekday that fits if there is one."""
    begin = at + (words[at] == "on")
    weekday = DAYS.get(_word(words, begin))
    begin += weekday is not None
    begin += _word(words, begin) == "the"
    number = ordinal(words, begin)
    if number is None or not 1 <= number[0] <= 31:
        return None
    months = (_months_on(today.replace(day=1), n) for n in range(13))
    days = [d for m in months if (d := _make(m.year, m.month, number[0])) is not None and d >= today]
    fitting = [d for d in days if weekday is None or d.weekday() == weekday]
    best = (fitting or days)[:1]
    return (best, number[1], 0.85) if best else None


def _all_numbers(words: list[str], at: int, today: date) -> Hit | None:
    """``three twenty one twenty five``: month, day, year in numbers only."""
    month = below_hundred(words, at)
    if month is None or not 1 <= month[0] <= 12:
        return None
    day = below_hundred(words, month[1])
    if day is None or not 1 <= day[0] <= 31:
        return None
    full = _year(words, day[1])
    short = below_hundred(words, day[1])
    if full is None and short is None:
        return None
    year, end = full if full is not None else (_full_year(short[0], today), short[1]) if short else (0, at)
    if _word(words, at).isdigit() and small(_word(words, day[1])) is None:
        return None
    made = _make(year, month[0], day[0])
    return ([made], end, 0.7) if made else None
