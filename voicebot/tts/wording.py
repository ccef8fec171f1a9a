"""Between what a dialog decides and what a voice says: rules that hold whatever dialog it is.

- No two apologies follow each other: the second prompt says the same without it.
- What is said again, since the caller asked or did not answer, says its references once more: slower, group by group,
  letters with words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from voicebot.languages.en.apologies import apologises, apologises_once
from voicebot.languages.en.references import once_more
from voicebot.messages import Say
from voicebot.tts import markup
from voicebot.tts.markup import MarkupPart

BETWEEN_GROUPS_MS = 350


@dataclass(frozen=True, slots=True)
class SaidBefore:
    """What the prompts before the next ones leave behind."""

    texts: frozenset[str] = frozenset()
    apologised: bool = False


def worded(says: Sequence[Say], before: SaidBefore) -> tuple[list[Say], SaidBefore]:
    """The prompts as they are to be said, and what they leave behind for the next ones."""
    if not says:
        return [], before
    out: list[Say] = []
    apologised = before.apologised
    for say in says:
        kept = _apologising_once(say, apologised)
        if kept is not None:
            apologised = apologised or apologises(kept.text)
            out.append(_once_more(kept) if say.text in before.texts else kept)
    out = out or list(says)
    return out, SaidBefore(frozenset(say.text for say in says), any(apologises(say.text) for say in out))


def _apologising_once(say: Say, already: bool) -> Say | None:
    """None where nothing is left."""
    text = apologises_once(say.text, already)
    if text == say.text:
        return say
    marked = apologises_once(say.marked, already) if say.marked else ""
    if marked and markup.plain(marked) != text:  # the markup stands in the apology
        return say
    return replace(say, text=text, marked=marked) if text else None


def _once_more(say: Say) -> Say:
    parts = list(_parted(markup.parse(say.marked) if say.marked else [MarkupPart(say.text)]))
    return replace(say, marked=markup.written(parts)) if any(part.slow for part in parts) else say


def _parted(parts: Iterable[MarkupPart]) -> Iterable[MarkupPart]:
    for part in parts:
        if part.language or not part.text:
            yield part
            continue
        pieces = once_more(part.text)
        for (words, reference), (_, goes_on) in zip(pieces, [*pieces[1:], ("", False)], strict=True):
            yield replace(part, text=words, slow=part.slow or reference)
            if reference and goes_on:
                yield MarkupPart("", pause_ms=BETWEEN_GROUPS_MS)
