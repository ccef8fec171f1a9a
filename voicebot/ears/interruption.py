"""Who may stop a prompt: judged by windows while a sound over it goes on. Without I/O; the turn machine asks.

Silero is sure of speech (0.99) and less so of music, coughs and noise (0.8); somebody else in the room is fainter than
the caller was in his earlier turns. What the words say is judged in `listener`.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Collection

from voicebot.ears.timing import Timing
from voicebot.ears.vad import RATE_HZ, WINDOW, WINDOW_S

SILENT_DB = -120.0
_REMEMBERED = 32


class Verdict(enum.Enum):
    NOTHING_NEW = "nothing new"
    DOUBT = "doubt"
    """What stopped the prompt is hardly speech: the prompt may go on."""
    SPEECH = "speech"
    """What was doubted is speech after all: the prompt is stopped again."""


class Interruption:
    """Whether the turn under way may stop the prompt. One a call."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.prompt = False
        """A prompt plays."""
        self.interruptible = True
        """It is one that may be interrupted."""
        self.alarms = 0
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
        self._sure = self._power = 0.0

    def prompt_started(self, interruptible: bool) -> None:
        """A prompt plays from now on."""
        self.prompt, self.interruptible = True, interruptible

    def prompt_ended(self) -> None:
        """No prompt plays any more."""
        self.prompt = False

    def window(self, probability: float, level_db: float) -> None:
        """One more window, whatever is in it: its probability of speech and level (RMS, in dB below full scale)."""
        self._heard.append((probability, level_db))

    def count_voiced(self) -> None:
        """The last window belongs to the voice of the turn under way."""
        probability, level_db = self._heard[-1]
        self._voiced += WINDOW
        self._counted += WINDOW
        self._sure += probability
        self._power += 10 ** (level_db / 10)

    def may_begin(self) -> bool:
        """Whether a turn begins with the last windows: over a prompt, whether they are surely speech, the caller's."""
        timing, alarms = self.timing, min(self.alarms, self.timing.alarms)
        if not self.prompt:
            return self._voiced >= _samples(timing.start_s)
        if self._voiced < _samples(timing.start_s * (1 + alarms)):
            return False
        last = self._last(timing.start_s)
        sure = _mean([p for p, _ in last]) >= timing.sure_start + alarms * timing.wary
        return sure and not self._aside([db for _, db in last])

    def begin(self) -> None:
        """A turn begins; over a prompt it stops that where it may be interrupted."""
        self._count_from(self._last(self.timing.start_s))
        self.over_prompt = self.prompt
        self.interrupted = self.stops

    @property
    def stops(self) -> bool:
        """Speech now stops what plays."""
        return self.prompt and self.interruptible

    def judge(self) -> Verdict:
        """Over a prompt, once a voiced window: whether somebody speaks at all."""
        if not self.interrupted:
            return Verdict.NOTHING_NEW
        if self._doubted:
            return self._judge_again()
        if self._judged == len(self.timing.doubt_s) or self._counted < _samples(self.timing.doubt_s[self._judged]):
            return Verdict.NOTHING_NEW
        below = self.timing.doubt_below[self._judged]
        self._judged += 1
        self._doubted = self._sureness < below or self._aside([self.level_db])
        self.alarms += self._doubted
        return Verdict.DOUBT if self._doubted else Verdict.NOTHING_NEW

    def _judge_again(self) -> Verdict:
        last = self._last(self.timing.surely_s)
        if _mean([p for p, _ in last]) < self.timing.surely or self._aside([_mean([db for _, db in last])]):
            return Verdict.NOTHING_NEW
        self._doubted = False
        self._count_from(last)
        return Verdict.SPEECH

    @property
    def doubted(self) -> bool:
        """What began over the prompt hardly seems to be speech."""
        return self._doubted or (self.interrupted and self._sureness < self.timing.doubt_end)

    @property
    def level_db(self) -> float:
        """Of the turn's voiced windows (RMS), in dB below full scale."""
        return 10 * math.log10(self._power * WINDOW / max(WINDOW, self._counted) + 1e-12)

    def learn_level(self, level_db: float) -> None:
        """The caller's turn was heard at this level: what was a false alarm before counts no more."""
        self.alarms = 0
        self.caller_db = level_db if self.caller_db is None else (self.caller_db + level_db) / 2

    @property
    def _sureness(self) -> float:
        return self._sure * WINDOW / max(WINDOW, self._counted)

    def _count_from(self, windows: Collection[tuple[float, float]]) -> None:
        """What came before these windows does not count for or against whoever speaks now."""
        self._sure = sum(p for p, _ in windows)
        self._power = sum(10 ** (db / 10) for _, db in windows)
        self._counted = len(windows) * WINDOW

    def _last(self, seconds: float) -> list[tuple[float, float]]:
        return list(self._heard)[-round(seconds / WINDOW_S) :]

    def _aside(self, levels_db: Collection[float]) -> bool:
        return self.caller_db is not None and max(levels_db) < self.caller_db - self.timing.aside_db


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values) if values else 0.0
