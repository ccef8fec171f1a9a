"""English words for numbers, dates, times, money and spelled-out codes."""

from __future__ import annotations

import re
from datetime import date

from num2words import num2words

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Zero is always "zero": "oh" is taken for a letter in codes."""
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NATO = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett", "Kilo", "Lima",
            "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform", "Victor", "Whiskey",
            "X-ray", "Yankee", "Zulu",
        ),
        strict=True,
    )
)  # fmt: skip
LARGEST = 10**15
"""Whole numbers from here on are read digit by digit."""
NEAR_DAYS = 300
"""A date further away than this is said with its year."""


def cardinal(number: int) -> str:
    """1234 → ``one thousand two hundred thirty-four``."""
    if abs(number) >= LARGEST:
        return ("minus " if number < 0 else "") + digits(str(abs(number)))
    return str(num2words(number)).replace(",", "").replace(" and ", " ")


def ordinal(number: int) -> str:
    """21 → ``twenty-first``."""
    return str(num2words(number, to="ordinal")).replace(",", "").replace(" and ", " ")


def decimal(whole: str, fraction: str) -> str:
    """("3", "14") → ``three point one four``."""
    return f"{cardinal(int(whole or 0))} point {' '.join(DIGITS[int(d)] for d in fraction)}"


def year(number: int) -> str:
    """2026 → ``twenty twenty-six``, 2005 → ``two thousand five``, 1905 → ``nineteen oh five``."""
    if 2000 <= number < 2010 or not 1100 <= number < 2100:
        return cardinal(number)
    century, rest = divmod(number, 100)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def groups(code: str) -> list[str]:
    """Cut a code as people do when they dictate: 3 and 3, 3 3 4, 4 4; a short one stays whole."""
    n = len(code)
    if n <= 4:
        return [code]
    if n % 4 == 0 and n % 3:
        return [code[i : i + 4] for i in range(0, n, 4)]
    size = n if n <= 4 else 3
    cut = [code[i : i + size] for i in range(0, n, size)]
    if len(cut[-1]) == 1:
        cut[-2:] = [cut[-2] + cut[-1]]
    return cut


def digits(code: str) -> str:
    """471102 → ``four seven one, one zero two``."""
    return ", ".join(" ".join(DIGITS[int(d)] for d in group) for group in groups(code))


def letter(char: str) -> str:
    """A letter's name as engines pronounce it: a lone A would be read as the article."""
    return "eigh" if char.upper() == "A" else char.upper()


def acronym(letters: str) -> str:
    """IT → ``I.T.``: with full stops engines name the letters, and do not take the A for an article."""
    return ".".join(letters.upper()) + "." if len(letters) > 1 else letter(letters)


def spell(code: str, nato: bool = False) -> str:
    """NW47 → ``N, W, four seven``: each letter stands alone, digits are grouped. A4 is short enough for ``eigh four``.

    Args:
        code: letters and digits; other characters are only a pause. In a code of both cases capitals are named.
        nato: say ``B as in Bravo`` for letters.
    """
    both_cases = code != code.upper() and code != code.lower()
    said: list[str] = []
    for part in re.findall(r"[0-9]+|[^\W\d_]", code):
        if part.isdigit():
            said.append(digits(part))
            continue
        name = f"capital {letter(part)}" if both_cases and part.isupper() else letter(part)
        known = nato and part.upper() in NATO
        said.append(f"{name} as in {NATO[part.upper()]}" if known else name)
    return (", " if len(code) > 2 or nato else " ").join(said)


def day(when: date, today: date, month_first: bool, weekday: bool = True) -> str:
    """``Tuesday, November twenty-fourth`` or ``Tuesday the twenty-fourth of November``, the year only when far away."""
    month, number = MONTHS[when.month - 1], ordinal(when.day)
    name = WEEKDAYS[when.weekday()]
    far = f", {year(when.year)}" if abs((when - today).days) > NEAR_DAYS else ""
    if month_first:
        return f"{name}, {month} {number}{far}" if weekday else f"{month} {number}{far}"
    return f"{name} the {number} of {month}{far}" if weekday else f"the {number} of {month}{far}"


def clock(hour: int, minute: int, half: str = "") -> str:
    """10:30 → ``ten thirty``, 14:05 → ``two oh five p.m.``, 12:00 → ``noon``.

    Args:
        half: ``am`` or ``pm`` when it was written; without it hours from 13 on and 0 tell it themselves.
    """
    if not half:
        if minute == 0 and hour in (0, 12, 24):
            return "noon" if hour == 12 else "midnight"
        half = "pm" if hour > 12 else "am" if hour == 0 else ""
    tail = {"am": " a.m.", "pm": " p.m.", "": ""}[half]
    said = cardinal((hour + 11) % 12 + 1)
    if minute == 0:
        return said + (tail or " o'clock")
    return f"{said} {'oh ' if minute < 10 else ''}{cardinal(minute)}{tail}"


_CURRENCIES = {
    "$": ("dollar", "cent"), "USD": ("dollar", "cent"), "€": ("euro", "cent"), "EUR": ("euro", "cent"),
    "£": ("pound", "pence"), "GBP": ("pound", "pence"), "CHF": ("franc", "centime"), "¥": ("yen", ""),
}  # fmt: skip
CURRENCIES = tuple(_CURRENCIES)


def money(currency: str, whole: str, fraction: str = "") -> str:
    """("$", "45", "20") → ``forty-five dollars and twenty cents``."""
    unit, small = _CURRENCIES[currency]
    amount, cents = int(whole or 0), int((fraction + "0")[:2]) if fraction else 0
    if len(fraction) > 2:
        return f"{decimal(whole, fraction)} {_plural(unit, 2)}"
    parts = [f"{cardinal(amount)} {_plural(unit, amount)}"] if amount or not cents else []
    if cents:
        parts.append(f"{cardinal(cents)} {_plural(small, cents)}".strip())
    return " and ".join(parts)


def _plural(unit: str, number: int) -> str:
    if unit == "pence":
        return "penny" if number == 1 else "pence"
    return unit if number == 1 or unit in ("", "yen") else unit + "s"
