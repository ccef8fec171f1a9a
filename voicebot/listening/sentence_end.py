"""Whether somebody who speaks freely has finished, by the words and the punctuation up to the pause."""

from __future__ import annotations

import enum
import re

from voicebot.asr.recogniser import Transcript
from voicebot.languages.en import sentence_ends
from voicebot.languages.en.number_words import COUNTING

SURE = 0.6
"""Confidence from which the punctuation of a transcript is believed."""
_OPEN_END = (",", "-", "—", "…", "...", ":")
_LEAST_CLAUSE = 2
"""Words after a comma that may be a main clause."""


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
    if not said or said[-1] in sentence_ends.HANGING or text.endswith(_OPEN_END):
        weak = sure and len(said) > 2 and said[-1] in sentence_ends.SELDOM_HANGING
        return SentenceEnd.MAY_GO_ON if weak else SentenceEnd.OPEN
    sentence = _last_sentence(text)
    if _only_a_condition(sentence):
        return SentenceEnd.OPEN
    if " ".join(said) in sentence_ends.ALONE or _counts(said) or _lists(sentence):
        return SentenceEnd.MAY_GO_ON
    return SentenceEnd.OVER if sure else SentenceEnd.DOUBTFUL


def _last_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s+", text)[-1]


def _only_a_condition(sentence: str) -> bool:
    """Whether a sentence is a clause like "unless it is here by noon" without the one that it belongs to."""
    said = words(sentence)
    if not said or said[0] not in sentence_ends.CONDITIONS or sentence.endswith("?"):
        return False
    if len(said) > 1 and said[1] in sentence_ends.ASKING:  # "when will it be here"
        return False
    main = words(sentence.partition(",")[2])
    if len(main) >= _LEAST_CLAUSE:
        return False
    return len(sentence_ends.SUBJECTS.intersection(said)) < 2 and sentence_ends.ASKING.isdisjoint(
        w for w in said[3:] if w not in sentence_ends.STATED
    )


def _counts(said: list[str]) -> bool:
    """Whether it ends in a number said figure by figure, of which nobody knows the length."""
    return len(said) > 1 and all(word in COUNTING or word.isdigit() for word in said[-2:])


def _lists(sentence: str) -> bool:
    """Whether a list of counted things ends without the "and" that lists end with: "ten of clubs, four of hearts"."""
    items = [words(item) for item in sentence.split(",")]
    counted = all(any(word in COUNTING or word.isdigit() for word in item) for item in items)
    return len(items) > 1 and counted and items[-1][0] not in sentence_ends.LAST_ITEM
