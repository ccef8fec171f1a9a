"""Telephone numbers as calls bring them and as rules name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import phonenumbers

from .patterns import PatternError, compile_pattern

MAX_CHARS = 64
"""Of a user part that is looked at."""
MIN_NATIONAL_DIGITS = 5
"""Shorter ones are extensions, whatever the country's numbering plan has."""
_SEPARATORS = re.compile(r"[\s().\-/]+")
_DIGITS = re.compile(r"\+?[0-9]{1,20}")
_RANGE = re.compile(r"(\+?[0-9]{1,20})\.\.(\+?[0-9]{1,20})")
_PREFIX = re.compile(r"(\+?[0-9]{0,20})\*")
_USER = re.compile(r"[A-Za-z0-9_.\-+#*]{1,64}")


@dataclass(frozen=True, slots=True)
class Number:
    """One party of a call."""

    raw: str
    """The user part without visual separators; it may be a name such as ``sales``."""
    e164: str = ""
    """``+4930123456``; empty when it is no public number (extension, name)."""

    def __str__(self) -> str:
        return self.e164 or self.raw

    @property
    def forms(self) -> tuple[str, ...]:
        """What rules are compared with."""
        return (self.e164, self.raw) if self.e164 and self.e164 != self.raw else (self.raw,)


def user_of(uri: str) -> str:
    """The user part of a SIP or TEL URI, without its parameters and password; a bare number as it is."""
    scheme, colon, rest = uri.partition(":")
    if colon and scheme.lower() in ("sip", "sips", "tel"):
        host = scheme.lower() != "tel"
        user, at, _ = rest.rpartition("@")
        rest = (user if at else "") if host else rest
    else:
        rest = uri.rpartition("@")[0] or uri
    return _unescaped(rest.partition(";")[0].partition(":")[0])[:MAX_CHARS]


def normalise(uri: str, country: str = "") -> Number:
    """Read a party's number.

    Args:
        uri: a SIP or TEL URI, or only its user part.
        country: two letters (ISO 3166) for numbers without ``+``; empty: those stay as they are.
    """
    raw = _SEPARATORS.sub("", user_of(uri)) if "@" in uri or ":" in uri else _SEPARATORS.sub("", uri[:MAX_CHARS])
    if not _DIGITS.fullmatch(raw):
        return Number(raw)
    if raw.startswith("+"):
        return Number(raw, raw)
    if not country or len(raw) < MIN_NATIONAL_DIGITS:
        return Number(raw)
    try:
        parsed = phonenumbers.parse(raw, country)
    except phonenumbers.NumberParseException:
        return Number(raw)
    # Only valid ones: an internal number must not become some subscriber's.
    if not phonenumbers.is_valid_number(parsed):
        return Number(raw)
    return Number(raw, phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _unescaped(text: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text[: MAX_CHARS * 3])


Kind = Literal["exact", "prefix", "range", "pattern"]


@dataclass(frozen=True, slots=True)
class NumberTest:
    """One entry of ``to`` or ``from``: ``+4930123456``, ``+4930*``, ``+4930100..+4930199``, ``/pattern/`` or a name."""

    kind: Kind
    text: str
    """As written, for people."""
    first: str
    last: str = ""
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, text: str, country: str = "") -> NumberTest:
        """Read one entry. Raises ValueError with words."""
        text = text.strip()
        if len(text) > 2 and text[0] == text[-1] == "/":
            try:
                return cls("pattern", text, text[1:-1], pattern=compile_pattern(text[1:-1]))
            except PatternError as error:
                raise ValueError(str(error)) from None
        bounds = _RANGE.fullmatch(text)
        if bounds is not None:
            first, last = bounds[1], bounds[2]
            if len(first) != len(last) or first > last or first.startswith("+") != last.startswith("+"):
                raise ValueError(f"{text}: both ends need as many digits, the smaller one first")
            return cls("range", text, first, last)
        prefix = _PREFIX.fullmatch(text)
        if prefix is not None:
            return cls("prefix", text, prefix[1])
        plain = _SEPARATORS.sub("", text)
        if _DIGITS.fullmatch(plain):
            return cls("exact", text, str(normalise(plain, country)))
        if _USER.fullmatch(text):
            return cls("exact", text, text)
        raise ValueError(f"{text!r} is no number, prefix (+49*), range (+49100..+49199), /pattern/ or name")

    def matches(self, number: Number) -> bool:
        """Whether the number is meant, in either of its forms."""
        return any(self._meets(form) for form in number.forms)

    def _meets(self, form: str) -> bool:
        match self.kind:
            case "exact":
                return form == self.first
            case "prefix":
                return form.startswith(self.first)
            case "range":
                return len(form) == len(self.first) and form.lstrip("+").isdigit() and self.first <= form <= self.last
        return self.pattern is not None and self.pattern.fullmatch(form) is not None

    def covers(self, other: NumberTest) -> bool:
        """Whether every number that `other` means is meant here, too (False also when that cannot be told)."""
        if self.kind == "pattern" and other.kind != "exact":
            return self.first in (other.first if other.kind == "pattern" else "", ".*")
        if other.kind == "pattern":
            return self.kind == "prefix" and not self.first
        if other.kind == "range":
            return self._meets(other.first) and self._meets(other.last)
        if other.kind == "prefix":
            return self.kind == "prefix" and other.first.startswith(self.first)
        return self._meets(other.first)

    def meets(self, other: NumberTest) -> bool:
        """Whether some number is meant by both (patterns: only when that is certain)."""
        if self.covers(other) or other.covers(self):
            return True
        one, two = sorted((self, other), key=lambda test: test.kind)  # exact < pattern < prefix < range
        if one.kind == two.kind == "range":
            return len(one.first) == len(two.first) and one.first <= two.last and two.first <= one.last
        if (one.kind, two.kind) == ("prefix", "range"):
            size = len(two.first)
            padded = one.first.ljust(size, "0"), one.first.ljust(size, "9")
            return len(one.first) <= size and padded[0] <= two.last and two.first <= padded[1]
        return False
