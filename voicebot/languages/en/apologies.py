"""Apologies in prompts, and the same words without them."""

from __future__ import annotations

import re

_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_APOLOGY = (
    r"(?:(?:I'm|I am|We're|We are)\s+(?:(?:very|so|really|terribly)\s+)*sorry|(?:(?:so|very)\s+)?sorry"
    r"|(?:my|our)\s+(?:sincere\s+)?apologies|(?:I|we)\s+(?:do\s+)?apologi[sz]e)\b"
)
_AT_THE_BEGINNING = re.compile(rf"(?:(?:oh|ah|well),?\s+)?{_APOLOGY}", re.I)
_AT_THE_END = re.compile(rf",?\s+{_APOLOGY}(?=[.!?]*$)", re.I)
_FOR_WHAT = re.compile(r"\s+(?:about|for|to|if)\b[^,;:]*[,;:]?\s*", re.I)
"""What is apologised for, and said nowhere else: "for the wait", "to hear that"."""
_JOINT = re.compile(r"\s*[,;:–—-]*\s*(?:(?:but|that)\b\s*)?", re.I)


def apologises(text: str) -> bool:
    """Whether it holds an apology at the beginning or the end of a sentence."""
    return any(map(_has_one, _SENTENCES.split(text)))


def apologises_once(text: str, already: bool) -> str:
    """The text with its first apology only, or, where there was one `already`, without any; may be empty."""
    kept: list[str] = []
    for sentence in _SENTENCES.split(text):
        if not _has_one(sentence):
            kept.append(sentence)
        elif not already:
            already = True
            kept.append(sentence)
        elif rest := _without(sentence):
            kept.append(rest)
    return " ".join(kept)


def _has_one(sentence: str) -> bool:
    return bool(_AT_THE_BEGINNING.match(sentence) or _AT_THE_END.search(sentence))


def _without(sentence: str) -> str:
    """ "I'm sorry, it is late." → "It is late."; a sentence that is nothing else becomes empty."""
    rest = sentence
    begun = _AT_THE_BEGINNING.match(rest)
    if begun is not None:
        rest = rest[begun.end() :]
        joint = _FOR_WHAT.match(rest) or _JOINT.match(rest)
        rest = rest[joint.end() :] if joint is not None else rest
    rest = _AT_THE_END.sub("", rest)
    return rest[:1].upper() + rest[1:] if any(map(str.isalnum, rest)) else ""
