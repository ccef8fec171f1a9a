"""What callers say in ``voicebot bench turns``: recordings with their own pauses, and what is built from them.

``dictation`` joins single digits of one speaker into groups with pauses of `PAUSES_S` between: a number of a known
length (``dictation``), one whose first groups would already be a number (``dictation-open``), and that shorter number
itself (``dictation-short``). ``story`` joins whole sentences of one speaker; ``story-asked`` are those after a prompt
that asks for one.

``date`` knows what a dialog does: whoever says a year was asked for his birthday, whoever says none for a day of the
coming year. ``date-unknown`` are the same recordings where the dialog knows nothing.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.asr.line_conditions import LEAD_S, LineConditions, Recording, load, received
from voicebot.bench.asr.tasks import tasks
from voicebot.bench.turns.ground_truth import TWO_TURNS_S, Spurt, spoken, turns_of
from voicebot.messages import Expect

PATIENCE_S = 3.0
"""Line after each recording; a turn that is not over by then is missed."""
PAUSES_S = (0.35, 0.6, 0.9, 1.2)
"""Between two groups of digits."""
GAPS_S = (0.05, 0.2)
"""Least and most between two digits of a group."""
STORY_PAUSES_S = (0.2, 0.4)
NUMBERS = 4
"""Of each kind and speaker."""
_GROUPS = ((3, 3), (3, 3, 4), (2, 2), (4, 4, 4, 4))
_OPEN = ((4, (4, 6), (4, 2)), (10, (10, 11), (3, 3, 4, 1)))
"""Possible length that is reached on the way, all lengths, groups."""
STORY_ASKED, ASKED_S = "story-asked", 0.9
"""A prompt that asks what happened, with `end_silence_s` in its `listen`."""
BUILT = ("dictation", "dictation-open", "dictation-short", "story", STORY_ASKED)
DATE_UNKNOWN = "date-unknown"
_DICTATED = "digit"
_YEAR = re.compile(
    r"\b(nineteen|twenty) (\w+teen|\w+ty)\b|\b(two thousand|nineteen (hundred|oh)|twenty (oh|ten|twelve))\b"
)
"""A year at the end of a day in words: "twenty seventh" is none."""
_TOLD = ("sentence", "long", "request", "coffee")


@dataclass(frozen=True, slots=True)
class TurnCase:
    """One turn of a caller."""

    name: str
    task: str
    speaker: str
    expect: Expect
    pcm: Pcm
    """As a leg hands it over: 8000 Hz, through µ-law, the line alone around it."""
    turns: tuple[Spurt, ...]
    """Begin and end of the voice of each turn in it, in seconds; mostly one."""

    @property
    def first_s(self) -> float:
        """Where the voice begins."""
        return self.turns[0][0]

    @property
    def last_s(self) -> float:
        """Where it ends."""
        return self.turns[-1][1]


def case(name: str, task: str, speaker: str, expect: Expect, said: Pcm, line: LineConditions) -> TurnCase:
    """`said` over a line, and `PATIENCE_S` more of that. Raises ValueError: there is no voice in it."""
    turns = turns_of(spoken(said), TWO_TURNS_S if expect.kind == "free" else math.inf)
    waited = np.concatenate([said, np.zeros(round(PATIENCE_S * RATE_HZ), np.int16)])
    heard = received(waited, line, zlib.crc32(name.encode()))
    return TurnCase(name, task, speaker, expect, heard, tuple((LEAD_S + a, LEAD_S + b) for a, b in turns))


def recorded(
    folder: Path, everything: Sequence[Recording], chosen: Sequence[Recording], line: LineConditions
) -> list[TurnCase]:
    """Recordings as they are, over `line`. Raises VoicebotError: one cannot be read."""
    known = tasks(everything)
    found = []
    for recording in chosen:
        if recording.task in known:
            expect = known[recording.task].expect(recording)
            said = load(folder / recording.path)
            name, task, speaker = recording.path, recording.task, recording.speaker
            if task == "date":
                found.append(case(f"{name} year unknown", DATE_UNKNOWN, speaker, expect, said, line))
                expect = replace(expect, year=_YEAR.search(recording.transcript) is not None)
            found.append(case(name, task, speaker, expect, said, line))
    return found


def built(
    folder: Path, everything: Sequence[Recording], speakers: Sequence[str], line: LineConditions, numbers: int = NUMBERS
) -> list[TurnCase]:
    """Dictated numbers and stories, of `speakers` or of all, over `line`.

    Raises:
        VoicebotError: a recording cannot be read.
    """
    found = []
    for speaker in dict.fromkeys(r.speaker for r in everything if not speakers or r.speaker in speakers):
        own = [r for r in everything if r.speaker == speaker]
        digits = [load(folder / r.path) for r in own if r.task == _DICTATED]
        if len(digits) >= 10:
            found += _dictated(speaker, [_bare(d) for d in digits], numbers, line)
        told = [_bare(load(folder / r.path)) for r in own if r.task in _TOLD]
        if len(told) >= 2:
            chance = _chance(f"story {speaker}")
            said = _joined(told[:5], [float(chance.uniform(*STORY_PAUSES_S)) for _ in told[1:5]])
            found.append(case(f"story {speaker}", "story", speaker, Expect(), said, line))
            asked = Expect(end_silence_s=ASKED_S)
            found.append(case(f"story asked {speaker}", STORY_ASKED, speaker, asked, said, line))
    return found


def _dictated(speaker: str, digits: list[Pcm], numbers: int, line: LineConditions) -> list[TurnCase]:
    found = []
    for i in range(numbers):
        groups, pause_s = _GROUPS[i % len(_GROUPS)], PAUSES_S[(i + i // len(_GROUPS)) % len(PAUSES_S)]
        name = f"dictation {speaker} {i}"
        said = _number(_chance(name), digits, groups, pause_s)
        found.append(case(name, "dictation", speaker, Expect("digits", (sum(groups),)), said, line))
        short, lengths, more = _OPEN[i % len(_OPEN)]
        name = f"dictation-open {speaker} {i}"
        said = _number(_chance(name), digits, more, pause_s)
        found.append(case(name, "dictation-open", speaker, Expect("digits", lengths), said, line))
        name = f"dictation-short {speaker} {i}"
        said = _number(_chance(name), digits, (short,), pause_s)
        found.append(case(name, "dictation-short", speaker, Expect("digits", lengths), said, line))
    return found


def _number(chance: np.random.Generator, digits: list[Pcm], groups: Sequence[int], pause_s: float) -> Pcm:
    """So many digits a group, any of the speaker's, with `pause_s` between groups."""
    spoken = [digits[i] for i in chance.integers(len(digits), size=sum(groups))]
    ends = set(np.cumsum(groups).tolist())
    pauses = [pause_s if i in ends else float(chance.uniform(*GAPS_S)) for i in range(1, len(spoken))]
    return _joined(spoken, pauses)


def _joined(parts: Sequence[Pcm], pauses_s: Sequence[float]) -> Pcm:
    silences = [np.zeros(round(s * RATE_HZ), np.int16) for s in (*pauses_s, 0.0)]
    return np.concatenate([piece for pair in zip(parts, silences, strict=True) for piece in pair])


def _bare(pcm: Pcm) -> Pcm:
    """Without the silence around the voice."""
    spurts = spoken(pcm)
    first_s, last_s = spurts[0][0], spurts[-1][1]
    return pcm[round(first_s * RATE_HZ) : round(last_s * RATE_HZ)]


def _chance(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
