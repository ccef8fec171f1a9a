"""One call's speech input: audio into windows, decisions of the turn machine into recognitions and events."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import numpy as np

from telephony.leg import Pcm
from telephony.media.resample import Halver
from voicebot.asr import rejection
from voicebot.asr.recogniser import NOTHING, Transcript
from voicebot.asr.recognition_pool import QueueFull, RecognitionJob, RecognitionPool
from voicebot.errors import EngineFailed
from voicebot.journal import metrics
from voicebot.listening import audio, endpointing
from voicebot.listening.barge_in import is_backchannel, is_callers_turn
from voicebot.listening.echo import WINDOWS, EchoReference
from voicebot.listening.events import (
    FalseAlarm,
    Interrupt,
    ListeningEvent,
    NoInput,
    RecognitionFailed,
    SpeechStarted,
    TurnHeard,
)
from voicebot.listening.turn_machine import (
    DiscardRecognition,
    NoInputTimeout,
    PrioritiseRecognition,
    ResumePrompt,
    StartRecognition,
    TurnAction,
    TurnBegan,
    TurnEnded,
    TurnMachine,
)
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import RATE_HZ, WINDOW, BatchedVad
from voicebot.messages import Expect, Heard

NOISE_VOICED_S = 0.7
"""Speech without words that is shorter than this is taken for noise; longer, the caller is asked again."""
STARVED_S = 0.25
"""A peer that sends nothing (silence suppression) for so long is heard as silent."""
OnEvent = Callable[[ListeningEvent], None]


class Listener:
    """One call's speech input. Made by `SpeechInput.listen`; use it on the event loop only.

    Speech over a prompt that may not be interrupted, or while no prompt plays (an action runs), is a turn like any
    other: what it answers is for the call to say, which knows from `TurnHeard.age_s` when it began.
    """

    def __init__(
        self,
        vad: BatchedVad,
        pool: RecognitionPool,
        rate_hz: int,
        on_event: OnEvent,
        timing: TurnTiming | None = None,
        on_close: Callable[[Listener], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate_hz not in (8000, 16000):
            raise ValueError(f"rate_hz must be 8000 or 16000, not {rate_hz}")
        self._vad = vad
        self._pool = pool
        self._on_event = on_event
        self.on_hypothesis: Callable[[Heard | None], None] = lambda _: None
        """Told what the turn is if it is over now, in its pauses; None when the caller goes on."""
        self._on_close = on_close
        self._clock = clock
        self._halve = Halver() if rate_hz == 16000 else None
        self._stream = vad.open(self._on_probability)
        self._machine = TurnMachine(timing)
        self._expect = Expect()
        self._echo = EchoReference()
        self._halve_played = Halver() if rate_hz == 16000 else None
        self._kept = np.zeros(0, np.int16)
        self._kept_from = 0
        self._voice_end = 0
        self._cut_to = 0
        self._arrivals: dict[int, float] = {}
        self._fed_at = clock()
        self._job: RecognitionJob | None = None
        self._closed = False

    def feed(self, pcm: Pcm) -> None:
        """Hear a block of any length at the rate given to `SpeechInput.listen`."""
        if self._closed:
            return
        self._fed_at = self._clock()
        block = self._halve(pcm) if self._halve else pcm
        self._kept = np.concatenate([self._kept, block])
        while self._kept_from + self._kept.size >= self._cut_to + WINDOW:
            at = self._cut_to - self._kept_from
            self._cut_to += WINDOW
            self._arrivals[self._cut_to] = self._fed_at
            self._vad.submit(self._stream, self._kept[at : at + WINDOW])

    def played(self, pcm: Pcm) -> None:
        """What goes out to the caller, at the leg's rate, at most about a second before it is heard.

        Its echo is then not taken for speech. Optional: without it every echo that sounds like speech interrupts.
        """
        self._echo.add(self._halve_played(pcm) if self._halve_played else pcm)

    def unplayed(self, samples: int) -> None:
        """The last `samples` of what `played` was told never went out: the prompt was stopped."""
        self._echo.gap(samples // 2 if self._halve_played else samples)

    def starve(self, now: float) -> None:
        """Called about ten times a second: hears silence where the peer has stopped sending."""
        missing = now - self._fed_at
        if missing > STARVED_S:
            samples = int(min(missing, 1.0) * RATE_HZ)
            self.feed(np.zeros(samples * (2 if self._halve else 1), np.int16))

    def expect(self, expect: Expect) -> None:
        """What the dialog waits for now; applies to the turn under way and the next ones."""
        self._expect = expect
        self._machine.no_input_s = expect.no_input_s
        self._machine.least_voiced_s = endpointing.least_voiced_s(expect)

    def prompt_started(self, barge_in: bool) -> None:
        """A prompt begins to play; with `barge_in` speech may stop it."""
        self._echo.gap()
        self._machine.prompt_started(barge_in)

    def prompt_ended(self) -> None:
        """The last sample of the prompt went out (or it was stopped); the no-input timer starts."""
        self._machine.prompt_ended()

    def answered_nothing(self) -> None:
        """The turn that was handed over answers no question: the no-input time begins again, unless a prompt plays."""
        self._machine.rearm()

    def key(self) -> None:
        """A key was pressed: the spoken turn under way is dropped and the no-input timer stops."""
        self._follow(self._machine.void())

    def close(self) -> None:
        """The call is over: no event comes after this."""
        self._closed = True
        self._discard()
        self._vad.close(self._stream)
        if self._on_close is not None:
            self._on_close(self)
        self._kept = np.zeros(0, np.int16)

    @property
    def kept_samples(self) -> int:
        """Audio in memory, in samples at 8000 Hz."""
        return self._kept.size

    def _on_probability(self, probability: float) -> None:
        if not self._closed:
            end = self._machine.now + WINDOW
            if probability >= self._machine.timing.voiced and self._is_known_echo(end):
                probability = 0.0
            self._follow(self._machine.window(probability, self._level_db(end)))
            self._forget()

    def _level_db(self, end: int) -> float:
        window = self._kept[max(0, end - WINDOW - self._kept_from) : end - self._kept_from]
        return audio.level_db(self._echo.cancelled(window, end) if self._machine.barge_in.prompt else window)

    def _is_known_echo(self, end: int) -> bool:
        """Whether the audio that ends at sample `end` is what was played, by the path that is known."""
        return self._echo.covers(self._kept[max(0, end - WINDOWS - self._kept_from) : end - self._kept_from], end)

    def _forget(self) -> None:
        """Keep the audio of the turn under way and its pre-roll."""
        timing = self._machine.timing
        keep = self._machine.keep_from - int(timing.pre_roll_s * RATE_HZ)
        if keep - self._kept_from > RATE_HZ // 2:
            self._kept = self._kept[keep - self._kept_from :].copy()
            self._kept_from = keep
            self._arrivals = {at: when for at, when in self._arrivals.items() if at > keep}

    def _follow(self, actions: list[TurnAction]) -> None:
        for action in actions:
            match action:
                case TurnBegan():
                    self._began(action)
                case StartRecognition():
                    self._recognise(action)
                case DiscardRecognition():
                    self._discard()
                    self.on_hypothesis(None)
                case PrioritiseRecognition():
                    if self._job is not None:
                        self._pool.promote(self._job)
                case TurnEnded():
                    self._ended(action)
                case NoInputTimeout():
                    self._on_event(NoInput())
                case ResumePrompt():
                    self._on_event(FalseAlarm(interrupted=True))
                case _:
                    assert_never(action)

    def _began(self, began: TurnBegan) -> None:
        if self._echo.is_echo(self._kept[: self._machine.now - self._kept_from], self._machine.now):
            self._machine.ignore()
            return
        if began.over_prompt:  # the echo before the first word is the prompt's alone: recognition gets the rest without
            self._echo.fit(self._kept[: max(0, began.onset - self._kept_from)], began.onset)
        self._machine.least_voiced_s = endpointing.least_voiced_s(self._expect)
        at_s = began.onset / RATE_HZ
        if began.interrupts:
            self._on_event(Interrupt(at_s))
        self._on_event(SpeechStarted(at_s))

    def _discard(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _recognise(self, wanted: StartRecognition) -> None:
        self._discard()
        begin, end = max(0, wanted.start - self._kept_from), wanted.end - self._kept_from
        pcm = self._kept[begin:end].copy()
        if self._machine.over_prompt:
            pcm = self._echo.cancelled(pcm, self._kept_from + end)
        self._voice_end = wanted.end - audio.trailing_silence(pcm)
        brief = not wanted.whole and not self._machine.over_prompt
        self._job = RecognitionJob(lambda: audio.for_engine(pcm), replace(self._expect, brief=brief), self._on_done)
        if not self._pool.submit(self._job, urgent=False):
            self._follow(self._machine.recognised(self._machine.timing.unfinished_s))

    def _on_done(self, job: RecognitionJob) -> None:
        if self._closed or job is not self._job:
            return
        machine, timing, voiced_s = self._machine, self._machine.timing, self._machine.voiced_s
        needed = timing.complete_s
        found = job.outcome if isinstance(job.outcome, Transcript) else None
        if found is not None:
            needed = endpointing.silence_needed(found, self._expect, timing, voiced_s, machine.paused_s)
            doubted = machine.barge_in.doubted
            if machine.over_prompt and not is_callers_turn(found, self._expect, voiced_s, doubted=doubted):
                needed = timing.complete_s if is_backchannel(found.text) else timing.resume_s
            more_s = endpointing.least_more_s(found, self._expect, voiced_s)
            if more_s:
                machine.await_more(voiced_s + more_s)
        self._follow(self._machine.recognised(needed, found is not None and found.begun_only))
        if job is self._job and found is not None and (found.text or found.expected) and not machine.over_prompt:
            self.on_hypothesis(heard(found, voiced_s, {}))

    def _ended(self, turn: TurnEnded) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        match job.outcome:
            case EngineFailed() as error:
                self._on_event(RecognitionFailed(error, self._age_s(turn)))
            case Transcript() as said:
                self._recognised(said, turn, job)
            case QueueFull() | None:
                self._recognised(NOTHING, turn, job)
            case _:
                assert_never(job.outcome)

    def _age_s(self, turn: TurnEnded) -> float:
        """Seconds since the turn's first sound."""
        return (self._machine.now - turn.onset) / RATE_HZ

    def _recognised(self, said: Transcript, turn: TurnEnded, job: RecognitionJob) -> None:
        refused = isinstance(job.outcome, QueueFull)
        if self._came_to_nothing(said, turn, refused):
            self._machine.barge_in.false_alarms += turn.over_prompt
            if not turn.over_prompt or turn.interrupted:
                self._on_event(FalseAlarm(turn.interrupted))
            self._machine.rearm()
            return
        self._machine.barge_in.learn_level(turn.level_db)
        self._on_event(TurnHeard(self._heard(said, turn, job), self._age_s(turn)))

    def _came_to_nothing(self, said: Transcript, turn: TurnEnded, refused: bool) -> bool:
        if endpointing.is_filler(said) and (said.text or said.expected):
            return True
        if rejection.is_unvoiced(turn.peak_probability, said, self._expect) and not refused:
            return True
        if turn.over_prompt:
            return not is_callers_turn(said, self._expect, turn.voiced_s, doubted=turn.doubted)
        return not (said.text or said.expected) and turn.voiced_s < NOISE_VOICED_S and not refused

    def _heard(self, said: Transcript, turn: TurnEnded, job: RecognitionJob) -> Heard:
        now = self._clock()
        # The VAD's probability falls some 100 ms after the voice did; the caller has waited since the voice.
        trailed_s = max(0, turn.voiced_end - self._voice_end) / RATE_HZ
        timings = {
            "endpoint": (now - self._arrivals.get(turn.voiced_end, now) + trailed_s) * 1000,
            "queue": job.queue_ms,
            **said.timings_ms,
        }
        for name in ("asr", "grammar", "queue", "endpoint"):
            metrics.stage.labels(name).observe(timings.get(name, 0.0) / 1000)
        return heard(said, (turn.voiced_end - turn.onset) / RATE_HZ, timings, barged_in=turn.interrupted)


def heard(said: Transcript, audio_s: float, timings_ms: dict[str, float], barged_in: bool = False) -> Heard:
    """A transcript as the rest of the program knows it."""
    return Heard(
        text=said.text,
        confidence=said.confidence,
        expected_text=said.expected,
        expected_confidence=said.expected_confidence,
        alternatives=said.alternatives,
        barged_in=barged_in,
        audio_s=audio_s,
        timings_ms={name: round(ms, 1) for name, ms in timings_ms.items()},
        words=said.words,
    )
