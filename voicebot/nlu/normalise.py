"""Written examples and recognised speech brought to one form before they are compared."""

from __future__ import annotations

import re
import unicodedata

from voicebot.nlu.slots.tokens import TEENS, TENS, UNITS

_CONTRACTED = {
    "won't": "will not", "can't": "can not", "cannot": "can not", "let's": "let us", "y'all": "you all",
    "gonna": "going to",
    "wanna": "want to", "gotta": "have to", "i'd": "i would", "what's": "what is", "where's": "where is",
    "who's": "who is",
    "how's": "how is", "it's": "it is", "that's": "that is", "there's": "there is", "here's": "here is",
    "he's": "he is", "she's": "she is",
}  # fmt: skip
_ENDINGS = (("n't", " not"), ("'re", " are"), ("'ve", " have"), ("'ll", " will"), ("'m", " am"), ("'d", " would"))
_FILLERS = {"uh", "um", "er", "erm", "ah", "hmm", "mm", "eh"}
_NUMBER = set(UNITS) | set(TEENS) | set(TENS) | {"hundred", "thousand", "oh"}
_LONG = 3
"""From this many digit words in a row on they are a number to look up, whose digits tell nothing about the wish."""


def normal(text: str) -> str:
    """Lower case without punctuation, contractions and fillers; runs of digits become ``number``."""
    text = unicodedata.normalize("NFKC", text[:600]).lower().replace("’", "'")
    text = re.sub(r"[$£€]\s?(\d[\d,.]*)", r"\1 dollars", text)
    text = re.sub(r"\b(\w)-(\w)", r"\1 \2", text)
    words: list[str] = []
    for word in re.findall(r"[a-z]+(?:'[a-z]+)?|\d[\d,.:/-]*", text):
        words += _expand(word).split()
    return " ".join(_numbers([w for w in words if w not in _FILLERS])) or "nothing"


def _expand(word: str) -> str:
    if word in _CONTRACTED:
        return _CONTRACTED[word]
    for ending, full in _ENDINGS:
        if word.endswith(ending):
            return word.removesuffix(ending) + full
    return word.removesuffix("'s").replace("'", "")


def _numbers(words: list[str]) -> list[str]:
    out: list[str] = []
    run: list[str] = []
    for word in [*words, ""]:
        if word in _NUMBER or word[:1].isdigit():
            run.append(word)
            continue
        if run:
            digits = sum(sum(c.isdigit() for c in w) or 1 for w in run)
            out += ["number"] if digits >= _LONG else run
            run = []
        if word:
            out.append(word)
    return out
