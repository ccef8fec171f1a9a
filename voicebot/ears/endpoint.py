"""How much silence ends a turn, judged by what was recognised up to the pause and what the dialog waits for."""

from __future__ import annotations

import re

from voicebot.ears.asr.engine import Transcript
from voicebot.ears.grammars import MAX_CHARACTERS
from voicebot.ears.turn import Timing
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
_OPEN_END = (",", "-", "—", "…", "...", ":")
_ALONE = frozenset(["hi", "hello", "okay", "ok", "yes", "yeah", "sure", "no", "hey", "right", "alright"])
"""Said alone, these often begin a longer turn."""
BACKCHANNELS = frozenset(
    [
        "mhm", "mm", "mm hmm", "mmhmm", "hmm", "hm", "uh huh", "uh", "um", "ah", "oh", "er", "okay", "ok", "right",
        "yeah", "i see", "huh", "aha", "ooh", "mm mm", "alright",
    ]
)  # fmt: skip
"""What listeners say to show that they listen. It does not stop a prompt, unless it answers yes or no."""


def words(text: str) -> list[str]:
    """Lower case words of a transcript."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("-", " "))


def is_backchannel(transcript: Transcript, expect: Expect) -> bool:
    """Whether the caller only shows that he listens."""
    if expect.kind != "free" and transcript.expected:
        return False
    return " ".join(words(transcript.text)) in BACKCHANNELS


def silence_needed(transcript: Transcript, expect: Expect, timing: Timing) -> float:
    """Seconds of silence after the last voiced window that end a turn with this transcript."""
    if expect.kind in ("digits", "alnum"):
        return _of_number(transcript, expect, timing)
    if expect.kind != "free" and transcript.expected and not transcript.partial:
        hanging = expect.kind != "yesno" and _hangs(transcript.text)
        return timing.unfinished_s if hanging else timing.complete_s
    if not transcript.text:
        return timing.nothing_s
    return timing.unfinished_s if _hangs(transcript.text) else timing.free_s


def _of_number(transcript: Transcript, expect: Expect, timing: Timing) -> float:
    if transcript.partial:
        return timing.digits_missing_s
    if not transcript.expected:
        return timing.unfinished_s if transcript.text else timing.nothing_s
    longest = max((n for n in expect.lengths if n <= MAX_CHARACTERS), default=MAX_CHARACTERS)
    if expect.lengths and count_characters(transcript.expected) >= longest:
        return timing.complete_s
    return timing.digits_may_follow_s


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


_TWO_DIGITS = frozenset(
    [
        "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ]
)  # fmt: skip


def _hangs(text: str) -> bool:
    said = words(text)
    return not said or said[-1] in _HANGING or text.rstrip().endswith(_OPEN_END) or " ".join(said) in _ALONE
