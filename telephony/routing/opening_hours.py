"""Business hours: weekly times in a time zone, and calendars of days on which others apply."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
MAX_SPAN_DAYS = 400
_TIMES = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")

Span = tuple[int, int]
"""Minutes after midnight, end not included. An end before the begin lies on the next day."""


def zone_of(name: str) -> ZoneInfo:
    """A time zone of the IANA data base. Raises ValueError with words."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin or America/New_York") from None


def parse_times(text: str) -> Span:
    """Read ``09:00-17:30``; ``22:00-06:00`` goes over midnight, ``00:00-24:00`` is the whole day. Raises ValueError."""
    match = _TIMES.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} are no times; write 09:00-17:30")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if max(int(match[2]), int(match[4])) > 59 or begin >= DAY_MINUTES or end > DAY_MINUTES or begin == end:
        raise ValueError(f"{text!r} are no times of a day")
    return begin, end


def parse_days(text: str) -> tuple[int, ...]:
    """Read ``mon-fri``, ``sat``, ``fri-mon`` or ``daily`` as numbers from 0 (Monday). Raises ValueError."""
    if text == "daily":
        return tuple(range(7))
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"{text!r} are no days; write mon-fri, sat or daily")
    begin, end = DAYS.index(first), DAYS.index(last if dash else first)
    return tuple((begin + offset) % 7 for offset in range((end - begin) % 7 + 1))


def _date(text: str, written: str = "") -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{written or text!r} is no day; write 2026-12-24, or 12-25 for every year") from None


@dataclass(frozen=True, slots=True)
class Days:
    """One entry of a calendar: ``2026-12-24``, ``2026-12-24..2027-01-01`` or ``12-25`` for every year."""

    first: date
    last: date
    yearly: bool = False

    @classmethod
    def parse(cls, text: str) -> Days:
        """Read an entry. Raises ValueError."""
        yearly = _YEARLY.fullmatch(text.strip())
        if yearly is not None:
            day = _date(f"2024-{text.strip()}", text)  # a leap year, so that 02-29 is a day
            return cls(day, day, yearly=True)
        begin, dots, end = text.strip().partition("..")
        first, last = _date(begin), _date(end if dots else begin)
        if not timedelta(0) <= last - first <= timedelta(days=MAX_SPAN_DAYS):
            raise ValueError(f"{text!r}: the later day comes second, at most {MAX_SPAN_DAYS} days after the first")
        return cls(first, last)

    def has(self, day: date) -> bool:
        """Whether the day is among them."""
        if self.yearly:
            return (day.month, day.day) == (self.first.month, self.first.day)
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there."""

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    """For each day from Monday."""
    special: tuple[tuple[str, tuple[Days, ...], tuple[Span, ...]], ...] = ()
    """Calendar's name, its days, and the times on them in place of the week's; the first that has the day counts."""

    def open_at(self, now: datetime) -> tuple[bool, str]:
        """Whether `now` (with time zone) lies inside, and why, in words."""
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today, why = self._on(local.date())
        clock = f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {self.zone.key}"
        for begin, end in today:
            if begin <= minute < (end if end > begin else DAY_MINUTES):
                return True, f"{clock} is in {_words((begin, end))}{why}"
        for begin, end in self._on(local.date() - timedelta(days=1))[0]:
            if end < begin and minute < end:
                return True, f"{clock} is in {_words((begin, end))} of the day before"
        return False, f"{clock} is not in {', '.join(map(_words, today)) or 'any time of this day'}{why}"

    def _on(self, day: date) -> tuple[tuple[Span, ...], str]:
        for name, days, spans in self.special:
            if any(entry.has(day) for entry in days):
                return spans, f" (calendar {name})"
        return self.week[day.weekday()], ""


def _words(span: Span) -> str:
    begin, end = (time(minutes // 60 % 24, minutes % 60).strftime("%H:%M") for minutes in span)
    return f"{begin}-{'24:00' if span[1] == DAY_MINUTES else end}"


def make_hours(
    zone: str,
    week: Mapping[str, list[str]],
    special: Mapping[str, list[str]],
    calendars: Mapping[str, list[str]],
) -> Hours:
    """Hours from what a file says. Raises ValueError; a calendar that is not in `calendars` counts as empty."""
    spans: list[list[Span]] = [[] for _ in DAYS]
    for days, times in week.items():
        for day in parse_days(days):
            spans[day] += [parse_times(entry) for entry in times]
    others = tuple(
        (name, tuple(Days.parse(day) for day in calendars.get(name, [])), tuple(parse_times(t) for t in times))
        for name, times in special.items()
    )
    return Hours(zone_of(zone), tuple(map(tuple, spans)), others)
