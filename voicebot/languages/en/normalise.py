"""How written English is said. Rules run from the most to the least specific; what one has said holds no digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import phonenumbers

from voicebot.languages.en import numbers_to_words as say
from voicebot.languages.en.abbreviations import abbreviations

_MONTH = "|".join(f"{m}|{m[:3]}\\.?" for m in say.MONTHS) + "|Sept\\.?"
_CURRENCY = "[$€£¥]"
_CODE_WORDS = (
    r"numbers?|no\.?|code|order|ticket|pin|extension|ext\.?|room|reference|ref\.?|id|account|ending in|ends in|case|"
    r"digits|invoice|customer|booking|confirmation|password|otp|zip"
)
_UNITS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram", "g": "gram",
    "lb": "pound", "lbs": "pound", "oz": "ounce", "mi": "mile", "ft": "foot", "kb": "kilobyte", "mb": "megabyte",
    "gb": "gigabyte", "tb": "terabyte", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour",
    "sec": "second", "secs": "second", "s": "second", "ms": "millisecond", "l": "liter", "ml": "milliliter",
    "kwh": "kilowatt hour", "mph": "mile per hour", "°c": "degree Celsius", "°f": "degree Fahrenheit", "°": "degree",
}  # fmt: skip
_PLURALS = {"foot": "feet", "mile per hour": "miles per hour", "degree Celsius": "degrees Celsius"}
_PLURALS["degree Fahrenheit"] = "degrees Fahrenheit"

_Match = re.Match[str]
_Rule = tuple[re.Pattern[str], Callable[[_Match], str]]


def english(text: str, today: date, month_first: bool) -> str:
    """Apply all rules. `today` and `month_first`: see `numbers_to_words.day`."""
    for pattern, replace in (
        *_ADDRESSES,
        *_dates(today, month_first),
        *_AMOUNTS,
        *_SHORT_CODES,
        *_REFERENCES,
        *_NUMBERS,
    ):
        text = pattern.sub(replace, text)
    return abbreviations(text)


def _rule(pattern: str, replace: Callable[[_Match], str], flags: int = re.I) -> _Rule:
    return re.compile(pattern, flags), replace


# ── e-mail and web addresses ─────────────────────────────────────────────────────────────────────────────────────

_SIGNS = {"@": "at", ".": "dot", "-": "dash", "_": "underscore", "+": "plus", "/": "slash"}


def _address(text: str) -> str:
    """Words stay words, digits and what has no vowel are spelled, signs get their names."""
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+|[@._+/-]", text):
        if part in _SIGNS:
            said.append(_SIGNS[part])
        elif part.isdigit():
            said.append(say.digits(part))
        elif len(part) > 2 and re.search("[aeiouy]", part, re.I):
            said.append(part.lower())
        else:
            said.append(say.acronym(part))
    return " ".join(said)


_ADDRESSES = (
    _rule(
        r"\b[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}\b",
        lambda m: _address(m[0]),
    ),
    _rule(
        r"\b(?:https?://)?((?:www\.)?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.(?:com|org|net|io|eu|de|uk|gov|edu)\b"
        r"(?:/[\w/-]{1,200})?)/?",
        lambda m: _address(m[1]),
    ),
)

# ── dates and times ──────────────────────────────────────────────────────────────────────────────────────────────


def _dates(today: date, month_first: bool) -> tuple[_Rule, ...]:
    def full(m: _Match, y: str, month: str, d: str) -> str:
        try:
            when = date(int(y), int(month), int(d))
        except ValueError:
            return m[0]
        return say.day(when, today, month_first)

    def slashed(m: _Match) -> str:
        first, second = (m[1], m[2]) if month_first else (m[2], m[1])
        return full(m, m[3], first, second)

    def named(m: _Match, month: str, d: str, y: str | None) -> str:
        number = next(i for i, name in enumerate(say.MONTHS, 1) if name.lower().startswith(month.lower()[:3]))
        try:
            when = date(int(y) if y else today.year, number, int(d))
        except ValueError:  # 29 February of no leap year; "May 99"
            return m[0]
        day_first = not month_first or re.search(r"\bof\b", m[0]) is not None  # as it was written
        return say.day(when, today if y else when, not day_first, weekday=False)

    return (
        _rule(r"(?<=\d)T(?=\d{2}:\d{2})", lambda _: " at ", 0),
        _rule(r"\b(\d{4})-(\d{2})-(\d{2})\b", lambda m: full(m, m[1], m[2], m[3])),
        _rule(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", slashed),
        _rule(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b", lambda m: full(m, m[3], m[2], m[1])),
        _rule(
            rf"\b({_MONTH})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?",
            lambda m: named(m, m[1], m[2], m[3]),
            0,  # "may" and "march" are also other words
        ),
        _rule(
            rf"\b(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})(?![a-z])(?:,?\s+(\d{{4}})\b)?",
            lambda m: named(m, m[2], m[1], m[3]),
            0,
        ),
        _rule(rf"\b({_MONTH})\s+((?:19|20)\d\d)\b", lambda m: f"{m[1]} {say.year(int(m[2]))}"),
        _rule(r"\b(?:in|since|until|of|year)\s+(?:19|20)\d\d\b(?![.,:]?\d)", lambda m: _year_after(m[0])),
        _rule(r"(?<=\d)\s*[–-]\s*(?=\d{1,2}:\d{2})", lambda _: " to "),
        _rule(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::[0-5]\d)?(?:\s*([ap])\.?\s?m\b\.?)?", _clock),
        _rule(r"\b(1[0-2]|0?[1-9])\s*([ap])\.?\s?m\b\.?", lambda m: say.clock(int(m[1]), 0, m[2].lower() + "m")),
    )


def _year_after(words: str) -> str:
    before, number = words.rsplit(maxsplit=1)
    return f"{before} {say.year(int(number))}"


def _clock(m: _Match) -> str:
    return say.clock(int(m[1]), int(m[2]), f"{m[3].lower()}m" if m[3] else "")


# ── money, percent, units ────────────────────────────────────────────────────────────────────────────────────────


def _whole(number: str) -> str:
    return number.replace(",", "")


def _amount(number: str) -> str:
    whole, _, fraction = _whole(number).partition(".")
    return say.decimal(whole, fraction) if fraction else say.cardinal(int(whole))


def _unit(m: _Match) -> str:
    if len(m[2]) == 1 and m[2].isupper():  # 5G, 4K, seat 12M
        return m[0]
    unit = _UNITS[m[2].lower()]
    return f"{_amount(m[1])} {unit if m[1] == '1' else _PLURALS.get(unit, unit + 's')}"


def _money(m: _Match, currency: str, whole: str, fraction: str | None, scale: str | None) -> str:
    if scale:
        return f"{_amount(whole + ('.' + fraction if fraction else ''))} {scale.strip()} {say.money(currency, '2')[4:]}"
    return say.money(currency, _whole(whole), fraction or "")


_DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,6})?|\d{1,15}(?:\.\d{1,6})?"
_MONEY = r"(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,4}))?(\s+(?:thousand|million|billion))?"
_AMOUNTS = (
    _rule(r"\b(1[89]|20)([2-9])0s\b", lambda m: f"{say.cardinal(int(m[1]))} {_DECADES[int(m[2]) - 2]}"),
    _rule(r"(?<![\w.])[-−](?=[$€£¥]?\d)", lambda _: "minus "),
    _rule(rf"({_CURRENCY})\s?{_MONEY}\b", lambda m: _money(m, m[1], m[2], m[3], m[4])),
    _rule(rf"\b{_MONEY}\s?({_CURRENCY}|(?:USD|EUR|GBP|CHF)\b)", lambda m: _money(m, m[4].upper(), m[1], m[2], m[3])),
    _rule(rf"\b({_NUMBER})\s?%", lambda m: f"{_amount(m[1])} percent"),
    _rule(
        rf"(?<![\w.-])({_NUMBER})\s?({'|'.join(sorted(map(re.escape, _UNITS), key=len, reverse=True))})(?![\w'])",
        _unit,
    ),
    _rule(r"\b24/7\b", lambda _: "twenty-four seven"),
    _rule(r"(?<![\d/])1/2(?![\d/])", lambda _: "one half"),
    _rule(r"(?<![\d/])1/4(?![\d/])", lambda _: "one quarter"),
    _rule(r"(?<![\d/])3/4(?![\d/])", lambda _: "three quarters"),
)

# ── codes and phone numbers ──────────────────────────────────────────────────────────────────────────────────────


def _phone(m: _Match) -> str:
    plus = "plus " if m[0].startswith("+") else ""
    parts = re.findall(r"\d+", m[0])
    return plus + ", ".join(say.digits(part) for part in parts)


def _international(m: _Match) -> str:
    """+15551234567, grouped as its country does."""
    try:
        number = phonenumbers.parse(m[0])
    except phonenumbers.NumberParseException:
        return f"plus {say.digits(m[0][1:])}"
    parts = re.findall(r"\d+", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    return "plus " + ", ".join(say.digits(part) for part in parts)


def _in_code(m: _Match) -> str:
    """Digits after "number", "code" and the like are read one by one, however few."""
    return m[1] + say.digits(m[2])


_SHORT_CODES = (
    _rule(r"\bNo\.\s?(?=\d)|#\s?(?=\d)", lambda _: "number ", 0),
    _rule(r"\b((?:call|dial|text|press)\s+)(\d{2,6})\b(?![.,]\d)", lambda m: m[1] + say.digits(m[2])),
)
_REFERENCES = (
    _rule(r"\+\d{6,15}\b", _international),
    _rule(r"(?<!\w)\+?\(?\d{1,4}\)?(?:[ .-]\(?\d{2,4}\)?){2,5}(?![\w-])", _phone),
    _rule(r"(?<![\w-])\d{3}-\d{4}(?![\w-])", _phone),
    _rule(  # spelled with spaces; "A 5 minute walk" is not
        r"(?<![\w'-])(?:(?=[0-9 -]*[A-Z])[A-Z0-9](?:[ -][A-Z0-9]){2,19}|[B-HJ-Z][ -][A-Z0-9])(?![\w'])",
        lambda m: say.spell(re.sub("[ -]", "", m[0])),
        0,
    ),
    _rule(r"(?<![\w.])\d(?:[ ,]{1,2}\d){2,39}(?![\w.]?\d)", lambda m: say.digits(re.sub(r"\D", "", m[0]))),
    _rule(  # a password: both cases, and a letter after a digit
        r"(?<![\w'])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*\d[A-Za-z])[A-Za-z0-9]{4,40}(?![\w'])",
        lambda m: say.spell(m[0]),
        0,
    ),
    _rule(
        r"(?<![\w'])(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*(?![\w'])",
        lambda m: say.spell(m[0]),
        0,
    ),
    _rule(rf"\b((?:{_CODE_WORDS})(?:\s+(?:number|code|is|was|no\.))*[\s:#]+)(\d{{2,20}})\b(?![.,]\d)", _in_code),
    _rule(r"\b\d{5,40}\b(?![.,]\d)|\b0\d+\b(?![.,]\d)", lambda m: say.digits(m[0])),
)
SHORTEST_REFERENCE = 4
"""Letters and digits: a shorter one ("room 12", "gate B7") is taken in as other words are."""


def references(text: str) -> list[tuple[int, int]]:
    """Where order numbers, booking codes, phone numbers and the like stand in a text, in order: [begin, end)."""
    taken = [
        m.span() for pattern, _ in (*_ADDRESSES, *_dates(date.min, True), *_AMOUNTS) for m in pattern.finditer(text)
    ]
    found: list[tuple[int, int]] = []
    for pattern, _ in _REFERENCES:
        for match in pattern.finditer(text):
            begin, end = match.span(match.lastindex or 0)
            if not any(begin < other_end and other < end for other, other_end in (*taken, *found)):
                found.append((begin, end))
    return sorted((begin, end) for begin, end in found if sum(map(str.isalnum, text[begin:end])) >= SHORTEST_REFERENCE)


# ── what is left ─────────────────────────────────────────────────────────────────────────────────────────────────

_NUMBERS = (
    _rule(r"\b(\d{1,9})(?:st|nd|rd|th)\b", lambda m: say.ordinal(int(m[1]))),
    _rule(r"(?<=\d)\s*[–-]\s*(?=\d)", lambda _: " to "),
    _rule(rf"\b({_NUMBER})\b", lambda m: _amount(m[1])),
    _rule(r"\d", lambda m: f" {say.DIGITS[int(m[0])]} "),
)
