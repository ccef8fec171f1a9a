"""Regular expressions that cannot be made to run long: a checked subset of Python's, of bounded length and work.

Python's matcher tries every way in which a pattern can be laid over a text. The number of those ways is bounded here
before the pattern is compiled (a repeat over n characters has n ways, one thing after another multiplies, a repeat
of something with ways is taken to their power); what could need more than `MAX_WAYS` is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_PATTERN_CHARS = 200
MAX_SUBJECT_CHARS = 256
"""Longer texts are cut before they are matched."""
MAX_WAYS = 70_000
"""Two free repeats such as ``.*sales.*``; a few ms of matching at most."""
_COUNTS = re.compile(r"\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\\[&~|]|\\.)*\]")
_ESCAPES = "dDwWsS"


class PatternError(ValueError):
    """A pattern that is not allowed, with words for who wrote it."""


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> re.Pattern[str]:
    """Check and compile a pattern, to be used with ``fullmatch``. Raises PatternError."""
    if len(text) > MAX_PATTERN_CHARS:
        raise PatternError(f"a pattern may have {MAX_PATTERN_CHARS} characters")
    reader = _Reader(text)
    ways = reader.alternatives(0)
    if reader.at < len(text):
        raise PatternError(f"unexpected {text[reader.at]!r} at character {reader.at + 1} of the pattern")
    if ways > MAX_WAYS:
        raise PatternError("this pattern could take too long: use fewer * and +, none inside another, or a prefix")
    try:
        return re.compile(text, re.ASCII | re.IGNORECASE)
    except (re.error, OverflowError) as error:
        raise PatternError(f"not a pattern: {error}") from None


class _Reader:
    """Walks over the pattern and counts ways."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def alternatives(self, depth: int) -> int:
        if depth > 10:
            raise PatternError("brackets are nested too deeply")
        ways = self._sequence(depth)
        while self._next() == "|":
            self.at += 1
            ways += self._sequence(depth)
        return min(ways, MAX_WAYS + 1)

    def _sequence(self, depth: int) -> int:
        ways = 1
        while (char := self._next()) and char not in "|)":
            ways = min(ways * self._repeated(self._atom(depth)), MAX_WAYS + 1)
        return ways

    def _atom(self, depth: int) -> int:
        char = self.text[self.at]
        if char == "(":
            return self._group(depth)
        if char in "*+?{":
            raise PatternError(f"{char!r} has nothing to repeat")
        if char == "[":
            found = _CLASS.match(self.text, self.at)
            if found is None:
                raise PatternError("'[' without ']'")
            self.at = found.end()
            return 1
        if char == "\\":
            following = self.text[self.at + 1 : self.at + 2]
            if not following or (following.isalnum() and following not in _ESCAPES):
                raise PatternError(f"\\{following} is not allowed (\\d, \\w, \\s and escaped signs are)")
            self.at += 1
        self.at += 1
        return 1

    def _group(self, depth: int) -> int:
        self.at += 1
        if self.text.startswith("?", self.at):
            if not self.text.startswith("?:", self.at):
                raise PatternError("of the groups that begin with (? only (?:…) is allowed")
            self.at += 2
        ways = self.alternatives(depth + 1)
        if self._next() != ")":
            raise PatternError("'(' without ')'")
        self.at += 1
        return ways

    def _repeated(self, ways: int) -> int:
        char = self._next()
        if char and char in "*+?":
            self.at += 1
            low, high = {"*": (0, MAX_SUBJECT_CHARS), "+": (1, MAX_SUBJECT_CHARS), "?": (0, 1)}[char]
        elif char == "{":
            counts = _COUNTS.match(self.text, self.at)
            if counts is None:
                raise PatternError("'{' without counts: write \\{ for the sign")
            self.at = counts.end()
            low = int(counts[1])
            high = low if counts[2] is None else int(counts[3] or MAX_SUBJECT_CHARS)
        else:
            return ways
        if (again := self._next()) and again in "*+?{":
            raise PatternError("a repeat of a repeat is not allowed")
        total = 0
        for times in range(low, max(low, high) + 1):
            total += ways**times if ways > 1 else 1
            if total > MAX_WAYS:
                return MAX_WAYS + 1
        return total

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]
