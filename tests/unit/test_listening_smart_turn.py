"""Smart Turn is asked only where its answer can matter."""

import numpy as np
import pytest
from pipecat.audio.turn.smart_turn._whisper_features import compute_whisper_log_mel_features

from voicebot import config
from voicebot.asr.recogniser import Audio, Cancelled, Transcript
from voicebot.bench.asr.line_conditions import load
from voicebot.errors import EngineFailed
from voicebot.listening import audio, endpointing
from voicebot.listening.smart_turn import RecogniserWithSmartTurn, SmartTurn, features, find_model
from voicebot.listening.turn_timing import TurnTiming
from voicebot.messages import Expect
from voicebot.paths import speech_dir

T = TurnTiming()
HALF_SECOND = np.zeros(8000, np.float32)


class Says:
    """An engine that hears the same always."""

    name = "says"

    def __init__(self, text: str) -> None:
        self.text, self.closed = text, False

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        return Transcript(self.text, 0.9)

    def close(self) -> None:
        self.closed = True


class Broken(SmartTurn):
    def __init__(self) -> None: ...

    def end_probability(self, audio: Audio) -> float:
        raise RuntimeError("out of memory")


@pytest.fixture(scope="module")
def smart_turn() -> SmartTurn:
    return SmartTurn(find_model())


@pytest.mark.parametrize("seconds", [0.5, 8.0, 11.0])
def test_features_are_those_that_the_model_was_made_for(seconds: float) -> None:
    sound = np.random.default_rng(3).normal(0, 0.1, int(seconds * 16000)).astype(np.float32)
    heard = np.pad(sound[-128000:], (max(0, 128000 - sound.size), 0))
    assert features(sound) == pytest.approx(compute_whisper_log_mel_features(heard), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "expect", "asked"),
    [
        ("I want a lamp.", Expect(), True),
        ("I want a", Expect(), False),
        ("", Expect(), False),
        ("I want a lamp.", Expect("digits", (4,)), False),
    ],
)
def test_it_is_asked_about_free_speech_that_would_be_over(
    text: str, expect: Expect, asked: bool, smart_turn: SmartTurn
) -> None:
    found = RecogniserWithSmartTurn(Says(text), smart_turn).recognise(HALF_SECOND, expect, lambda: False)
    assert found is not None
    assert (found.end_probability is not None) is asked


def test_who_sounds_unfinished_is_given_time() -> None:
    def needed(over: float | None) -> float:
        return endpointing.silence_needed(Transcript("I want a lamp.", 0.9, end_probability=over), Expect(), T)

    assert (needed(None), needed(0.9), needed(0.1)) == (T.free_s, T.free_s, T.may_go_on_s)


def test_a_model_that_fails_is_a_failure_of_the_engine() -> None:
    engine = Says("I want a lamp.")
    advised = RecogniserWithSmartTurn(engine, Broken())
    with pytest.raises(EngineFailed, match="out of memory"):
        advised.recognise(HALF_SECOND, Expect(), lambda: False)
    advised.close()
    assert engine.closed


def test_nobody_is_asked_unless_the_configuration_says_so() -> None:
    assert config.TurnSettings().end_of_turn_model == "none"


@pytest.mark.speech
def test_a_sentence_sounds_more_finished_at_its_end_than_in_its_middle(smart_turn: SmartTurn) -> None:
    said = audio.for_engine(load(speech_dir() / "requests/alex_b.flac"))
    assert smart_turn.end_probability(said[: 16000 * 3]) < 0.5 < smart_turn.end_probability(said)


@pytest.mark.speech
def test_sentences_sound_finished_at_their_ends_and_unfinished_in_their_middles(smart_turn: SmartTurn) -> None:
    """What one recording says may be chance; 18 by several speakers say it of the model as it is computed here."""
    paths = sorted((speech_dir() / "sentences").glob("*.flac"))
    said = [audio.for_engine(load(path)) for path in paths]
    middle = np.array([smart_turn.end_probability(one[: one.size // 2]) for one in said])
    end = np.array([smart_turn.end_probability(one) for one in said])
    assert len(said) >= 15
    assert middle.mean() < 0.5 < end.mean()
    assert np.mean(end > middle) > 0.75
