"""The small markup of prompts: pauses, spelling, slow and foreign passages.

Flows and conversation check and remove it, synthesis speaks it.

============================  =================================================
``[pause 400ms]``             silence, 50 ms to 3 s (``[pause 1.5s]``)
``[spell: AB12]``             letters and digits one by one
``[slow] … [/slow]``          these words at `SLOW` of the usual speed
``[lang es] … [/lang]``       these words in another language, by its own voice
============================  =================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SLOW = 0.75
MIN_PAUSE_MS, MAX_PAUSE_MS = 50, 3000
_TAG = re.compile(r"\[([^\[\]]*)\]|([\[\]])")
_PAUSE = re.compile(r"pause (\d{1,4}|\d{0,2}\.\d{1,3}) ?(ms|s)\Z")
_LANG = re.compile(r"lang ([a-z]{2}(?:-[A-Z]{2})?)\Z")
_SPELL = re.compile(r"spell:(.*)\Z", re.DOTALL)


class MarkupError(ValueError):
    """A bracket that holds none of the tags, or a tag that is not closed."""


@dataclass(frozen=True, slots=True)
class MarkupPart:
    """Words, or a pause."""

    text: str
    """Without markup; empty for a pause."""
    slow: bool = False
    pause_ms: int = 0
    language: str = ""
    """BCP 47 tag; empty for that of the dialog."""


def parse(text: str) -> list[MarkupPart]:
    """Words and pauses of a text in order.

    Raises:
        MarkupError: a bracket that holds none of the tags, or a tag that is not closed.
    """
    parts: list[MarkupPart] = []
    slow, language, words, at = False, "", "", 0

    def flush() -> None:
        nonlocal words
        if words.strip():
            parts.append(MarkupPart(re.sub(r"[^\S\n]+", " ", words).strip(), slow, language=language))
        words = ""

    for match in _TAG.finditer(text):
        words += text[at : match.start()]
        at = match.end()
        if match[2]:
            raise MarkupError(f"a single {match[2]!r}")
        spelled = _SPELL.match(match[1])
        if spelled:
            words += " ".join(c for c in spelled[1].upper() if c.isalnum())
            continue
        flush()
        if match[1] in ("slow", "/slow"):
            if slow == (match[1] == "slow"):
                raise MarkupError(f"[{match[1]}] inside [slow]" if slow else "[/slow] without [slow]")
            slow = not slow
        elif match[1] == "/lang" or _LANG.match(match[1]):
            if bool(language) != (match[1] == "/lang"):
                raise MarkupError(f"[{match[1]}] inside [lang]" if language else "[/lang] without [lang]")
            language = "" if language else match[1].removeprefix("lang ")
        else:
            parts.append(MarkupPart("", pause_ms=_pause_ms(match[1])))
    if slow or language:
        raise MarkupError("[slow] without [/slow]" if slow else "[lang] without [/lang]")
    words += text[at:]
    flush()
    return parts


def written(parts: Iterable[MarkupPart]) -> str:
    """The text that `parse` makes such parts of."""
    out: list[str] = []
    for part in parts:
        text = harmless(part.text) if part.text else f"[pause {part.pause_ms}ms]"
        text = f"[lang {part.language}]{text}[/lang]" if part.language else text
        out.append(f"[slow]{text}[/slow]" if part.slow else text)
    return " ".join(out)


def plain(text: str) -> str:
    """A text as it is shown and written down. Raises MarkupError."""
    return re.sub(r" (?=[.,;:!?])", "", " ".join(part.text for part in parse(text) if part.text))


def harmless(value: str) -> str:
    """A value that is to stand in a text: its brackets are no tags."""
    return value.replace("[", "(").replace("]", ")")


def _pause_ms(tag: str) -> int:
    found = _PAUSE.match(tag)
    if not found:
        raise MarkupError(f"[{tag}] is none of [pause 400ms], [spell: AB12], [slow] and [lang es]")
    length_ms = round(float(found[1]) * (1000 if found[2] == "s" else 1))
    if not MIN_PAUSE_MS <= length_ms <= MAX_PAUSE_MS:
        raise MarkupError(f"[{tag}] is not between {MIN_PAUSE_MS} ms and {MAX_PAUSE_MS // 1000} s")
    return length_ms
