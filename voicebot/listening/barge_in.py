"""Who may stop a prompt: judged by windows while a sound over it goes on, and by its words. Without I/O.

Silero is sure of speech (0.99) and less so of music, coughs and noise (0.8); somebody else in the room is fainter than
the caller was in his earlier turns. Of words, short ones count only when they are what the dialog listens for or surely
understood: "mhm" is written as anything.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Collection

from voicebot.asr.recogniser import Transcript
from voicebot.languages.en.backchannels import BACKCHANNEL_PHRASES, BACKCHANNELS, COMMON, OBJECTIONS
from voicebot.listening.sentence_end import words
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import RATE_HZ, WINDOW, WINDOW_S
from voicebot.messages import Expect

SHORT_S = 0.7
"""Speech shorter than this may be a listener's "mhm" whatever recognition makes of it."""
BELIEVED = 0.9
"""Confidence from which words are believed of short speech, and of a sound that hardly seemed to be speech."""
ANSWER_BELIEVED = 0.6
"""The same of a short answer inside the grammar."""
CLOSE = 3.0
"""Nats by which an answer inside the grammar may be less likely than a free reading that only shows that somebody
listens, and the beginning of one than any free reading. Of 74 short answers 70 were within it; of "yeah", "okay" and
the like heard as digits none."""
SILENT_DB = -120.0
_REMEMBERED = 32


class BargeInVerdict(enum.Enum):
    UNCHANGED = "unchanged"
    NOT_SPEECH = "not speech"
    """What stopped the prompt is hardly speech: the prompt may go on."""
    SPEECH = "speech"
    """What was doubted is speech after all: the prompt is stopped again."""


class BargeInDetector:
    """Whether the turn under way may stop the prompt. One a call."""

    def __init__(self, timing: TurnTiming) -> None:
        self.timing = timing
        self.prompt = False
        """A prompt plays."""
        self.interruptible = True
        """It is one that may be interrupted."""
        self.false_alarms = 0
        """False alarms over prompts since the caller's last turn."""
        self.caller_db: float | None = None
        """Level of the caller's earlier turns, in dB below full scale; None before the first."""
        self._heard: deque[tuple[float, float]] = deque([(0.0, SILENT_DB)], maxlen=_REMEMBERED)
        """Probability and level of the last windows."""
        self.clear()

    def clear(self) -> None:
        """No turn is under way, or a new one begins."""
        self.over_prompt = False
        """The turn under way began over a prompt."""
        self.interrupted = False
        """It stopped that prompt."""
        self._doubted = False
        self._judged = 0
        self._voiced = self._counted = 0
        self._sure = self._power = self._peak = 0.0
        self._run: deque[float] = deque(maxlen=round(self.timing.peak_s / WINDOW_S))
        """Probabilities of the turn's last windows, silent ones too."""

    def prompt_started(self, interruptible: bool) -> None:
        """A prompt plays from now on."""
        self.prompt, self.interruptible = True, interruptible

    def prompt_ended(self) -> None:
        """No prompt plays any more."""
        self.prompt = False

    def window(self, probability: float, level_db: float) -> None:
        """One more window, whatever is in it: its probability of speech and level (RMS, in dB below full scale)."""
        self._heard.append((probability, level_db))
        self._run.append(probability)
        if len(self._run) == self._run.maxlen:
            self._peak = max(self._peak, _mean(self._run))

    def count_voiced(self) -> None:
        """The last window belongs to the voice of the turn under way."""
        probability, level_db = self._heard[-1]
        self._voiced += WINDOW
        self._counted += WINDOW
        self._sure += probability
        self._power += 10 ** (level_db / 10)

    def may_begin(self) -> bool:
        """Whether a turn begins with the last windows: over a prompt, whether they are surely speech, the caller's."""
        timing = self.timing
        if self._voiced < _samples(self.least_s):
            return False
        if not self.prompt:
            return True
        last = self._last(timing.start_over_prompt_s)
        sure = (
            _mean([p for p, _ in last])
            >= timing.sure_start + min(self.false_alarms, timing.max_false_alarms) * timing.alarm_step
        )
        return sure and not self._is_bystander([db for _, db in last])

    def begin(self) -> None:
        """A turn begins; over a prompt it stops that where it may be interrupted."""
        self._count_from(self._last(self.timing.start_over_prompt_s if self.prompt else self.timing.start_s))
        self.over_prompt = self.prompt
        self.interrupted = self.stops

    @property
    def least_s(self) -> float:
        """Speech that makes a turn, in seconds; each false alarm over a prompt asks for more."""
        timing = self.timing
        return (
            timing.start_over_prompt_s * (1 + min(self.false_alarms, timing.max_false_alarms))
            if self.prompt
            else timing.start_s
        )

    @property
    def stops(self) -> bool:
        """Speech now stops what plays."""
        return self.prompt and self.interruptible

    def judge(self) -> BargeInVerdict:
        """Over a prompt, once a voiced window: whether somebody speaks at all."""
        if not self.interrupted:
            return BargeInVerdict.UNCHANGED
        if self._doubted:
            return self._judge_again()
        if self._counted < _samples(self.timing.judge_after_s + self._judged * self.timing.judge_every_s):
            return BargeInVerdict.UNCHANGED
        self._judged += 1
        self._doubted = self._sureness < self.timing.speech_from or self._is_bystander([self.level_db])
        self.false_alarms += self._doubted
        return BargeInVerdict.NOT_SPEECH if self._doubted else BargeInVerdict.UNCHANGED

    def _judge_again(self) -> BargeInVerdict:
        last = self._last(self.timing.speech_again_s)
        if _mean([p for p, _ in last]) < self.timing.speech_again or self._is_bystander(
            [_mean([db for _, db in last])]
        ):
            return BargeInVerdict.UNCHANGED
        self._doubted = False
        self._count_from(last)
        return BargeInVerdict.SPEECH

    @property
    def doubted(self) -> bool:
        """What began over the prompt hardly seems to be speech."""
        return self._doubted or (self.interrupted and self._sureness < self.timing.speech_from)

    @property
    def level_db(self) -> float:
        """Of the turn's voiced windows (RMS), in dB below full scale."""
        return 10 * math.log10(self._power * WINDOW / max(WINDOW, self._counted) + 1e-12)

    @property
    def peak_probability(self) -> float:
        """Mean probability of the surest `TurnTiming.peak_s` in a row of the turn."""
        return self._peak or self._sure * WINDOW / max(WINDOW, self._counted)

    def learn_level(self, level_db: float) -> None:
        """The caller's turn was heard at this level: what was a false alarm before counts no more."""
        self.false_alarms = 0
        self.caller_db = level_db if self.caller_db is None else (self.caller_db + level_db) / 2

    @property
    def _sureness(self) -> float:
        weight, mean = self.timing.peak_weight, self._sure * WINDOW / max(WINDOW, self._counted)
        return weight * (self._peak or mean) + (1 - weight) * mean

    def _count_from(self, windows: Collection[tuple[float, float]]) -> None:
        """What came before these windows does not count for or against whoever speaks now."""
        self._run.clear()
        self._run.extend(p for p, _ in windows)
        self._peak = 0.0
        self._sure = sum(p for p, _ in windows)
        self._power = sum(10 ** (db / 10) for _, db in windows)
        self._counted = len(windows) * WINDOW

    def _last(self, seconds: float) -> list[tuple[float, float]]:
        return list(self._heard)[-round(seconds / WINDOW_S) :]

    def _is_bystander(self, levels_db: Collection[float]) -> bool:
        return self.caller_db is not None and max(levels_db) < self.caller_db - self.timing.bystander_db


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def is_callers_turn(said: Transcript, expect: Expect, voiced_s: float, *, doubted: bool) -> bool:
    """Whether these words over a prompt are a turn of the caller; where not, the prompt goes on.

    Args:
        voiced_s: how long was spoken, in seconds.
        doubted: it hardly seemed to be speech.
    """
    listens = is_backchannel(said.text)
    answers = bool(said.expected) and (not listens or expect.kind == "yesno" or said.gap <= CLOSE)
    if not answers and (listens or not said.text):
        return False
    if doubted:
        return max(said.expected_confidence, said.confidence) >= BELIEVED
    if voiced_s >= SHORT_S or said.confidence >= BELIEVED or _begins_an_answer(said):
        return True
    return (answers and said.expected_confidence >= ANSWER_BELIEVED) or _listened_for(said.text, expect.boost)


def is_backchannel(text: str) -> bool:
    """Whether these words show that somebody listens, and nothing else."""
    said = words(text)
    return bool(said) and (BACKCHANNELS.issuperset(said) or " ".join(said) in BACKCHANNEL_PHRASES)


def _begins_an_answer(said: Transcript) -> bool:
    """Whether it is the first part of a number, or of what else is awaited in parts, in both readings."""
    begun = set(words(said.begun)) - COMMON - BACKCHANNELS
    return said.partial and said.gap - said.lead <= CLOSE and not begun.isdisjoint(words(said.text))


def _listened_for(text: str, listed: Collection[str]) -> bool:
    said = words(text)
    return " ".join(said) in OBJECTIONS or bool(set(said).difference(COMMON).intersection(listed))
