"""How much silence ends a turn, judged by what was recognised up to the pause and what the dialog waits for."""

from __future__ import annotations

import re

from voicebot.asr.grammars import MAX_CHARACTERS
from voicebot.asr.recogniser import Transcript
from voicebot.languages.en.days_and_times import MONTHS, TIME_ENDS
from voicebot.languages.en.fillers import FILLERS
from voicebot.languages.en.money import UNITS
from voicebot.languages.en.number_words import CHARACTERS, NUMERIC, ONES, TENS, TWO_DIGITS
from voicebot.languages.en.unfinished_answers import DAYS, MORE_FOLLOWS, YEAR_AT_END
from voicebot.languages.en.yes_no import YES
from voicebot.listening import sentence_end
from voicebot.listening.sentence_end import SentenceEnd, words
from voicebot.listening.turn_timing import TurnTiming
from voicebot.messages import Expect

_YES = frozenset(phrase.split()[0] for phrase in YES)
FASTEST_CHARACTER_S = 0.15
CERTAIN = 0.75
"""The same where a number is awaited: below it a sentence may be a number misheard, of which more will come."""
LENGTH_SURE = 3.0
"""Nats by which a number of digits must be likelier than any other, where the judges read different digits: of 110
numbers that were over 3 were below, of 2 that were heard a digit too long both."""
HASTE = 0.5
"""Share of the pace so far at which the rest of a number may be said at most."""
_COUNTED = ("date", "time", "datetime", "amount")


def is_filler(transcript: Transcript) -> bool:
    """Whether nothing but "um" was said: the caller is still thinking."""
    return not transcript.expected and FILLERS.issuperset(words(transcript.text))


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


def silence_needed(
    transcript: Transcript, expect: Expect, timing: TurnTiming, voiced_s: float = 0.0, paused_s: float = 0.0
) -> float:
    """Seconds of silence after the last voiced window that end a turn.

    Args:
        transcript: of the turn so far.
        voiced_s: seconds of speech in it.
        paused_s: the longest pause after which the caller went on in it, in seconds.
    """
    needed_s = _judged(transcript, expect, timing, voiced_s, paused_s)
    if (
        expect.kind == "free"
        and transcript.end_probability is not None
        and transcript.end_probability < timing.sounds_over
    ):
        needed_s = max(needed_s, timing.may_go_on_s)
    if expect.kind == "free" and voiced_s >= timing.story_from_s:
        needed_s = max(needed_s, timing.story_s)
    if expect.kind == "free" and paused_s >= timing.pause_from_s:
        needed_s = max(needed_s, min(timing.paused * paused_s, timing.unfinished_s))
    return needed_s if expect.end_silence_s is None or needed_s <= timing.complete_s else expect.end_silence_s


def _judged(transcript: Transcript, expect: Expect, timing: TurnTiming, voiced_s: float, paused_s: float) -> float:
    if expect.kind in ("digits", "alnum"):
        return _of_number(transcript, expect, timing, voiced_s, paused_s)
    if expect.also and transcript.partial:  # "no, four seven"
        return timing.digits_missing_s
    if expect.kind != "free" and transcript.expected:
        if expect.kind == "yesno":
            return _of_yesno(transcript, expect, timing)
        if expect.kind == "date":
            return _of_date(transcript, expect, timing)
        if transcript.partial or _goes_on(transcript.expected, expect):
            return timing.unfinished_s
        if _may_go_on(transcript.expected, expect):
            return timing.may_go_on_s
        return timing.free_s
    said = words(transcript.text)
    if not said:
        return timing.no_words_s if voiced_s < timing.noise_s else timing.may_go_on_s
    if expect.kind == "date" and (said[-1] in DAYS or said[-1] in MORE_FOLLOWS):
        return timing.digits_missing_s if expect.year else timing.unfinished_s
    if expect.kind in _COUNTED and said[-1] in MORE_FOLLOWS:
        return timing.unfinished_s
    return _of_sentence(transcript, timing)


def _of_yesno(transcript: Transcript, expect: Expect, timing: TurnTiming) -> float:
    """Yes is over at once; after a no the right value may follow, where one was read back."""
    said = transcript.expected.split()
    if not expect.also or said[0] in _YES:
        return timing.complete_s
    return timing.doubtful_s if said == ["no"] else timing.free_s


def _of_sentence(transcript: Transcript, timing: TurnTiming) -> float:
    return {
        SentenceEnd.OVER: timing.free_s,
        SentenceEnd.DOUBTFUL: timing.doubtful_s,
        SentenceEnd.MAY_GO_ON: timing.may_go_on_s,
        SentenceEnd.OPEN: timing.unfinished_s,
    }[sentence_end.judge(transcript)]


def _of_date(transcript: Transcript, expect: Expect, timing: TurnTiming) -> float:
    """A whole day is over at once; a year that belongs to it is waited for as digits that are missing are."""
    said, year = transcript.expected.split(), YEAR_AT_END.search(transcript.expected)
    missing_s = timing.digits_missing_s if expect.year and year is None else timing.unfinished_s
    if transcript.partial or said[-1] in MORE_FOLLOWS.difference(MONTHS):  # "nineteen seventy" … "five"
        return missing_s
    if year is not None:
        return timing.complete_s
    if not set(MONTHS).intersection(said):  # "next tuesday"; "the fifteenth" … "of march"
        return timing.free_s if said[-1] not in DAYS else missing_s if expect.year else timing.year_may_follow_s
    if expect.year is None:
        return timing.year_may_follow_s
    return missing_s if expect.year else timing.complete_s


def _goes_on(answer: str, expect: Expect) -> bool:
    """Whether an answer, whole as it is, is mostly the beginning of a longer one: "may twenty" … "fifth"."""
    said = answer.split()
    if expect.kind == "time" and len(said) > 1 and said[-1] in TENS:  # "ten thirty" mostly is all
        return False
    return expect.kind in _COUNTED and (said[-1] in MORE_FOLLOWS or (expect.kind == "amount" and said[-1].isdigit()))


def _may_go_on(answer: str, expect: Expect) -> bool:
    """Whether an answer, whole as it is, is now and then the beginning of a longer one: "friday" … "at ten"."""
    said = answer.split()
    if expect.kind == "amount":
        return said[-1] not in UNITS
    if expect.kind == "time":
        return said[-1] not in TIME_ENDS
    if expect.kind == "datetime":
        return not TIME_ENDS.intersection(said) and not any(":" in word for word in said)
    return False


def _of_number(transcript: Transcript, expect: Expect, timing: TurnTiming, voiced_s: float, paused_s: float) -> float:
    if transcript.partial:
        return timing.digits_missing_s
    if not transcript.expected:
        return _of_no_number(transcript, timing, voiced_s)
    longest = max((n for n in expect.lengths if n <= MAX_CHARACTERS), default=MAX_CHARACTERS)
    if expect.lengths and count_characters(transcript.expected) >= longest:
        if not _length_in_doubt(transcript):
            return timing.complete_s
        return min(max(timing.may_go_on_s, timing.paused * paused_s), timing.digits_missing_s)
    return timing.digits_may_follow_s


def _length_in_doubt(transcript: Transcript) -> bool:
    """Whether two judges of digits read different numbers, and another number of digits fits about as well."""
    evidence = transcript.evidence
    return evidence.get("agree") == 0.0 and evidence.get("length", LENGTH_SURE) < LENGTH_SURE


def _of_no_number(transcript: Transcript, timing: TurnTiming, voiced_s: float) -> float:
    """Something else than a number was said, or it was misheard."""
    said = words(transcript.text)
    if not said:
        return timing.no_words_s if voiced_s < timing.noise_s else timing.digits_missing_s
    whole = len(said) >= _SENTENCE and NUMERIC.isdisjoint(said) and not any(map(str.isdigit, said))
    if whole and transcript.confidence >= CERTAIN:
        return _of_sentence(transcript, timing)
    return timing.digits_missing_s


def count_characters(spoken: str) -> int:
    """Characters of a spoken number: `forty two` and `double five` are two."""
    count = 0
    for word in spoken.split():
        count += CHARACTERS.get(word, 1)
        if word in TWO_DIGITS:
            count += 1
    for tens in re.findall(rf"\b(\w+ty) (?:{'|'.join(ONES)})\b", spoken):
        count -= tens in TWO_DIGITS
    return count


_SENTENCE = 4
"""Words of a sentence that does not look like a misheard number."""
