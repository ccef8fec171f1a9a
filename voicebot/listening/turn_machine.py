"""Whose turn it is: a state machine without I/O. Probabilities and the sample clock go in, decisions come out.

========  ==========================  =======================  =============================================
state     voiced window               unsure window            silent window
========  ==========================  =======================  =============================================
QUIET     → ONSET                     stay; no-input timer     stay; no-input timer
ONSET     count; → SPEECH: `Began`    a gap                    a gap; too many → QUIET
SPEECH    stay; `Doubt`, `Began`      stay                     → PAUSE
PAUSE     → SPEECH: `Discard`         count as silence         count; `Recognise`, `Hurry`, → QUIET: `Ended`
========  ==========================  =======================  =============================================

A turn ends when the silence has lasted as long as `recognised` said it must, judged by what was heard up to the pause
(see `endpoint`); before anything was recognised it does not end. Speech longer than `Timing.longest_s` is cut.

Over a prompt that may be interrupted a turn is judged once more while it goes on (see `interruption`). Where it comes
to doubt, `Doubt` lets the prompt go on; the turn is heard to its end all the same, and interrupts again when somebody
surely speaks.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from voicebot.listening.barge_in import Interruption, Verdict
from voicebot.listening.levels import Loudness, Sound
from voicebot.listening.timing import Timing
from voicebot.listening.vad import RATE_HZ, WINDOW

LOUD_DB = -20.0


class State(enum.Enum):
    QUIET = "quiet"
    ONSET = "onset"
    SPEECH = "speech"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Began:
    """The caller speaks."""

    onset: int
    """Sample of the first voiced window."""
    over_prompt: bool
    """A prompt was playing."""
    interrupts: bool
    """It was one that may be interrupted."""


@dataclass(frozen=True, slots=True)
class Recognise:
    """Recognise samples `start` … `end`: the turn may be over."""

    start: int
    end: int
    whole: bool = False
    """Not only whether it may be over: this is what the turn will be taken for."""


@dataclass(frozen=True, slots=True)
class Discard:
    """Throw that recognition away: the caller goes on, or the turn is void."""


@dataclass(frozen=True, slots=True)
class Hurry:
    """That recognition is waited for now."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over; the last recognition is its text."""

    onset: int
    voiced_end: int
    """Sample after the last voiced window."""
    voiced_s: float
    """Seconds of voiced windows in it."""
    over_prompt: bool
    interrupted: bool
    cut: bool
    """It reached `Timing.longest_s`."""
    doubted: bool = False
    """Over a prompt: it hardly seemed to be speech."""
    level_db: float = 0.0
    """Of its voiced windows (RMS), in dB below full scale."""
    surest: float = 1.0
    """See `Interruption.surest`."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The no-input time is over."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What began over the prompt is hardly speech, or nobody's who calls: the prompt goes on, the turn too."""


Decision = Began | Recognise | Discard | Hurry | Ended | Silent | Doubt


class TurnMachine:
    """One caller's turns. All methods return what to do, in order."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self.state = State.QUIET
        self.now = 0
        """Samples (8000 Hz) heard so far; windows are 256."""
        self.no_input_s = 6.0
        self.least_voiced_s = 0.0
        """Speech that the awaited answer takes at least, in seconds."""
        self.interruption = Interruption(self.timing)
        self._deadline: int | None = None
        self._needed_s: float | None = None
        self._loudness = Loudness(self.timing)
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
        return self.now if self.state is State.QUIET else self._onset

    @property
    def over_prompt(self) -> bool:
        """The turn under way began over a prompt."""
        return self.state is not State.QUIET and self.interruption.over_prompt

    def window(self, probability: float, level_db: float = LOUD_DB) -> list[Decision]:
        """One more window has this probability of speech and this level (RMS, in dB below full scale)."""
        self.now += WINDOW
        self.interruption.window(probability, level_db)
        return _TABLE[self.state, self._sound(probability, level_db)](self)

    def recognised(self, needed_s: float, sketch: bool = False) -> list[Decision]:
        """The recognition asked for is there; a turn with this text needs so much silence to be over.

        After a `sketch` the whole is asked for shortly before that.
        """
        if self.state is not State.PAUSE:
            return []
        self._needed_s, self._sketch = needed_s, sketch
        return self._end_if_over()

    def await_more(self, voiced_s: float) -> None:
        """A number was begun that cannot be whole before there are `voiced_s` seconds of speech in the turn."""
        self._begun = True
        self.least_voiced_s = max(self.least_voiced_s, voiced_s)

    def prompt_started(self, interruptible: bool) -> None:
        """A prompt plays from now on."""
        self.interruption.prompt_started(interruptible)
        self._deadline = None

    def prompt_ended(self) -> None:
        """No prompt plays any more: the no-input time runs, unless the caller speaks."""
        self.interruption.prompt_ended()
        self.rearm()

    def rearm(self) -> None:
        """Let the no-input time begin again; not while a prompt plays."""
        if not self.interruption.prompt:
            self._deadline = self.now + _samples(self.no_input_s)

    def ignore(self) -> None:
        """The speech that just began is none (the echo of the prompt)."""
        self._clear()
        self.rearm()

    def void(self) -> list[Decision]:
        """Drop the turn under way and the no-input timer (a key was pressed)."""
        self._deadline = None
        asked = self._asked
        self._clear()
        return [Discard()] if asked else []

    def _sound(self, probability: float, level_db: float) -> Sound:
        over, timing = self.interruption, self.timing
        voiced = timing.voiced
        if self.state in (State.SPEECH, State.PAUSE):
            paused, alone = self.state is State.PAUSE, not (over.prompt or over.over_prompt)
            found = self._loudness.sound(probability, level_db, self.now, paused=paused, alone=alone)
            if self._loudness.background:
                self._voiced_end = min(self._voiced_end, self._loudness.strong_end)
            if found is not None:
                return found
        elif over.prompt:
            voiced = timing.voiced_over_prompt
        if probability >= voiced:
            return Sound.VOICED
        return Sound.SILENT if probability < timing.silent else Sound.UNSURE

    def _clear(self) -> None:
        self.state = State.QUIET
        self._onset = self._voiced = self._gap = self._voiced_end = self._paused = 0
        self._asked = self._hurried = self._cut = self._begun = self._sketch = False
        self._needed_s = None
        self.interruption.clear()

    def _stay_quiet(self) -> list[Decision]:
        if self._deadline is None or self.now < self._deadline:
            return []
        self._deadline = None
        return [Silent()]

    def _onset_begins(self) -> list[Decision]:
        self._clear()
        self.state = State.ONSET
        self._onset = self.now - WINDOW
        self._loudness.begin(self.now)
        return self._onset_voiced()

    def _onset_voiced(self) -> list[Decision]:
        self._count_voiced()
        self._gap = 0
        if not self.interruption.may_begin():
            return []
        self.state = State.SPEECH
        self._voiced_end = self.now
        self.interruption.begin()
        if self.interruption.over_prompt:  # whose echo may have looked like speech for seconds before
            said = _samples(self.interruption.least_s)
            self._onset, self._voiced = self.now - said, said
        self._deadline = None
        return [Began(self._onset, self.interruption.over_prompt, self.interruption.interrupted)]

    def _onset_gap(self) -> list[Decision]:
        self._gap += WINDOW
        if self._gap > _samples(self.timing.start_gap_s):
            self._clear()
        return self._stay_quiet()

    def _speech_goes_on(self) -> list[Decision]:
        self._count_voiced()
        self._voiced_end = self.now
        return [*self._judge(), *self._cut_if_long()]

    def _count_voiced(self) -> None:
        self._voiced += WINDOW
        self.interruption.count_voiced()

    def _judge(self) -> list[Decision]:
        match self.interruption.judge():
            case Verdict.DOUBT:
                return [Doubt()]
            case Verdict.SPEECH:
                return [Began(self._onset, self.interruption.over_prompt, self.interruption.stops)]
        return []

    def _pause_begins(self) -> list[Decision]:
        self.state = State.PAUSE
        return self._pause_goes_on()

    def _pause_ends(self) -> list[Decision]:
        self.state = State.SPEECH
        self._paused = max(self._paused, self.now - WINDOW - self._voiced_end)
        asked = self._asked
        self._asked = self._hurried = False
        self._needed_s = None
        return [*([Discard()] if asked else []), *self._speech_goes_on()]

    def _pause_goes_on(self) -> list[Decision]:
        silence = self.now - self._voiced_end
        todo: list[Decision] = []
        early = self._voiced < _samples(self.least_voiced_s)
        early_s = self.timing.speculate_late_s if self._begun else self.timing.speculate_early_s
        wait_s = early_s if early else self.timing.speculate_s
        if not self._asked and silence >= _samples(wait_s):
            todo.append(self._ask())
        waited_for = self._asked and not self._hurried and self._needed_s is None
        if waited_for and silence >= _samples(self.timing.hurry_s):
            self._hurried = True
            todo.append(Hurry())
        if self._needed_s is not None and self._sketch and silence >= _samples(self._needed_s - self.timing.whole_s):
            self._needed_s, self._sketch = None, False
            todo.append(self._ask(whole=True))
        return [*todo, *self._end_if_over()]

    def _cut_if_long(self) -> list[Decision]:
        if self.now - self._onset < _samples(self.timing.longest_s):
            return []
        self.state, self._cut, self._hurried = State.PAUSE, True, True
        return [self._ask(whole=True), Hurry()]

    def _ask(self, whole: bool = False) -> Recognise:
        self._asked = True
        end = min(self.now, self._voiced_end + _samples(self.timing.speculate_early_s))
        return Recognise(max(0, self._onset - _samples(self.timing.pre_roll_s)), end, whole)

    def _end_if_over(self) -> list[Decision]:
        if self._needed_s is None or (self._sketch and not self._cut):
            return []
        if not self._cut and self.now - self._voiced_end < _samples(self._needed_s):
            return []
        over = self.interruption
        ended = Ended(
            self._onset, self._voiced_end, self._voiced / RATE_HZ, over.over_prompt, over.interrupted, self._cut,
            over.doubted,
            over.level_db,
            over.surest,
        )  # fmt: skip
        self._clear()
        self._deadline = None
        return [ended]

    def _wait_cut(self) -> list[Decision]:
        """Speech while the recognition of a cut turn is waited for belongs to it."""
        return [] if self._cut else self._pause_ends()


_TABLE: dict[tuple[State, Sound], Callable[[TurnMachine], list[Decision]]] = {
    (State.QUIET, Sound.VOICED): TurnMachine._onset_begins,
    (State.QUIET, Sound.UNSURE): TurnMachine._stay_quiet,
    (State.QUIET, Sound.SILENT): TurnMachine._stay_quiet,
    (State.ONSET, Sound.VOICED): TurnMachine._onset_voiced,
    (State.ONSET, Sound.UNSURE): TurnMachine._onset_gap,
    (State.ONSET, Sound.SILENT): TurnMachine._onset_gap,
    (State.SPEECH, Sound.VOICED): TurnMachine._speech_goes_on,
    (State.SPEECH, Sound.UNSURE): TurnMachine._speech_goes_on,
    (State.SPEECH, Sound.SILENT): TurnMachine._pause_begins,
    (State.PAUSE, Sound.VOICED): TurnMachine._wait_cut,
    (State.PAUSE, Sound.UNSURE): TurnMachine._pause_goes_on,
    (State.PAUSE, Sound.SILENT): TurnMachine._pause_goes_on,
}


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)
