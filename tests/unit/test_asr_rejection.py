"""Silence, tones and the model's inventions become no words."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.asr import rejection
from voicebot.asr.recogniser import Transcript
from voicebot.messages import Expect

RATE = 8000


def tone(*hz: float, on_s: float = 2.0, off_s: float = 0.0) -> NDArray[np.float32]:
    t = np.arange(int(4 * RATE)) / RATE
    wave = np.sum([np.sin(2 * np.pi * f * t) for f in hz], axis=0) * 0.1
    return np.asarray(wave * ((t % (on_s + off_s)) < on_s), np.float32)


@pytest.mark.parametrize(
    "audio",
    [
        tone(350, 440),
        tone(480, 620, on_s=0.5, off_s=0.5),
        tone(440, 480, on_s=2, off_s=4),
        tone(2100),
        tone(697, 1209),
        tone(425),
        np.zeros(RATE, np.float32),
        np.zeros(0, np.float32),
    ],
    ids=["dial", "busy", "ringing", "fax", "dtmf", "european dial", "silence", "nothing"],
)
def test_network_tones_and_silence_are_no_speech(audio: NDArray[np.float32]) -> None:
    assert rejection.is_silence_or_tone(audio, RATE)


def test_a_voice_like_sound_is_not_taken_for_a_tone() -> None:
    t = np.arange(2 * RATE) / RATE
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 2 * t)) / RATE
    voice = np.sum([np.sin(k * pitch) / k for k in range(1, 12)], axis=0) * 0.1
    assert not rejection.is_silence_or_tone(voice.astype(np.float32), RATE)


def test_faint_sound_is_not_silence() -> None:
    noise = np.random.default_rng(1).normal(0, 1e-4, RATE).astype(np.float32)
    assert not rejection.is_silence_or_tone(noise, RATE)


@pytest.mark.parametrize("text", ["You.", "Thank you for watching!", "♪ la la ♪", "Subtitles by The Crew", "...", ""])
def test_what_the_model_says_to_silence_is_dropped(text: str) -> None:
    assert rejection.without_hallucination(text, 4, 2.0) == ""


def test_going_in_circles_is_dropped_and_repeated_digits_are_not() -> None:
    assert rejection.without_hallucination("I'm going to go. " * 5, 30, 20.0) == ""
    assert rejection.without_hallucination("so so so so so so", 6, 5.0) == ""
    assert rejection.without_hallucination("Zero zero zero zero zero zero.", 12, 5.0) != ""


def test_more_words_than_a_mouth_can_say_are_dropped() -> None:
    assert rejection.without_hallucination("Where is the order that I placed last week?", 30, 1.0) == ""
    assert rejection.without_hallucination("Thank you.", 3, 0.5) == "Thank you."


def test_text_that_nobody_is_sure_of_is_murmur() -> None:
    speech = np.tile(np.concatenate([np.full(3200, 0.2, np.float32), np.full(1600, 0.001, np.float32)]), 4)
    assert rejection.is_murmur(0.4, speech, 16000)
    assert not rejection.is_murmur(0.6, speech, 16000)


def test_text_out_of_an_even_noise_must_be_surer() -> None:
    even = np.full(16000, 0.1, np.float32)
    assert rejection.is_murmur(0.6, even, 16000)
    assert not rejection.is_murmur(0.9, even, 16000)


def test_words_of_a_sound_that_was_never_surely_a_voice_must_be_sure() -> None:
    rain, yesno = Transcript("Okay.", 0.45, expected="okay", expected_confidence=0.99), Expect("yesno")
    assert rejection.is_unvoiced(0.6, rain, yesno)
    assert not rejection.is_unvoiced(0.95, rain, yesno), "a voice that is hard to understand is for the dialog to judge"
    assert not rejection.is_unvoiced(0.6, Transcript("Six.", 0.9), Expect())


def test_a_letter_or_digit_is_too_short_for_a_sure_vowel() -> None:
    said = Transcript("See you.", 0.3, expected="zero", expected_confidence=0.9)
    assert not rejection.is_unvoiced(0.7, said, Expect("digits", (1,)))
    assert rejection.is_unvoiced(0.7, replace(said, expected_confidence=0.03), Expect("digits", (1,)))
    assert rejection.is_unvoiced(0.7, replace(said, expected=""), Expect("alnum", (1,)))
