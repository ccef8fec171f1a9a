"""Cuts text where a speaker takes breath: the unit of synthesis, of the cache, and of what was heard."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

from voicebot.languages.en.normalise import references
from voicebot.languages.en.phrase_breaks import ABBREVIATIONS, SMALL_WORDS
from voicebot.tts.markup import MarkupError, MarkupPart, parse
from voicebot.tts.text_normalisation import LANGUAGE, speakable
from voicebot.tts.voice_engine import MAX_CHARS

MAX_TEXT = 8000
MAX_PHRASES = 64
"""More than this is a runaway text (an LLM, a backend): the rest is not spoken."""
SHORTEST_CLAUSE_CHARS = 12
PAUSE_MS = 220
"""After words without punctuation."""
JOINED_MS = 40
"""The same where the sentence goes on: only synthesis or markup parts it."""

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s+|\s*\n\s*")
_CLAUSE_END = re.compile(r"[,;:]\s+(?!\d)|\s+[–—-]\s+(?!\d)")
_BEFORE_SMALL_WORD = re.compile(rf"\s+(?=(?:{'|'.join(SMALL_WORDS)})\s)")
"""Where a speaker may pause a little without breaking a group of words."""
_BETWEEN_WORDS = re.compile(r"\s+")
_LONGEST_ABBREVIATION = 24
_NO_END = re.compile(
    rf"(?:\b(?:{'|'.join(map(re.escape, ABBREVIATIONS))})|(?<![\w-])(?<!\b\w )[a-z]|(?:^|\s)\d{{1,2}})\.\s+$",
    re.IGNORECASE,
)
"""After these a full stop ends no sentence: titles, abbreviations, initials (but the last letter of a code, "4 A B.",
"NW-20-A."), and the number of a list."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are spoken in one go."""

    text: str
    """As written; empty for a pause at the beginning."""
    pause_ms: int
    """Silence between these words and the next phrase."""
    slow: bool = False
    """To be spoken at `markup.SLOW` of the usual speed: marked so, or a reference that is written down."""
    language: str = ""
    """BCP 47 tag; empty for that of the dialog."""


def split(text: str, first_chars: int | None = None) -> list[Phrase]:
    """Cut `text` into sentences, at its markup (see `voicebot.tts.markup`; what is no markup is words), and around
    order numbers, codes and phone numbers, which are said slowly.

    Args:
        first_chars: a first sentence longer than this is cut short, at a comma or between words: an engine that gives
            all of a text at once would take too long for it. None leaves it whole.
    """
    phrases: list[Phrase] = []
    for part in _parts(text[:MAX_TEXT]):
        if part.pause_ms:
            before = phrases.pop() if phrases else Phrase("", 0)
            phrases.append(replace(before, pause_ms=part.pause_ms))
            continue
        if phrases and part.text[:1].isalnum():
            phrases[-1] = _joined(phrases[-1])
        begun = len(phrases)
        for piece in (piece for whole in _cut(part.text) for piece in _bounded(whole)):
            apart = [(piece, False)] if part.language else _references_apart(piece)
            phrases += [Phrase(t, _pause_ms(t), part.slow or reference, part.language) for t, reference in apart]
        if first_chars is not None and phrases[begun:] and not any(phrase.text for phrase in phrases[:begun]):
            phrases[begun : begun + 1] = _first_clause(phrases[begun], first_chars)
    return phrases[:MAX_PHRASES]


def _joined(phrase: Phrase) -> Phrase:
    return replace(phrase, pause_ms=JOINED_MS) if phrase.pause_ms == PAUSE_MS else phrase


def _parts(text: str) -> list[MarkupPart]:
    try:
        return parse(text)
    except MarkupError:
        return [MarkupPart(text)]


def _cut(text: str) -> list[str]:
    pieces, begin = [], 0
    for match in _SENTENCE_END.finditer(text):
        if _NO_END.search(text, max(begin, match.end() - _LONGEST_ABBREVIATION), match.end()):
            continue
        pieces.append(text[begin : match.end()])
        begin = match.end()
    pieces.append(text[begin:])
    return [piece.strip() for piece in pieces if any(c.isalnum() for c in piece)]


def _references_apart(sentence: str) -> list[tuple[str, bool]]:
    """A sentence cut around its references, each with whether it is one: a single word before goes with it."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for begin, end in references(sentence):
        reference = sentence[begin:end]
        if reference.isdecimal():
            reference = " ".join(reference)  # by itself 4711 would be a number
        while end < len(sentence) and not (sentence[end].isalnum() or sentence[end].isspace()):
            reference, end = reference + sentence[end], end + 1
        before = sentence[at:begin].strip()
        if " " in before:
            pieces.append((before, False))
            before = ""
        pieces.append((f"{before} {reference}".strip(), True))
        at = end
    rest = sentence[at:].strip()
    return [*pieces, (rest, False)] if rest else pieces


def _first_clause(phrase: Phrase, longest: int) -> list[Phrase]:
    """Cut off a beginning of at most `longest` characters: at its last comma, before a small word, between words.

    Figures count as long as they are said: "$45.20" is more than six characters.
    """
    written = phrase.text
    share = min(1.0, len(written) / max(1, len(speakable(written, date.today(), phrase.language or LANGUAGE))))
    if len(written) <= longest * share:
        return [phrase]
    shortest = SHORTEST_CLAUSE_CHARS * share
    for ends in (_CLAUSE_END, _BEFORE_SMALL_WORD, _BETWEEN_WORDS):
        cuts = [m.end() for m in ends.finditer(written) if shortest <= m.end() <= longest * share]
        for at in reversed(cuts):
            head, tail = written[:at].strip(), written[at:].strip()
            if len(tail) >= shortest and not (head[-1].isdigit() and tail[0].isdigit()):
                return [_joined(replace(phrase, text=head, pause_ms=_pause_ms(head))), replace(phrase, text=tail)]
    return [phrase]


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
    return 160 if last in ",;:–—-" else PAUSE_MS
