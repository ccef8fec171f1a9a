"""Texts with ``{slot}`` or ``{variable:format}`` in them. Only plain names are possible: no attribute, index or call.

The formats write values so that both the transcript and the voice are right: ``digits`` "4 7 1 1 0 2", ``date``
"Tuesday the 3rd of March", ``time`` "10:30 AM", ``money`` "$45.20", ``spell`` "A B 4", ``name`` "Anna Kowalski",
``raw`` unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

Value = str | int | float | bool | None
_FIELD = re.compile(r"\{([^{}]*)\}|([{}])")
_INSIDE = re.compile(r"([a-z][a-z0-9_]*)(?::([a-z]+))?\Z")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class TemplateError(ValueError):
    """A text that names something other than a slot or a variable."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    format: str
    """Empty when the text leaves it to the value's own type."""


Template = tuple[str | Field, ...]


def parse(text: str) -> Template:
    """Split a text into plain pieces and fields.

    Raises:
        TemplateError: a brace that does not hold ``name`` or ``name:format``.
    """
    parts: list[str | Field] = []
    at = 0
    for match in _FIELD.finditer(text):
        if match.group(2):
            raise TemplateError(f"a single {match.group(2)!r} in {text!r}")
        inside = _INSIDE.match(match.group(1))
        if inside is None:
            raise TemplateError(f"{match.group(0)!r} is not a name: only {{slot}} or {{variable:format}} is allowed")
        form = inside.group(2) or ""
        if form and form not in FORMATS:
            raise TemplateError(
                f"unknown format {form!r} in {match.group(0)!r}: use one of {', '.join(sorted(FORMATS))}"
            )
        if match.start() > at:
            parts.append(text[at : match.start()])
        parts.append(Field(inside.group(1), form))
        at = match.end()
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def fields(text: str) -> list[Field]:
    """The fields of a text. Raises TemplateError."""
    return [part for part in parse(text) if isinstance(part, Field)]


def render(text: str, values: Mapping[str, Value], formats: Mapping[str, str]) -> str:
    """Fill a text in for speaking.

    Args:
        text: a text that was linted.
        values: what slots and variables hold; a missing one is left out.
        formats: name → format where the text gives none.
    """
    out = []
    for part in parse(text):
        if isinstance(part, str):
            out.append(part)
        else:
            out.append(speak(values.get(part.name), part.format or formats.get(part.name, "raw")))
    return re.sub(r"\s+", " ", "".join(out)).strip()


def fill(text: str, values: Mapping[str, Value]) -> Value:
    """Fill an action's argument in: one field alone keeps its type, everything else becomes text."""
    parts = parse(text)
    if len(parts) == 1 and isinstance(parts[0], Field):
        return values.get(parts[0].name)
    return "".join(part if isinstance(part, str) else _plain(values.get(part.name)) for part in parts)


def speak(value: Value, form: str) -> str:
    """One value in one format; a value that does not fit its format is spoken as it is."""
    text = _plain(value)
    try:
        return FORMATS[form](text)
    except ValueError:
        return text


def ordinal(number: int) -> str:
    """3 → ``3rd``."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _plain(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _digits(text: str) -> str:
    return " ".join(c for c in text if c.isalnum() or c == "+")


def _day(day: date) -> str:
    return f"{_DAYS[day.weekday()]} the {ordinal(day.day)} of {_MONTHS[day.month - 1]}"


def _date(text: str) -> str:
    return _day(date.fromisoformat(text[:10]))


def _clock(moment: time) -> str:
    if (moment.hour, moment.minute) == (12, 0):
        return "noon"
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    return f"{hour}:{moment.minute:02d} {half}" if moment.minute else f"{hour} {half}"


def _time(text: str) -> str:
    return _clock(time.fromisoformat(text))


def _datetime(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return f"{_day(moment.date())} at {_clock(moment.time())}"


def _money(text: str) -> str:
    amount = float(text)
    return f"${amount:,.0f}" if amount.is_integer() else f"${amount:,.2f}"


def _name(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split())


FORMATS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "digits": _digits,
    "spell": lambda text: _digits(text.upper()),
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "money": _money,
    "name": _name,
}
BY_TYPE = {
    "digits": "digits", "phone": "digits", "alnum": "spell", "date": "date", "time": "time", "datetime": "datetime",
    "amount": "money", "name": "name",
}  # fmt: skip
