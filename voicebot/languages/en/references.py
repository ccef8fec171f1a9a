"""How a reference is said once more to somebody who asked for it: group by group, letters with words."""

from __future__ import annotations

import re

from voicebot.languages.en import numbers_to_words as say
from voicebot.languages.en.normalise import references

_SPACED = re.compile(r"(?<=\b\w)[ ,-]+(?=\w\b)")
"""Between single letters and digits."""


def once_more(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is a part of a reference.

    "It's KD47." → ``("It's", False), ("K as in Kilo", True), ("D as in Delta", True), ("four seven.", True)``
    """
    pieces: list[tuple[str, bool]] = []
    at = 0
    for begin, end in references(text):
        pieces.append((text[at:begin], False))
        code = _SPACED.sub("", text[begin:end])
        pieces += [(group, True) for group in say.spell(code, nato=True).split(", ")]
        while end < len(text) and not (text[end].isalnum() or text[end].isspace()):
            pieces[-1] = (pieces[-1][0] + text[end], True)
            end += 1
        at = end
    pieces.append((text[at:], False))
    return [(words.strip(), part) for words, part in pieces if words.strip()]
