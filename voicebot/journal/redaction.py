"""Takes out what must never leave: secret values, and payment card numbers wherever they are said or keyed.

Card numbers are found as digits, digits in groups, digits spoken as words, and mixtures of these.

A run of 13 to 19 digits (ISO/IEC 7812-1) that passes the Luhn check is a card number; one in ten other numbers of that
length is masked as well, which is the price. Inside a run (an order number said right before the card, an expiry date
right after it) every stretch of whole groups that passes counts, and every one that a card scheme could have issued.
"""

from __future__ import annotations

import dataclasses
import hmac
import logging
import re
import secrets
from collections.abc import Mapping
from typing import Any, TypeVar

from voicebot.journal.entry import Event

MASK = "[card number]"
SECRET = "•••"
SHORTEST, LONGEST = 13, 19
AnyEvent = TypeVar("AnyEvent", bound=Event)

_LETTERS = "bcdfghjklmnpqrstvwxz"
_PHONE = re.compile(r"(?:(?:sips?|tel):)?\+?[0-9]{1,15}(?![0-9])")  # E.164: at most 15 digits

_ONES = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0", "one": "1", "two": "2", "three": "3",
    "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_TEENS = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19",
}  # fmt: skip
_TENS = {
    "twenty": "2", "thirty": "3", "forty": "4", "fourty": "4", "fifty": "5", "sixty": "6", "seventy": "7",
    "eighty": "8", "ninety": "9",
}  # fmt: skip
_TIMES = {"double": 2, "triple": 3, "treble": 3}


def _either(words: Mapping[str, object]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_SCHEMES = re.compile(
    r"4(?:.{12}|.{15}|.{18})"  # Visa
    r"|(?=.{16}\Z)(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|35|6011|64[4-9]|65).*"  # Mastercard, JCB, Discover
    r"|(?=.{15}\Z)3[47].*"  # American Express
    r"|(?=.{14}\Z)3(?:0[0-5]|[689]).*"  # Diners
    r"|62.{14,17}"  # UnionPay
)

_GAP = r"[\s\-‐-―.,/_·]"
_TOKEN = re.compile(
    rf"(?P<digit>[0-9])"
    rf"|\b(?P<times>{_either(_TIMES)}){_GAP}+(?P<what>{_either(_ONES)}|[0-9])(?![a-z])"
    rf"|\b(?P<tens>{_either(_TENS)})(?:[ \-‐‑](?P<unit>one|two|three|four|five|six|seven|eight|nine))?(?![a-z])"
    rf"|\b(?P<teen>{_either(_TEENS)})(?![a-z])"
    rf"|\b(?P<one>{_either(_ONES)})(?![a-z])",
    re.IGNORECASE,
)
_BETWEEN = re.compile(rf"{_GAP}{{0,4}}(?:(?:and|uh|um|er|then|hundred){_GAP}{{1,4}})?\Z", re.IGNORECASE)
_QUICK = re.compile(rf"\d|\b(?:{_either(_ONES | _TEENS | _TENS)})\b", re.IGNORECASE)


def luhn_valid(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1 annex B over a string of decimal digits."""
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if i % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


Digit = tuple[str, int, int]
"""A digit and the span of text that it came from; several digits of one word ("eleven") have the same span."""


def _digits(match: re.Match[str]) -> str:
    if match["digit"]:
        return match["digit"]
    if match["times"]:
        what = match["what"].lower()
        return _ONES.get(what, what) * _TIMES[match["times"].lower()]
    if match["tens"]:
        return _TENS[match["tens"].lower()] + (_ONES[match["unit"].lower()] if match["unit"] else "0")
    return _TEENS[match["teen"].lower()] if match["teen"] else _ONES[match["one"].lower()]


def _runs(text: str) -> list[list[Digit]]:
    """Digits that follow one another with nothing but blanks, punctuation and fillers between."""
    runs: list[list[Digit]] = []
    end = -1
    for match in _TOKEN.finditer(text):
        digits = [(digit, match.start(), match.end()) for digit in _digits(match)]
        if runs and _BETWEEN.match(text, end, match.start()):
            runs[-1] += digits
        else:
            runs.append(digits)
        end = match.end()
    return [run for run in runs if len(run) >= SHORTEST]


def _cards(run: list[Digit]) -> list[tuple[int, int]]:
    digits = "".join(digit for digit, _, _ in run)
    begins, ends = _group_edges(run)
    return [
        (run[first][1], run[first + length - 1][2])
        for length in range(SHORTEST, min(LONGEST, len(digits)) + 1)
        for first in range(len(digits) - length + 1)
        if luhn_valid(digits[first : first + length])
        and (
            (first in begins and first + length in ends)
            or _SCHEMES.fullmatch(digits[first : first + length]) is not None
        )
    ]


def _group_edges(run: list[Digit]) -> tuple[set[int], set[int]]:
    """Where groups of written digits ("4111 1111") begin and end in a run; the run's own edges count always."""
    begins, ends = {0}, {len(run)}
    for i in range(1, len(run)):
        if run[i][1] > run[i - 1][2]:  # a gap before this digit
            if i + 1 < len(run) and run[i + 1][1] == run[i][2]:
                begins.add(i)
            if i >= 2 and run[i - 2][2] == run[i - 1][1]:
                ends.add(i)
    return begins, ends


def _spans(text: str) -> list[tuple[int, int, str]]:
    """Where card numbers stand in a text, in order and apart, each with the digits of its span."""
    runs = _runs(text)
    merged = _merged([span for run in runs for span in _cards(run)])
    digits = [digit for run in runs for digit in run]
    return [(start, end, "".join(d for d, at, _ in digits if start <= at < end)) for start, end in merged]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class Redactor:
    """The one place where what must never leave is taken out: of texts, of plain data, of events.

    What is masked keeps its type, its length and a token that is the same for the same value under the same key, so
    that a reader sees that it was given twice: ``[card number 16 #bkdzt]``, ``[digits 4 #rnqpw]``.

    Args:
        key: of the tokens; a call has a random one that is never stored. None writes ``[card number]`` alone.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    @classmethod
    def of_call(cls) -> Redactor:
        """One whose tokens mean something within one call only."""
        return cls(secrets.token_bytes(16))

    def text(self, text: str) -> str:
        """The text with each card number in it masked."""
        if not _QUICK.search(text):
            return text
        # Digits of other scripts (Arabic-Indic, full-width) count as digits; one character each: places stay the same.
        plain = text if text.isascii() else "".join(str(int(c)) if c.isdecimal() else c for c in text)
        out, at = [], 0
        for start, end, digits in _spans(plain):
            out += [text[at:start], self._masked("card number", digits) if self._key else MASK]
            at = end
        return "".join([*out, text[at:]])

    def value(self, value: Any) -> Any:
        """Plain data (dicts, lists, text, numbers) with card numbers masked in everything in it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None or isinstance(value, float):
            return value
        if isinstance(value, int):
            shown = self.text(str(value))
            return value if shown == str(value) else shown
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        if isinstance(value, (list, set, frozenset)):
            return [self.value(item) for item in value]
        return self.text(str(value))

    def party(self, text: str) -> str:
        """A caller's or called party's address: a telephone number stays whole, the rest is as any text."""
        phone = _PHONE.match(text)
        return text[: phone.end()] + self.text(text[phone.end() :]) if phone else self.text(text)

    def secret(self, value: object, kind: str = "text") -> str:
        """What stands for a secret value.

        Args:
            kind: what it is: the type of a slot, ``speech``, ``keys`` …
        """
        return self._masked(kind, str(value)) if self._key else SECRET

    def event(self, event: AnyEvent) -> AnyEvent:
        """The event without what must not leave: all of its words where it is secret, card numbers everywhere."""
        secret, changes = getattr(event, "secret", False), dict[str, Any]()
        for f in dataclasses.fields(event):  # type: ignore[arg-type]
            old = getattr(event, f.name)
            new = self._field(event.marks().get(f.name, ""), old, secret, str(getattr(event, "source", "prompt")))
            if new != old:
                changes[f.name] = new
        if "text" in changes and hasattr(event, "words"):
            changes["words"] = ()
        return dataclasses.replace(event, **changes) if changes else event  # type: ignore[type-var]

    def _field(self, mark: str, value: Any, secret: bool, kind: str) -> Any:
        if mark == "plain":
            return value
        if mark == "party":
            return self.party(value)
        if secret and mark == "said":
            if isinstance(value, tuple):
                return ()
            return self.secret(value, kind) if value else value
        return self.value(value)

    def _masked(self, kind: str, value: str) -> str:
        """With letters that make no number word and no digit, so that masking again changes nothing."""
        number = int.from_bytes(hmac.digest(self._key or b"", value.encode("utf-8", "replace"), "sha256")[:8], "big")
        token = "".join(_LETTERS[number // 20**place % 20] for place in range(5))
        return f"[{kind} {len(value)} #{token}]"


def redact(text: str) -> str:
    """The text with each card number in it replaced by ``[card number]``: for what belongs to no call."""
    return _OUTSIDE_CALLS.text(text)


def redact_value(value: Any) -> Any:
    """The same for plain data."""
    return _OUTSIDE_CALLS.value(value)


_OUTSIDE_CALLS = Redactor()


class RedactingFilter(logging.Filter):
    """Put on a log handler: card numbers reach no log line, neither in its event nor in its fields."""

    _OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        for name, value in vars(record).items():
            if name not in self._OWN:
                setattr(record, name, redact_value(value))
        return True


def protect_logs() -> None:
    """Put the filter on the log's handlers. Call it after `voicebot.log.setup`."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter())
