"""One call's listener: what reaches the dialog, and when. Voice activity and the engine are scripted."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from voicebot.asr.recogniser import Transcript
from voicebot.asr.recognition_pool import QueueFull, RecognitionJob
from voicebot.errors import EngineFailed
from voicebot.listening.events import (
    FalseAlarm,
    Interrupt,
    ListeningEvent,
    NoInput,
    RecognitionFailed,
    SpeechStarted,
    TurnHeard,
)
from voicebot.listening.listener import Listener
from voicebot.listening.vad import WINDOW, VadStream
from voicebot.messages import Expect

SPEECH, SILENCE = 20000, 0


class LoudnessVad:
    """Takes loud windows for speech."""

    def open(self, on_probability: Callable[[float], None]) -> VadStream:
        return VadStream(on_probability)

    def close(self, stream: VadStream) -> None:
        stream.closed = True

    def submit(self, stream: VadStream, window: Any) -> None:
        stream.on_probability(0.99 if np.abs(window).max() > 1000 else 0.01)


class ScriptedPool:
    """Answers at once with what the test put in."""

    def __init__(self) -> None:
        self.answer: Transcript | EngineFailed | None = Transcript("Where is my order?", 0.9)
        self.jobs: list[RecognitionJob] = []

    def submit(self, job: RecognitionJob, urgent: bool = True) -> bool:
        self.jobs.append(job)
        if self.answer is None:
            job.outcome = QueueFull()
            return False
        job.outcome = self.answer
        job.on_done(job)
        return True

    def promote(self, job: RecognitionJob) -> None:
        pass


class Call:
    """A call on a clock that runs with its audio."""

    def __init__(self, rate_hz: int = 8000) -> None:
        self.now = 100.0
        self.rate_hz = rate_hz
        self.events: list[ListeningEvent] = []
        self.pool = ScriptedPool()
        vad: Any = LoudnessVad()
        pool: Any = self.pool
        self.listener = Listener(vad, pool, rate_hz, self.events.append, clock=lambda: self.now)

    def hear(self, level: int, seconds: float) -> list[ListeningEvent]:
        """Feed blocks of 20 ms; returns what came of them."""
        before = len(self.events)
        for _ in range(round(seconds * 50)):
            self.now += 0.02
            self.listener.feed(np.full(self.rate_hz // 50, level, np.int16))
        return self.events[before:]


def kinds(events: list[ListeningEvent]) -> list[type]:
    return [type(event) for event in events]


def only_turn(events: list[ListeningEvent]) -> TurnHeard:
    (turn,) = [event for event in events if isinstance(event, TurnHeard)]
    return turn


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_turn_is_heard_with_how_long_it_took(rate_hz: int) -> None:
    call = Call(rate_hz)
    call.hear(SILENCE, 1.0)
    assert kinds(call.hear(SPEECH, 1.0)) == [SpeechStarted]
    heard = only_turn(call.hear(SILENCE, 1.0)).heard
    assert heard.text == "Where is my order?"
    assert heard.audio_s == pytest.approx(1.0, abs=0.05)
    assert 250 <= heard.timings_ms["endpoint"] <= 330
    assert not heard.barged_in


def test_the_recognised_audio_begins_before_the_onset_and_holds_the_turn() -> None:
    call = Call()
    call.hear(SILENCE, 3.0)
    call.hear(SPEECH, 1.0)
    call.hear(SILENCE, 0.5)
    audio = call.pool.jobs[-1].prepare()
    loud = np.flatnonzero(np.abs(audio) > 0.3)
    assert len(loud) / 16000 == pytest.approx(1.0, abs=0.02)
    assert loud[0] / 16000 == pytest.approx(0.3, abs=0.04)


def test_a_turn_says_how_long_ago_it_began_so_that_the_call_knows_what_had_been_asked_then() -> None:
    call = Call()
    call.hear(SPEECH, 1.0)
    before = call.now
    call.hear(SILENCE, 0.5)
    turn = only_turn(call.events)
    assert turn.age_s == pytest.approx(1.0 + 0.3, abs=0.05)
    assert call.now - before == pytest.approx(0.5)


def test_blocks_of_any_length_are_the_same_audio() -> None:
    call = Call()
    pcm = np.concatenate([np.full(8000, SPEECH), np.full(8000, SILENCE)]).astype(np.int16)
    for block in np.split(pcm, [1, 3, 700, 701, 5000, 9999]):
        call.listener.feed(block)
    assert kinds(call.events) == [SpeechStarted, TurnHeard]


def test_barge_in_interrupts_and_is_marked() -> None:
    call = Call()
    call.listener.prompt_started(True)
    assert kinds(call.hear(SPEECH, 0.14)) == [Interrupt, SpeechStarted]
    call.hear(SPEECH, 1.0)
    call.listener.prompt_ended()
    assert only_turn(call.hear(SILENCE, 1.0)).heard.barged_in


@pytest.mark.parametrize("text", ["", "Uh-huh.", "Um."])
def test_noise_and_listening_noises_over_a_prompt_are_a_false_alarm(text: str) -> None:
    call = Call()
    call.pool.answer = Transcript(text, 0.5 if text else 0.0)
    call.listener.prompt_started(True)
    call.hear(SPEECH, 1.0)
    assert call.hear(SILENCE, 2.0) == [FalseAlarm(interrupted=True)]


def test_an_answer_over_a_protected_prompt_is_heard_like_any_other_and_interrupts_nothing() -> None:
    call = Call()
    call.listener.prompt_started(False)
    assert kinds(call.hear(SPEECH, 1.0)) == [SpeechStarted]
    assert only_turn(call.hear(SILENCE, 2.0)).heard.text == "Where is my order?"


def test_a_cough_starts_the_no_input_time_again_and_mumbling_asks_for_a_repeat() -> None:
    call = Call()
    call.pool.answer = Transcript("", 0.0)
    call.listener.expect(Expect(no_input_s=2.0))
    call.listener.prompt_ended()
    call.hear(SILENCE, 1.5)
    call.hear(SPEECH, 0.3)
    assert call.hear(SILENCE, 1.9) == [FalseAlarm(interrupted=False)]
    assert kinds(call.hear(SILENCE, 1.0)) == [NoInput]
    call.hear(SPEECH, 1.5)
    assert only_turn(call.hear(SILENCE, 1.0)).heard.text == ""


def test_a_turn_that_was_answered_does_not_run_into_no_input() -> None:
    call = Call()
    call.listener.prompt_ended()
    call.hear(SPEECH, 1.0)
    call.hear(SILENCE, 1.0)
    assert call.hear(SILENCE, 20.0) == []


def test_a_key_drops_the_turn_under_way() -> None:
    call = Call()
    call.hear(SPEECH, 1.0)
    call.listener.key()
    assert TurnHeard not in kinds(call.events + call.hear(SILENCE, 2.0))


def test_a_full_queue_asks_the_caller_to_repeat() -> None:
    call = Call()
    call.pool.answer = None
    call.hear(SPEECH, 0.4)
    assert only_turn(call.hear(SILENCE, 2.0)).heard.text == ""


def test_a_broken_engine_is_reported_once_a_turn() -> None:
    call = Call()
    call.pool.answer = EngineFailed("broken")
    call.hear(SPEECH, 1.0)
    assert kinds(call.hear(SILENCE, 2.0)) == [RecognitionFailed]


def test_a_peer_that_stops_sending_is_heard_as_silent() -> None:
    call = Call()
    call.hear(SPEECH, 1.0)
    for _ in range(20):
        call.now += 0.1
        call.listener.starve(call.now)
    assert TurnHeard in kinds(call.events)


def test_nothing_comes_after_close_and_memory_stays_bounded() -> None:
    call = Call()
    call.hear(SILENCE, 60.0)
    assert call.listener.kept_samples <= 2 * 8000
    call.hear(SPEECH, 60.0)
    assert call.listener.kept_samples <= 27 * 8000
    call.listener.close()
    before = len(call.events)
    call.listener.feed(np.full(WINDOW * 100, SPEECH, np.int16))
    call.listener.prompt_ended()
    assert len(call.events) == before


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        Call(44100)
