"""Whether somebody who speaks freely has finished, by the words and the punctuation up to the pause."""

from __future__ import annotations

import enum
import re

from voicebot.asr.recogniser import Transcript
from voicebot.languages.en.grammar_words import DIGITS, TO_99

SURE = 0.6
"""Confidence from which the punctuation of a transcript is believed."""
_HANGING = frozenset(
    [
        "a", "about", "actually", "and", "an", "any", "are", "as", "at", "because", "but", "by", "can", "could", "do",
        "er", "for", "from", "have", "he", "hmm", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "it's",
        "its", "just", "like", "mm", "my", "need", "of", "on", "or", "our", "she", "should", "so", "some", "than",
        "that", "that's", "the", "their", "then", "these", "they", "this", "to", "uh", "um", "until", "want", "was",
        "we", "well", "were", "what's", "when", "where", "which", "who", "will", "with", "would", "you", "your",
        "number", "called", "there's", "also", "really", "very", "please can", "not", "am",
    ]
)  # fmt: skip
"""Words that a finished sentence seldom ends in."""
_SELDOM_HANGING = frozenset(
    [
        "about", "actually", "also", "am", "are", "can", "could", "do", "for", "from", "have", "he", "in", "is", "it's",
        "just", "like", "need", "not", "number", "on", "really", "she", "should", "so", "that", "that's", "these",
        "they", "this", "very", "want", "was", "we", "were", "when", "where", "will", "would", "you",
    ]
)  # fmt: skip
"""Those of them that many a sentence ends in all the same: a full stop after one is half believed."""
_OPEN_END = (",", "-", "—", "…", "...", ":")
_ALONE = frozenset(["hi", "hello", "okay", "ok", "yes", "yeah", "sure", "no", "hey", "right", "alright"])
"""Said alone, these often begin a longer turn."""
_CONDITIONS = frozenset(["if", "unless", "although", "though", "whenever", "while", "when", "once", "until", "since"])
"""A clause that begins with one of these says under what condition; what for, the next one says."""
_SUBJECTS = frozenset(
    ["i", "i'd", "i'll", "i'm", "i've", "you", "he", "she", "it", "it's", "we", "they", "there", "that's"]
)
_ASKING = frozenset(
    ["can", "could", "will", "would", "do", "does", "did", "is", "are", "am", "was", "were", "should", "may", "have",
     "has", "what", "what's", "how", "where", "who", "why", "please"]
)  # fmt: skip
_LEAST_CLAUSE = 2
"""Words after a comma that may be a main clause."""
_NUMBERS = frozenset(["oh", "hundred", "thousand", "double", "triple", *DIGITS, *TO_99])
_LAST_ITEM = ("and", "or", "please", "thanks", "thank")


class SentenceEnd(enum.Enum):
    """How much like an end it reads."""

    OVER = "over"
    DOUBTFUL = "doubtful"
    """It may be, but the punctuation does not say so, or is not believed."""
    MAY_GO_ON = "may go on"
    """A whole that is now and then the beginning of more: a greeting, a number of unknown length, a list."""
    OPEN = "open"
    """The sentence needs more words."""


def words(text: str) -> list[str]:
    """Lower case words of a transcript."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("-", " "))


def judge(transcript: Transcript) -> SentenceEnd:
    """How the free recognition of a turn so far ends."""
    text = transcript.text.rstrip()
    said = words(text)
    sure = text.endswith((".", "?", "!")) and transcript.confidence >= SURE
    if not said or said[-1] in _HANGING or text.endswith(_OPEN_END):
        weak = sure and len(said) > 2 and said[-1] in _SELDOM_HANGING
        return SentenceEnd.MAY_GO_ON if weak else SentenceEnd.OPEN
    sentence = _last_sentence(text)
    if _only_a_condition(sentence):
        return SentenceEnd.OPEN
    if " ".join(said) in _ALONE or _counts(said) or _lists(sentence):
        return SentenceEnd.MAY_GO_ON
    return SentenceEnd.OVER if sure else SentenceEnd.DOUBTFUL


def _last_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s+", text)[-1]


def _only_a_condition(sentence: str) -> bool:
    """Whether a sentence is a clause like "unless it is here by noon" without the one that it belongs to."""
    said = words(sentence)
    if not said or said[0] not in _CONDITIONS or sentence.endswith("?"):
        return False
    if len(said) > 1 and said[1] in _ASKING:  # "when will it be here"
        return False
    main = words(sentence.partition(",")[2])
    if len(main) >= _LEAST_CLAUSE:
        return False
    return len(_SUBJECTS.intersection(said)) < 2 and _ASKING.isdisjoint(w for w in said[3:] if w not in _STATED)


_STATED = frozenset(["is", "are", "was", "were", "have", "has", "do", "does", "did"])
"""Verbs of the condition itself as much as of a question."""


def _counts(said: list[str]) -> bool:
    """Whether it ends in a number said figure by figure, of which nobody knows the length."""
    return len(said) > 1 and all(word in _NUMBERS or word.isdigit() for word in said[-2:])


def _lists(sentence: str) -> bool:
    """Whether a list of counted things ends without the "and" that lists end with: "ten of clubs, four of hearts"."""
    items = [words(item) for item in sentence.split(",")]
    counted = all(any(word in _NUMBERS or word.isdigit() for word in item) for item in items)
    return len(items) > 1 and counted and items[-1][0] not in _LAST_ITEM
