"""Cuts text where a speaker takes breath: the unit of synthesis, of the cache, and of what was heard."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voicebot.mouth.engine import MAX_CHARS

MAX_TEXT = 8000
MAX_PHRASES = 64
"""More than this is a runaway text (an LLM, a backend): the rest is not spoken."""
LONG_FIRST_CHARS = 60
"""A first sentence longer than this is cut at a comma for engines that give a whole text at once."""
SHORTEST_CLAUSE_CHARS = 15

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s+|\s*\n\s*")
_CLAUSE_END = re.compile(r"[,;:]\s+(?!\d)|\s+[–—-]\s+(?!\d)")
_LONGEST_ABBREVIATION = 24
_NO_END = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|no|nos|ext|vs|approx|e\.g|i\.e|dept|inc|ltd|[a-z])|(?:^|\s)\d{1,2})\.\s+$", re.I
)
"""After these a full stop ends no sentence: titles, abbreviations, initials, and the number of a list."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are spoken in one go."""

    text: str
    """As written."""
    pause_ms: int
    """Silence between these words and the next phrase."""


def split(text: str, clausewise: bool = False) -> list[Phrase]:
    """Cut `text` into sentences; with `clausewise` a long first sentence also at its first good comma."""
    pieces = _cut(text[:MAX_TEXT])
    if clausewise and pieces and len(pieces[0]) > LONG_FIRST_CHARS:
        pieces[:1] = _first_clause(pieces[0])
    bounded = [part for piece in pieces for part in _bounded(piece)][:MAX_PHRASES]
    return [Phrase(part, _pause_ms(part)) for part in bounded]


def _cut(text: str) -> list[str]:
    pieces, begin = [], 0
    for match in _SENTENCE_END.finditer(text):
        if _NO_END.search(text, max(begin, match.end() - _LONGEST_ABBREVIATION), match.end()):
            continue
        pieces.append(text[begin : match.end()])
        begin = match.end()
    pieces.append(text[begin:])
    return [piece.strip() for piece in pieces if any(c.isalnum() for c in piece)]


def _first_clause(sentence: str) -> list[str]:
    for match in _CLAUSE_END.finditer(sentence):
        head, tail = sentence[: match.end()].strip(), sentence[match.end() :].strip()
        if len(head) >= SHORTEST_CLAUSE_CHARS and len(tail) >= SHORTEST_CLAUSE_CHARS:
            return [head, tail]
    return [sentence]


def _bounded(piece: str) -> list[str]:
    """Break what has no sentence end for thousands of characters, at spaces where there are any."""
    parts = []
    while len(piece) > MAX_CHARS // 4:
        at = piece.rfind(" ", 1, MAX_CHARS // 4)
        at = at if at > 0 else MAX_CHARS // 4
        parts.append(piece[:at].strip())
        piece = piece[at:].strip()
    return [*parts, piece] if piece else parts


def _pause_ms(piece: str) -> int:
    last = piece.rstrip("\"')]")[-1:]
    if last in ".!?…":
        return 320
    return 160 if last in ",;:–—-" else 220
