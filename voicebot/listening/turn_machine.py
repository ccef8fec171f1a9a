"""Whose turn it is: a state machine without I/O. Probabilities and the sample clock go in, actions come out.

========  ===========================  =======================  =============================================
state     voiced window                unsure window            silent window
========  ===========================  =======================  =============================================
QUIET     → ONSET                      stay; no-input timer     stay; no-input timer
ONSET     count; → SPEECH `TurnBegan`  a gap                    a gap; too many → QUIET
SPEECH    stay; judge over a prompt    stay                     → PAUSE
PAUSE     → SPEECH                     count as silence         count; recognise; over → QUIET `TurnEnded`
========  ===========================  =======================  =============================================

In PAUSE the silence asks for `StartRecognition`, then for `PrioritiseRecognition`; a voice for `DiscardRecognition`.
A turn ends when the silence has lasted as long as `recognised` said it must, judged by what was heard up to the pause
(see `endpointing`); before anything was recognised it does not end. Speech longer than `TurnTiming.longest_s` is cut.

Over a prompt that may be interrupted a turn is judged once more while it goes on (see `barge_in`). Where it hardly is
speech, `ResumePrompt` lets the prompt go on; the turn is heard to its end all the same, and interrupts again (another
`TurnBegan`) when somebody surely speaks.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from voicebot.listening.barge_in import BargeInDetector, BargeInVerdict
from voicebot.listening.levels import TurnLevels, Voicing
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import RATE_HZ, WINDOW

LOUD_DB = -20.0


class TurnState(enum.Enum):
    QUIET = "quiet"
    ONSET = "onset"
    SPEECH = "speech"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The caller speaks."""

    onset: int
    """Sample of the first voiced window."""
    over_prompt: bool
    """A prompt was playing."""
    interrupts: bool
    """It was one that may be interrupted."""


@dataclass(frozen=True, slots=True)
class StartRecognition:
    """Recognise samples `start` … `end`: the turn may be over."""

    start: int
    end: int
    whole: bool = False
    """Not only whether it may be over: this is what the turn will be taken for."""


@dataclass(frozen=True, slots=True)
class DiscardRecognition:
    """Throw that recognition away: the caller goes on, or the turn is void."""


@dataclass(frozen=True, slots=True)
class PrioritiseRecognition:
    """That recognition is waited for now."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over; the last recognition is its text."""

    onset: int
    voiced_end: int
    """Sample after the last voiced window."""
    voiced_s: float
    """Seconds of voiced windows in it."""
    over_prompt: bool
    interrupted: bool
    cut: bool
    """It reached `TurnTiming.longest_s`."""
    doubted: bool = False
    """Over a prompt: it hardly seemed to be speech."""
    level_db: float = 0.0
    """Of its voiced windows (RMS), in dB below full scale."""
    peak_probability: float = 1.0
    """See `BargeInDetector.peak_probability`."""


@dataclass(frozen=True, slots=True)
class NoInputTimeout:
    """The no-input time is over."""


@dataclass(frozen=True, slots=True)
class ResumePrompt:
    """What began over the prompt is hardly speech, or nobody's who calls: the prompt goes on, the turn too."""


TurnAction = (
    TurnBegan
    | StartRecognition
    | DiscardRecognition
    | PrioritiseRecognition
    | TurnEnded
    | NoInputTimeout
    | ResumePrompt
)


class TurnMachine:
    """One caller's turns. All methods return what to do, in order."""

    def __init__(self, timing: TurnTiming | None = None) -> None:
        self.timing = timing or TurnTiming()
        self.state = TurnState.QUIET
        self.now = 0
        """Samples (8000 Hz) heard so far; windows are 256."""
        self.no_input_s = 6.0
        self.least_voiced_s = 0.0
        """Speech that the awaited answer takes at least, in seconds."""
        self.barge_in = BargeInDetector(self.timing)
        self._deadline: int | None = None
        self._needed_s: float | None = None
        self._loudness = TurnLevels(self.timing)
        self._voiced_end = 0
        self._clear()

    @property
    def voiced_s(self) -> float:
        """Speech in the turn so far, in seconds."""
        return self._voiced / RATE_HZ

    @property
    def paused_s(self) -> float:
        """The longest pause after which the caller has gone on in this turn, in seconds."""
        return self._paused / RATE_HZ

    @property
    def keep_from(self) -> int:
        """First sample that a recognition may still ask for, pre-roll not counted."""
        return self.now if self.state is TurnState.QUIET else self._onset

    @property
    def over_prompt(self) -> bool:
        """The turn under way began over a prompt."""
        return self.state is not TurnState.QUIET and self.barge_in.over_prompt

    def window(self, probability: float, level_db: float = LOUD_DB) -> list[TurnAction]:
        """One more window has this probability of speech and this level (RMS, in dB below full scale)."""
        self.now += WINDOW
        self.barge_in.window(probability, level_db)
        return TABLE[self.state, self._sound(probability, level_db)].step(self)

    def recognised(self, needed_s: float, begun_only: bool = False) -> list[TurnAction]:
        """The recognition asked for is there; a turn with this text needs so much silence to be over.

        After a `begun_only` the whole is asked for shortly before that.
        """
        if self.state is not TurnState.PAUSE:
            return []
        self._needed_s, self._begun_only = needed_s, begun_only
        return self._end_if_over()

    def await_more(self, voiced_s: float) -> None:
        """A number was begun that cannot be whole before there are `voiced_s` seconds of speech in the turn."""
        self._begun = True
        self.least_voiced_s = max(self.least_voiced_s, voiced_s)

    def prompt_started(self, interruptible: bool) -> None:
        """A prompt plays from now on."""
        self.barge_in.prompt_started(interruptible)
        self._deadline = None

    def prompt_ended(self) -> None:
        """No prompt plays any more: the no-input time runs, unless the caller speaks."""
        self.barge_in.prompt_ended()
        self.rearm()

    def rearm(self) -> None:
        """Let the no-input time begin again; not while a prompt plays."""
        if not self.barge_in.prompt:
            self._deadline = self.now + _samples(self.no_input_s)

    def ignore(self) -> None:
        """The speech that just began is none (the echo of the prompt)."""
        self._clear()
        self.rearm()

    def void(self) -> list[TurnAction]:
        """Drop the turn under way and the no-input timer (a key was pressed)."""
        self._deadline = None
        asked = self._asked
        self._clear()
        return [DiscardRecognition()] if asked else []

    def _sound(self, probability: float, level_db: float) -> Voicing:
        over, timing = self.barge_in, self.timing
        voiced = timing.voiced
        if self.state in (TurnState.SPEECH, TurnState.PAUSE):
            paused, alone = self.state is TurnState.PAUSE, not (over.prompt or over.over_prompt)
            found = self._loudness.sound(probability, level_db, self.now, paused=paused, alone=alone)
            if self._loudness.background:
                self._voiced_end = min(self._voiced_end, self._loudness.strong_end)
            if found is not None:
                return found
        elif over.prompt:
            voiced = timing.voiced_over_prompt
        if probability >= voiced:
            return Voicing.VOICED
        return Voicing.SILENT if probability < timing.silent else Voicing.UNSURE

    def _clear(self) -> None:
        self.state = TurnState.QUIET
        self._onset = self._voiced = self._gap = self._voiced_end = self._paused = 0
        self._asked = self._prioritised = self._cut = self._begun = self._begun_only = False
        self._needed_s = None
        self.barge_in.clear()

    def _stay_quiet(self) -> list[TurnAction]:
        if self._deadline is None or self.now < self._deadline:
            return []
        self._deadline = None
        return [NoInputTimeout()]

    def _onset_begins(self) -> list[TurnAction]:
        self._clear()
        self.state = TurnState.ONSET
        self._onset = self.now - WINDOW
        self._loudness.begin(self.now)
        return self._onset_voiced()

    def _onset_voiced(self) -> list[TurnAction]:
        self._count_voiced()
        self._gap = 0
        if not self.barge_in.may_begin():
            return []
        self.state = TurnState.SPEECH
        self._voiced_end = self.now
        self.barge_in.begin()
        if self.barge_in.over_prompt:  # whose echo may have looked like speech for seconds before
            said = _samples(self.barge_in.least_s)
            self._onset, self._voiced = self.now - said, said
        self._deadline = None
        return [TurnBegan(self._onset, self.barge_in.over_prompt, self.barge_in.interrupted)]

    def _onset_gap(self) -> list[TurnAction]:
        self._gap += WINDOW
        if self._gap > _samples(self.timing.start_gap_s):
            self._clear()
        return self._stay_quiet()

    def _speech_goes_on(self) -> list[TurnAction]:
        self._count_voiced()
        self._voiced_end = self.now
        return [*self._judge(), *self._cut_if_long()]

    def _count_voiced(self) -> None:
        self._voiced += WINDOW
        self.barge_in.count_voiced()

    def _judge(self) -> list[TurnAction]:
        match self.barge_in.judge():
            case BargeInVerdict.NOT_SPEECH:
                return [ResumePrompt()]
            case BargeInVerdict.SPEECH:
                return [TurnBegan(self._onset, self.barge_in.over_prompt, self.barge_in.stops)]
            case BargeInVerdict.UNCHANGED:
                return []
            case verdict:
                assert_never(verdict)

    def _pause_begins(self) -> list[TurnAction]:
        self.state = TurnState.PAUSE
        return self._pause_goes_on()

    def _pause_ends(self) -> list[TurnAction]:
        self.state = TurnState.SPEECH
        self._paused = max(self._paused, self.now - WINDOW - self._voiced_end)
        asked = self._asked
        self._asked = self._prioritised = False
        self._needed_s = None
        return [*([DiscardRecognition()] if asked else []), *self._speech_goes_on()]

    def _pause_goes_on(self) -> list[TurnAction]:
        silence = self.now - self._voiced_end
        todo: list[TurnAction] = []
        early = self._voiced < _samples(self.least_voiced_s)
        early_s = self.timing.speculate_late_s if self._begun else self.timing.speculate_early_s
        wait_s = early_s if early else self.timing.speculate_s
        if not self._asked and silence >= _samples(wait_s):
            todo.append(self._ask())
        waited_for = self._asked and not self._prioritised and self._needed_s is None
        if waited_for and silence >= _samples(self.timing.prioritise_s):
            self._prioritised = True
            todo.append(PrioritiseRecognition())
        if (
            self._needed_s is not None
            and self._begun_only
            and silence >= _samples(self._needed_s - self.timing.whole_s)
        ):
            self._needed_s, self._begun_only = None, False
            todo.append(self._ask(whole=True))
        return [*todo, *self._end_if_over()]

    def _cut_if_long(self) -> list[TurnAction]:
        if self.now - self._onset < _samples(self.timing.longest_s):
            return []
        self.state, self._cut, self._prioritised = TurnState.PAUSE, True, True
        return [self._ask(whole=True), PrioritiseRecognition()]

    def _ask(self, whole: bool = False) -> StartRecognition:
        self._asked = True
        end = min(self.now, self._voiced_end + _samples(self.timing.speculate_early_s))
        return StartRecognition(max(0, self._onset - _samples(self.timing.pre_roll_s)), end, whole)

    def _end_if_over(self) -> list[TurnAction]:
        if self._needed_s is None or (self._begun_only and not self._cut):
            return []
        if not self._cut and self.now - self._voiced_end < _samples(self._needed_s):
            return []
        over = self.barge_in
        ended = TurnEnded(
            self._onset, self._voiced_end, self._voiced / RATE_HZ, over.over_prompt, over.interrupted, self._cut,
            over.doubted,
            over.level_db,
            over.peak_probability,
        )  # fmt: skip
        self._clear()
        self._deadline = None
        return [ended]

    def _wait_cut(self) -> list[TurnAction]:
        """Speech while the recognition of a cut turn is waited for belongs to it."""
        return [] if self._cut else self._pause_ends()


class Row(NamedTuple):
    """What one more window does in a state."""

    step: Callable[[TurnMachine], list[TurnAction]]
    leads_to: tuple[TurnState, ...]
    """The states that may come of it, by the times of `TurnTiming`; the likeliest first."""


TABLE: dict[tuple[TurnState, Voicing], Row] = {
    (TurnState.QUIET, Voicing.VOICED): Row(TurnMachine._onset_begins, (TurnState.ONSET,)),
    (TurnState.QUIET, Voicing.UNSURE): Row(TurnMachine._stay_quiet, (TurnState.QUIET,)),
    (TurnState.QUIET, Voicing.SILENT): Row(TurnMachine._stay_quiet, (TurnState.QUIET,)),
    (TurnState.ONSET, Voicing.VOICED): Row(TurnMachine._onset_voiced, (TurnState.ONSET, TurnState.SPEECH)),
    (TurnState.ONSET, Voicing.UNSURE): Row(TurnMachine._onset_gap, (TurnState.ONSET, TurnState.QUIET)),
    (TurnState.ONSET, Voicing.SILENT): Row(TurnMachine._onset_gap, (TurnState.ONSET, TurnState.QUIET)),
    (TurnState.SPEECH, Voicing.VOICED): Row(TurnMachine._speech_goes_on, (TurnState.SPEECH, TurnState.PAUSE)),
    (TurnState.SPEECH, Voicing.UNSURE): Row(TurnMachine._speech_goes_on, (TurnState.SPEECH, TurnState.PAUSE)),
    (TurnState.SPEECH, Voicing.SILENT): Row(TurnMachine._pause_begins, (TurnState.PAUSE,)),
    (TurnState.PAUSE, Voicing.VOICED): Row(TurnMachine._wait_cut, (TurnState.PAUSE, TurnState.SPEECH)),
    (TurnState.PAUSE, Voicing.UNSURE): Row(TurnMachine._pause_goes_on, (TurnState.PAUSE, TurnState.QUIET)),
    (TurnState.PAUSE, Voicing.SILENT): Row(TurnMachine._pause_goes_on, (TurnState.PAUSE, TurnState.QUIET)),
}
"""State and window → what is done. A key leads to QUIET from every state, and so does, from PAUSE, a recognition that
the silence was long enough for."""


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)
