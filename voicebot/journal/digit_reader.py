"""Digits in what people say and write, with the places that they stand at: figures, words, doubles, pairs, mixed.

One reader for everything that must be masked: a text becomes `Digits`, in their order, each the figures of one word or
one written group. Whether they belong together is said by what stands between them; whether they are digits at all is
not always sure ("one moment", "the last four", "oh"): such are `doubtful`, and a search may take or leave them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from voicebot.languages.en import dictated_digits as en

MAX_CHARS = 20_000
"""Of one text that are looked at."""
_WORD = re.compile(r"[0-9]+(?:o+[0-9]+)*|[^\W\d_]+(?:'[^\W\d_]+)*(?:\.m\b)?|\$|€|£", re.IGNORECASE)
_ANY = re.compile(
    r"[0-9]|[^\x00-\x7f]|\b(?:" + "|".join([*en.UNITS, *en.TEENS, *en.TENS, *en.SCALES, *en.SEVERAL]) + r")\b",
    re.IGNORECASE,
)
"""Most texts hold none of it and are not read at all."""
_MASK = re.compile(r"\[[a-z -]+ [0-9]+ #[a-z]{5}\]")
"""What `redaction.Redactor.mask` writes: its length is no digit."""
_MAX_BETWEEN = 12
"""Characters between two digits of one number, words apart."""
_DATE = re.compile(r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}([-/.])\d{1,2}\1(?:\d{4}|\d{2}))\Z")
_TIME = re.compile(r"\d{1,2}:\d{2}\Z")
_MAX_OTHER = 8
"""Digits of a date, a time or an amount; more are something else."""


@dataclass(frozen=True, slots=True)
class Digits:
    """What one word or one written group stands for."""

    digits: str
    start: int
    end: int
    """It stands at ``text[start:end]``."""
    figures: bool
    """Written in figures rather than words."""
    tight: bool
    """Nothing but marks and fillers stands between it and the one before."""
    doubtful: bool = False
    """It may be no digit: a count, an interjection, another word."""
    other: bool = False
    """Part of a date, a time or an amount."""
    corrects: bool = False
    """Words before it say that what was before may be wrong."""
    single: bool = False
    """One digit said by itself: who speaks so dictates."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int


def has_digits(text: str) -> bool:
    """Whether a text may hold any digits; without reading it."""
    return _ANY.search(text) is not None


def read(text: str) -> list[Digits]:
    """All digits in a text, in order."""
    return list(_read(text)) if has_digits(text) else []


def forget() -> None:
    """Keep none of the texts that were read: a call is over."""
    _read.cache_clear()


@lru_cache(512)  # a turn's words are looked at again and again while its call goes on
def _read(text: str) -> tuple[Digits, ...]:
    plain = _plain(text[:MAX_CHARS])
    tokens = [_Token(m[0].lower(), m.start(), m.end()) for m in _WORD.finditer(plain)]
    found: list[tuple[Digits, int, int]] = []
    at = 0
    while at < len(tokens):
        digits, end = _at(plain, tokens, at)
        if digits:
            found.append((_placed(plain, tokens, at, end, digits, found), at, end))
        at = max(end, at + 1)
    return tuple(_classified(plain, tokens, found))


def runs(digits: list[Digits]) -> list[list[Digits]]:
    """The digits of a text, parted where words stand between."""
    out: list[list[Digits]] = []
    for one in digits:
        if out and one.tight:
            out[-1].append(one)
        else:
            out.append([one])
    return out


def core(run: list[Digits]) -> list[Digits]:
    """A run without words at its ends that may be no digits: "for 471102", "eight two, for short"."""
    first, last = 0, len(run)
    while first < last and run[first].doubtful and not run[first].figures:
        first += 1
    while last > first and run[last - 1].doubtful and not run[last - 1].figures:
        last -= 1
    return run[first:last] or run


def number_of(run: list[Digits]) -> str:
    """The digits of a run, but for such words."""
    return "".join(one.digits for one in core(run))


def other_words(text: str) -> int:
    """How many words of a text are neither digits nor what is said beside them."""
    taken = [(one.start, one.end) for one in read(text)]
    return sum(
        not token[0][0].isdigit()
        and token[0].lower() not in en.BETWEEN | en.COURTESIES
        and not any(start <= token.start() < end for start, end in taken)
        for token in _WORD.finditer(_plain(text[:MAX_CHARS]))
    )


def _plain(text: str) -> str:
    """Digits of other scripts (Arabic-Indic, full-width, circled) as ours; one character each: places stay the same."""
    text = _MASK.sub(lambda mask: "|" + "x" * (len(mask[0]) - 2) + "|", text.replace("’", "'").replace("‘", "'"))
    return text if text.isascii() else "".join(c if c.isascii() else str(unicodedata.digit(c, c)) for c in text)


def _at(text: str, tokens: list[_Token], at: int) -> tuple[str, int]:
    """The digits that begin at a token, and the token after them; none where there are none."""
    word, following = tokens[at].text, tokens[at + 1].text if at + 1 < len(tokens) else ""
    if word[0].isdigit():
        return _figures(text, tokens[at]), at + 1
    if word in en.TIMES and (one := en.UNITS.get(following, following if re.fullmatch("[0-9]", following) else "")):
        return one * en.TIMES[word], at + 2
    if word in en.UNITS and following in en.SEVERAL and _close(text, tokens, at + 1):
        return en.SEVERAL[following] * int(en.UNITS[word]), at + 2
    if word == "a" and following in en.SCALES:
        return _scaled(text, tokens, at + 1, 1)
    small = _below_hundred(text, tokens, at)
    if small is not None:
        value, end = small
        if value.startswith("0") or end >= len(tokens) or tokens[end].text not in en.SCALES:
            return value, end
        return _scaled(text, tokens, end, int(value))
    if word in en.ALIKE and _beside_digits(text, tokens, at):
        return en.ALIKE[word], at + 1
    return "", at + 1


def _figures(text: str, token: _Token) -> str:
    digits = token.text.replace("o", "0")
    after = text[token.end : token.end + 2].lower()
    glued = text[token.end : token.end + 1].isalpha() or text[max(0, token.start - 1) : token.start].isalpha()
    if glued and (len(digits) < 4 or after in ("st", "nd", "rd", "th")):
        return ""
    return digits


def _below_hundred(text: str, tokens: list[_Token], at: int) -> tuple[str, int] | None:
    if at >= len(tokens):
        return None
    word = tokens[at].text
    if word in en.TENS:
        unit = en.UNITS.get(tokens[at + 1].text, "0") if at + 1 < len(tokens) and _close(text, tokens, at + 1) else "0"
        several = at + 2 < len(tokens) and tokens[at + 2].text in en.SEVERAL  # "twenty four ones" is nobody's number
        return (en.TENS[word] + unit, at + 2) if unit != "0" and not several else (en.TENS[word] + "0", at + 1)
    if word in en.TEENS:
        return en.TEENS[word], at + 1
    return (en.UNITS[word], at + 1) if word in en.UNITS else None


def _scaled(text: str, tokens: list[_Token], at: int, number: int) -> tuple[str, int]:
    """``four thousand one hundred and eleven``, from the scale word at `at` on."""
    scale = en.SCALES[tokens[at].text]
    total, end = number * scale, at + 1
    begin = end + 1 if end < len(tokens) and tokens[end].text == "and" else end
    if begin >= len(tokens) or not all(_close(text, tokens, i) for i in range(end, begin + 1)):
        return str(total), end
    rest = _below_hundred(text, tokens, begin)
    if rest is None or rest[0].startswith("0") or int(rest[0]) == 0:
        return str(total), end
    value, after = int(rest[0]), rest[1]
    if scale == 1000 and after < len(tokens) and tokens[after].text == "hundred" and value < 10:
        more, after = _scaled(text, tokens, after, value)
        value = int(more)
    return (str(total + value), after) if value < scale else (str(total), end)


def _close(text: str, tokens: list[_Token], at: int) -> bool:
    """Whether a token follows the one before it without a mark other than a hyphen."""
    gap = text[tokens[at - 1].end : tokens[at].start]
    return len(gap) <= 2 and gap.strip() in ("", "-", "‐", "‑")


def _beside_digits(text: str, tokens: list[_Token], at: int) -> bool:
    """Whether a look-alike stands right beside digits."""

    def digit(index: int) -> bool:
        return 0 <= index < len(tokens) and (
            tokens[index].text in en.UNITS or tokens[index].text in en.TEENS or tokens[index].text.isdigit()
        )

    return digit(at - 1) or digit(at + 1)


def _placed(
    text: str, tokens: list[_Token], at: int, end: int, digits: str, found: list[tuple[Digits, int, int]]
) -> Digits:
    figures = tokens[at].text[0].isdigit()
    start = tokens[at].start
    before = tokens[at - 1].text if at else ""
    after = tokens[end].text if end < len(tokens) else ""
    last = found[-1] if found else None
    between = [token.text for token in tokens[last[2] if last else 0 : at]]
    tight = last is not None and _tight(text[last[0].end : start], between)
    if last is not None and tight:
        linked = bool(en.LINKING & set(between)) and (figures or last[0].figures)
        tight = not linked and not _cents(text, last[0].end, tokens[at])
    pointed = before in en.COUNTERS or (digits == "1" and before in en.POINTERS)
    count = len(digits) <= 2 and (pointed or after in en.COUNTED)
    return Digits(
        digits, start, tokens[end - 1].end, figures, tight,
        doubtful=(count and not (figures and tight)) or tokens[at].text in en.ALIKE,
        corrects=bool(en.CORRECTIONS & set(between)),
        single=len(digits) == 1 and not figures,
    )  # fmt: skip


def _cents(text: str, end: int, token: _Token) -> bool:
    """Whether a group is what follows the point of an amount: 3141.00, but not 4111.1111.1111.1111."""
    return text[end : token.start] == "." and len(token.text) == 2 and not re.match(r"[.\d]\d", text[token.end :])


def _tight(gap: str, between: list[str]) -> bool:
    marks = len(gap) - sum(map(len, between))
    return all(word in en.BETWEEN for word in between) and len(between) <= 4 and marks <= _MAX_BETWEEN


def _classified(text: str, tokens: list[_Token], found: list[tuple[Digits, int, int]]) -> list[Digits]:
    """With what only the whole run tells: dates, times and amounts, and single digits in the middle of words."""
    out: list[Digits] = []
    at = 0
    while at < len(found):
        end = at + 1
        while end < len(found) and found[end][0].tight:
            end += 1
        run = [one for one, _, _ in found[at:end]]
        other = _other(text, tokens, run, found[at][1], found[end - 1][2])
        sentence = found[at][1] > 0 or found[end - 1][2] < len(tokens)
        for place, one in enumerate(run):
            edge = place in (0, len(run) - 1)
            unsure = one.single and (
                (len(run) == 1 and sentence) or (edge and text[one.start : one.end].lower() in en.INTERJECTIONS)
            )
            alone = len(run) == 1 and sentence and len(one.digits) == 1
            out.append(replace(one, other=other, doubtful=one.doubtful or unsure or alone or other))
        at = end
    return out


def _other(text: str, tokens: list[_Token], run: list[Digits], first: int, last: int) -> bool:
    digits = sum(len(one.digits) for one in run)
    if digits > _MAX_OTHER:
        return False
    before = [token.text for token in tokens[max(0, first - 3) : first]]
    after = [token.text for token in tokens[last : last + 2]]
    written = text[run[0].start : run[-1].end]
    if re.match(r"\.\d\d(?![\d.])", text[run[-1].end :]) or re.search(r"\d\.\Z", text[: run[0].start]):
        return True
    near = before[-1:] + after[:1]
    if any(word in en.MONEY for word in near) or (before and before[-1] in "$€£"):
        return True
    if _DATE.match(written) or _TIME.match(written) or any(word in en.HALVES for word in after[:1]):
        return True
    if digits <= 6 and en.MONTHS & {*before, *after}:
        return True
    value = "".join(one.digits for one in run)
    if before[-1:] == ["at"] and len(value) in (3, 4) and int(value[:-2]) < 24 and int(value[-2:]) < 60:
        return True
    return len(value) == 4 and value[:2] in ("19", "20") and bool(before) and before[-1] in en.BEFORE_YEARS


def spans(found: list[Digits]) -> Iterator[tuple[int, int]]:
    """Where digits stand, those of one run as one place."""
    for run in runs(found):
        yield run[0].start, run[-1].end
