"""How much silence ends a turn, judged by what was recognised up to the pause and what the dialog waits for."""

from __future__ import annotations

import re

from voicebot.ears.asr.engine import Transcript
from voicebot.ears.grammars import MAX_CHARACTERS
from voicebot.ears.timing import Timing
from voicebot.ears.words import DIGITS, MONTHS, TENS, TO_99, YES
from voicebot.events import Expect

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
_YES = frozenset(phrase.split()[0] for phrase in YES)
_OPEN_END = (",", "-", "—", "…", "...", ":")
_ALONE = frozenset(["hi", "hello", "okay", "ok", "yes", "yeah", "sure", "no", "hey", "right", "alright"])
"""Said alone, these often begin a longer turn."""
FASTEST_CHARACTER_S = 0.15
SURE = 0.6
"""Confidence from which the punctuation of a transcript is believed."""
CERTAIN = 0.75
"""The same where a number is awaited: below it a sentence may be a number misheard, of which more will come."""
CLOSE_LEAD = 4.5
"""Nats by which a shorter number may be likelier than one of the right length and the turn still end early: of 68
pauses before the last digit of a dictated number 1 was below."""
HASTE = 0.5
"""Share of the pace so far at which the rest of a number may be said at most."""
_COUNTED = ("date", "time", "datetime", "amount")
_DAY_ENDS = ("st", "nd", "rd", "th", "first", "second", "third")
_MORE_FOLLOWS = frozenset([*TENS, *MONTHS, "hundred", "thousand", "and", "oh", "nineteen", "in", "of"])
_UNITS = frozenset(["dollars", "dollar", "bucks", "euros", "euro", "pounds", "cents", "cent", "percent"])
_TIME_ENDS = frozenset(
    ["am", "pm", "a.m", "p.m", "m", "morning", "afternoon", "evening", "night", "o'clock", "noon", "midnight", "midday"]
)
FILLERS = frozenset(["uh", "um", "er", "hmm", "hm", "mm", "ah"])
BACKCHANNELS = frozenset(
    [
        "mhm", "mm", "mm hmm", "mmhmm", "hmm", "hm", "uh huh", "uh", "um", "ah", "oh", "er", "okay", "ok", "right",
        "yeah", "yes", "yep", "sure", "i see", "huh", "aha", "ooh", "mm mm", "alright", "please", "thanks", "thank you",
    ]
)  # fmt: skip
"""What listeners say to show that they listen. It does not stop a prompt, unless it answers yes or no."""


def words(text: str) -> list[str]:
    """Lower case words of a transcript."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("-", " "))


def is_filler(transcript: Transcript) -> bool:
    """Whether nothing but "um" was said: the caller is still thinking."""
    return not transcript.expected and FILLERS.issuperset(words(transcript.text))


def is_backchannel(transcript: Transcript, expect: Expect) -> bool:
    """Whether the caller only shows that he listens."""
    if expect.kind != "free" and transcript.expected:
        return False
    return " ".join(words(transcript.text)) in BACKCHANNELS


def least_voiced_s(expect: Expect) -> float:
    """Seconds of speech under which an answer cannot be complete: recognising before them is work for nothing."""
    if expect.kind not in ("digits", "alnum"):
        return 0.0
    return FASTEST_CHARACTER_S * min(expect.lengths, default=1)


def least_more_s(transcript: Transcript, expect: Expect, voiced_s: float) -> float:
    """Seconds of speech that must follow until a number can be complete of which `voiced_s` were heard."""
    if expect.kind not in ("digits", "alnum") or not transcript.partial or transcript.expected:
        return 0.0
    said = count_characters(transcript.begun)
    missing = min(expect.lengths, default=1) - said
    pace_s = HASTE * voiced_s / said if said else FASTEST_CHARACTER_S
    return max(0.0, pace_s * missing)


def silence_needed(transcript: Transcript, expect: Expect, timing: Timing, voiced_s: float = 0.0) -> float:
    """Seconds of silence after the last voiced window that end a turn with this transcript and so much speech."""
    needed_s = _judged(transcript, expect, timing)
    if expect.kind == "free" and voiced_s >= timing.story_from_s:
        needed_s = max(needed_s, timing.story_s)
    return needed_s if expect.end_silence_s is None or needed_s <= timing.complete_s else expect.end_silence_s


def _judged(transcript: Transcript, expect: Expect, timing: Timing) -> float:
    if expect.kind in ("digits", "alnum"):
        return _of_number(transcript, expect, timing)
    if expect.also and transcript.partial:  # "no, four seven"
        return timing.digits_missing_s
    if expect.kind != "free" and transcript.expected:
        if expect.kind == "yesno":
            return _of_yesno(transcript, expect, timing)
        if transcript.partial or _goes_on(transcript.expected, expect):
            return timing.unfinished_s
        if _may_go_on(transcript.expected, expect):
            return timing.perhaps_s
        year_may_follow = expect.kind == "date" and transcript.expected.endswith(_DAY_ENDS)
        return timing.year_may_follow_s if year_may_follow else timing.free_s
    if not transcript.text:
        return timing.nothing_s
    if expect.kind in _COUNTED and words(transcript.text)[-1] in _MORE_FOLLOWS:
        return timing.unfinished_s
    return _of_sentence(transcript, timing)


def _of_yesno(transcript: Transcript, expect: Expect, timing: Timing) -> float:
    """Yes is over at once; after a no the right value may follow, where one was read back."""
    said = transcript.expected.split()
    if not expect.also or said[0] in _YES:
        return timing.complete_s
    return timing.doubtful_s if said == ["no"] else timing.free_s


def _of_sentence(transcript: Transcript, timing: Timing) -> float:
    said = words(transcript.text)
    sure = _sure(transcript)
    if not said or said[-1] in _HANGING or transcript.text.rstrip().endswith(_OPEN_END):
        weak = sure and len(said) > 2 and said[-1] in _SELDOM_HANGING
        return timing.perhaps_s if weak else timing.unfinished_s
    if " ".join(said) in _ALONE:
        return timing.perhaps_s
    return timing.free_s if sure else timing.doubtful_s


def _sure(transcript: Transcript) -> bool:
    """Whether the punctuation says that a sentence is over, and is believed."""
    return transcript.text.endswith((".", "?", "!")) and transcript.confidence >= SURE


def _goes_on(answer: str, expect: Expect) -> bool:
    """Whether an answer, whole as it is, is mostly the beginning of a longer one: "may twenty" … "fifth"."""
    last = answer.split()[-1]
    return expect.kind in _COUNTED and (last in _MORE_FOLLOWS or (last.isdigit() and expect.kind in ("amount", "time")))


def _may_go_on(answer: str, expect: Expect) -> bool:
    """Whether an answer, whole as it is, is now and then the beginning of a longer one: "friday" … "at ten"."""
    said = answer.split()
    if expect.kind == "amount":
        return said[-1] not in _UNITS
    if expect.kind == "time":
        return said[-1] not in _TIME_ENDS
    if expect.kind == "datetime":
        return not _TIME_ENDS.intersection(said) and not any(":" in word for word in said)
    return False


def _of_number(transcript: Transcript, expect: Expect, timing: Timing) -> float:
    if transcript.partial:
        close = expect.kind == "digits" and bool(transcript.expected) and transcript.lead < CLOSE_LEAD
        return timing.perhaps_s if close else timing.digits_missing_s
    if not transcript.expected:
        return _of_no_number(transcript, timing)
    longest = max((n for n in expect.lengths if n <= MAX_CHARACTERS), default=MAX_CHARACTERS)
    if expect.lengths and count_characters(transcript.expected) >= longest:
        return timing.complete_s
    return timing.digits_may_follow_s


def _of_no_number(transcript: Transcript, timing: Timing) -> float:
    """Something else than a number was said, or it was misheard."""
    said = words(transcript.text)
    if not said:
        return timing.nothing_s
    sentence = len(said) >= _SENTENCE and _NUMERIC.isdisjoint(said) and not any(map(str.isdigit, said))
    if sentence and transcript.confidence >= CERTAIN:
        return _of_sentence(transcript, timing)
    return timing.digits_missing_s


def count_characters(spoken: str) -> int:
    """Characters of a spoken number: `forty two` and `double five` are two."""
    count = 0
    for word in spoken.split():
        count += {"double": 1, "triple": 2, "hundred": 2, "thousand": 3}.get(word, 1)
        if word in _TWO_DIGITS:
            count += 1
    for tens in re.findall(r"\b(\w+ty) (?:one|two|three|four|five|six|seven|eight|nine)\b", spoken):
        count -= tens in _TWO_DIGITS
    return count


_SENTENCE = 4
"""Words of a sentence that does not look like a misheard number."""
_NUMERIC = frozenset(["oh", "o", "double", "triple", "hundred", "thousand", *DIGITS, *TO_99[9:]])
_TWO_DIGITS = frozenset(word for word in TO_99[9:] if " " not in word)
