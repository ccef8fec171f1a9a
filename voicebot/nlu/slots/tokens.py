"""Recognised text as tokens, and number words. All parsers of this folder work on these tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_TEXT = 600
"""Characters of one turn that are looked at."""
MAX_TOKENS = 80

UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
}  # fmt: skip
TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
SCALES = {"thousand": 1_000, "million": 1_000_000}
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
    "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
ALIKE = {
    "oh": "0", "o": "0", "owe": "0", "nought": "0", "naught": "0", "nil": "0", "for": "4", "fore": "4", "to": "2",
    "too": "2", "tu": "2", "ate": "8", "won": "1", "wan": "1", "tree": "3", "free": "3", "fife": "5", "sex": "6",
    "sicks": "6",
    "niner": "9", "nein": "9", "sevin": "7",
}  # fmt: skip
"""Words that recognition writes for a digit, or that are another word for one."""
SURE_ALIKE = {"oh", "o", "nought", "naught", "niner", "fife"}
"""Those of them that hardly mean anything else beside digits."""
FILLERS = {"uh", "um", "er", "erm", "ah", "hmm", "mm", "like", "well", "so"}

_AFTER = {
    "in", "on", "at", "and", "or", "but", "if", "then", "please", "thanks", "thank", "tomorrow", "today", "tonight",
    "this", "next", "for", "would", "will", "is", "works", "suits", "maybe", "perhaps", "with", "to", "until", "when",
    "because", "as", "instead", "that's", "it's", "not", "no", "yes", "okay", "i", "we", "you", "my", "monday",
    "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", *FILLERS,
}  # fmt: skip

_TOKEN = re.compile(
    r"""
    \$?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![a-z0-9])   # 1,234.50
  | \d{1,2}:\d{2}(?![a-z0-9])                      # 10:30
  | \d+(?:[-/]\d+)+(?![a-z0-9])                    # 3/21/2025 and 47-11-02
  | \d+(?:st|nd|rd|th)(?![a-z0-9])                 # 21st
  | \$?\d+\.\d+(?![a-z0-9.])                       # 45.20
  | \$?\d+(?![a-z0-9])
  | [a-z0-9]+(?:'[a-z]+)*
  | [@+#*]
    """,
    re.VERBOSE,
)
_HALVES = re.compile(r"\b([ap])\s?\.?\s?m\b\.?")
_GLUED = re.compile(r"(\d)([ap]m)\b")


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it was said."""

    value: str
    confidence: float
    """How sure the wording makes it, 0..1; recognition's own confidence is not in it."""
    start: int
    end: int
    """Tokens from `start` up to, not including, `end`."""
    heard: float = 1.0
    """Chance that recognition heard these words right, 0..1; `nlu/slots/thresholds.py` says how sure is sure enough."""


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers, dates and times of a text; at most `MAX_TOKENS`."""
    text = text[:MAX_TEXT].lower().replace("’", "'").replace("‘", "'")
    text = _GLUED.sub(r"\1 \2", text)
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    text = re.sub(r"\b([ap]) m\b", r"\1m", text)
    return _TOKEN.findall(text)[:MAX_TOKENS]


def alone(words: list[str], end: int) -> bool:
    """Whether a bare "ten" or "the second" that ends here is not the number of something: "ten meters"."""
    return end >= len(words) or words[end] in _AFTER


def small(token: str) -> int | None:
    """The number that one word or numeral says; None for other words."""
    if token.isdigit() and len(token) <= 9:
        return int(token)
    for table in (UNITS, TEENS, TENS):
        if token in table:
            return table[token]
    return None


def below_hundred(words: list[str], at: int) -> tuple[int, int] | None:
    """A number from 0 to 99 at a place. Returns it and the place after it."""
    if at >= len(words):
        return None
    word = words[at]
    if word in TENS:
        following = UNITS.get(words[at + 1], 0) if at + 1 < len(words) else 0
        return (TENS[word] + following, at + 2) if following else (TENS[word], at + 1)
    value = small(word)
    return (value, at + 1) if value is not None and value < 100 else None


def cardinal(words: list[str], at: int) -> tuple[int, int] | None:
    """A whole number at a place: ``a hundred and twenty``, ``two thousand four hundred``, ``1,200``.

    Returns:
        The number and the place after it, or None.
    """
    if at >= len(words):
        return None
    first = words[at].lstrip("$").replace(",", "")
    if first.isdigit() and len(first) <= 9:
        total, end = int(first), at + 1
        return (total * SCALES[words[end]], end + 1) if end < len(words) and words[end] in SCALES else (total, end)
    total, group, end, seen = 0, 0, at, False
    if words[at] in ("a", "an", "one") and at + 1 < len(words) and words[at + 1] in ("hundred", *SCALES):
        group, end, seen = 1, at + 1, True
    last = 10**9
    while end < len(words):
        word = words[end]
        if word == "hundred" and seen and 0 < group < 100:
            group, end = group * 100, end + 1
        elif word in SCALES and seen and 0 < group < 1000 and SCALES[word] < last:
            last = SCALES[word]
            total, group, end = total + group * last, 0, end + 1
        elif word == "and" and seen and (group % 100 == 0) and (group or total):
            if below_hundred(words, end + 1) is None:
                break
            end += 1
        else:
            part = below_hundred(words, end)
            if part is None or words[end].isdigit() or (seen and group % 100) or (seen and not group and not total):
                break
            if seen and group == 0 and part[0] == 0:
                break
            group, end, seen = group + part[0], part[1], True
    return (total + group, end) if seen else None


def ordinal(words: list[str], at: int) -> tuple[int, int] | None:
    """``third``, ``twenty first``, ``21st`` at a place. Returns the number and the place after it."""
    if at >= len(words):
        return None
    word = words[at]
    if word[:-2].isdigit() and word[-2:] in ("st", "nd", "rd", "th") and len(word) <= 5:
        return int(word[:-2]), at + 1
    if word in TENS and at + 1 < len(words) and ORDINALS.get(words[at + 1], 10) < 10:
        return TENS[word] + ORDINALS[words[at + 1]], at + 2
    return (ORDINALS[word], at + 1) if word in ORDINALS else None
