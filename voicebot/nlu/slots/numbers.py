"""Counts and amounts of money."""

from __future__ import annotations

from decimal import Decimal

from voicebot.nlu.slots.corrections import after_correction
from voicebot.nlu.slots.tokens import ALIKE, TENS, Found, below_hundred, cardinal, small

_DOLLARS = {"dollar", "dollars", "buck", "bucks", "euro", "euros", "pound", "pounds", "quid"}
_CENTS = {"cent", "cents", "pence", "penny"}
_ARTICLES = {"a", "an"}
_COUNTS = {
    "half a dozen": 6, "a dozen": 12, "dozen": 12, "a couple": 2, "couple": 2, "a pair": 2, "none": 0, "nobody": 0,
    "a single": 1,
}  # fmt: skip


def find_numbers(words: list[str]) -> list[Found]:
    """Whole numbers as text, the last correction first: ``half a dozen``, ``a couple``, ``twenty one``."""
    found = [f for at in range(len(words)) if (f := _number(words, at)) is not None]
    if not found and len(words) <= 2:
        found = [Found(ALIKE[w], 0.5, i, i + 1) for i, w in enumerate(words) if w in ALIKE]
    return _ordered(_widest(found), words)


def _number(words: list[str], at: int) -> Found | None:
    here = words[at:]
    for said, value in _COUNTS.items():
        if here[: len(said.split())] == said.split():
            return Found(str(value), 0.85, at, at + len(said.split()))
    whole = cardinal(words, at)
    return Found(str(whole[0]), 0.95, at, whole[1]) if whole else None


def find_amounts(words: list[str], *, asked: bool = True) -> list[Found]:
    """Amounts of money with two decimals, ``120.00``. Without a currency word only when `asked`."""
    found = [f for at in range(len(words)) if (f := _amount(words, at)) is not None and (asked or f.confidence > 0.9)]
    return _ordered(_widest(found), words)


def _amount(words: list[str], at: int) -> Found | None:
    word = words[at]
    special = _slang(words, at)
    if special is not None:
        return special
    bare = word.lstrip("$").replace(",", "")
    if "." in bare and bare.replace(".", "").isdigit():
        return _money(Decimal(bare), at, _skip_unit(words, at + 1), word.startswith("$") or _unit(words, at + 1))
    whole = cardinal(words, at)
    if whole is None:
        return None
    value, end = Decimal(whole[0]), whole[1]
    sure = word.startswith("$")
    if _unit(words, end):
        cents = _cents(words, end + 1)
        return _money(value + cents[0], at, cents[1], True) if cents else _money(value, at, end + 1, True)
    if end < len(words) and words[end] in _CENTS:
        return _money(value / 100, at, end + 1, True)
    if end < len(words) and words[end] == "point":
        return _pointed(words, at, value, end + 1)
    return _paired(words, at, int(value), end, sure)


def _slang(words: list[str], at: int) -> Found | None:
    here = words[at : at + 4]
    skip = 1 if here and here[0] in _ARTICLES else 0
    rest = here[skip:]
    if skip and rest[:1] == ["grand"]:
        return _money(Decimal(1000), at, at + 2, True)
    if skip and rest[:1] == ["buck"]:
        cents = below_hundred(words, at + 2)
        return (
            _money(1 + Decimal(cents[0]) / 100, at, cents[1], True) if cents else _money(Decimal(1), at, at + 2, True)
        )
    if rest[:2] == ["couple", "hundred"] or rest[:2] == ["couple", "thousand"]:
        end = at + skip + 2
        return _money(Decimal(200 if rest[1] == "hundred" else 2000), at, _skip_unit(words, end), True)
    if rest[:1] == ["couple"] and _unit(words, at + skip + 1):
        return _money(Decimal(2), at, at + skip + 2, True)
    number = cardinal(words, at)
    if number and number[1] < len(words) and words[number[1]] in ("grand", "k"):
        return _money(Decimal(number[0]) * 1000, at, number[1] + 1, True)
    return None


def _cents(words: list[str], at: int) -> tuple[Decimal, int] | None:
    begin = at + 1 if at < len(words) and words[at] == "and" else at
    part = below_hundred(words, begin)
    if part is None:
        return None
    named = part[1] < len(words) and words[part[1]] in _CENTS
    if not named and begin != at and part[0] < 10:
        return None
    return Decimal(part[0]) / 100, part[1] + (1 if named else 0)


def _pointed(words: list[str], at: int, value: Decimal, end: int) -> Found | None:
    digits = ""
    while end < len(words) and len(digits) < 2:
        part = small(words[end])
        if part is None:
            if words[end] not in ("oh", "o"):
                break
            part = 0
        if words[end] in TENS and end + 1 < len(words) and not digits:
            part, end = (
                (below_hundred(words, end) or (part, end + 1))[0],
                (below_hundred(words, end) or (0, end + 1))[1] - 1,
            )
        digits, end = digits + str(part), end + 1
    if not digits:
        return None
    return _money(value + Decimal(f"0.{digits[:2]}"), at, _skip_unit(words, end), _unit(words, end))


def _paired(words: list[str], at: int, value: int, end: int, sure: bool) -> Found | None:
    """``one twenty five`` is 125, ``forty five twenty`` is 45.20."""
    part = below_hundred(words, end) if end < len(words) and not words[end].isdigit() else None
    if part is None or part[0] < 10 or words[at].lstrip("$").isdigit():
        return _money(Decimal(value), at, end, sure)
    if value < 10:
        return _money(Decimal(value * 100 + part[0]), at, _skip_unit(words, part[1]), _unit(words, part[1]), 0.7)
    return _money(value + Decimal(part[0]) / 100, at, _skip_unit(words, part[1]), _unit(words, part[1]), 0.7)


def _unit(words: list[str], at: int) -> bool:
    return at < len(words) and words[at] in _DOLLARS


def _skip_unit(words: list[str], at: int) -> int:
    return at + 1 if _unit(words, at) else at


def _money(value: Decimal, start: int, end: int, sure: bool, otherwise: float = 0.8) -> Found:
    return Found(f"{value:.2f}", 0.95 if sure else otherwise, start, end)


def _widest(found: list[Found]) -> list[Found]:
    """Without those that lie inside another."""
    out: list[Found] = []
    for item in sorted(found, key=lambda f: (f.start, -f.end)):
        if not out or item.start >= out[-1].end:
            out.append(item)
    return out


def _ordered(found: list[Found], words: list[str]) -> list[Found]:
    cut = after_correction(words)
    return sorted(found, key=lambda f: (f.start < cut, -f.confidence, f.start))
