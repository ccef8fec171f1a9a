"""The prompt's own echo is told from a caller."""

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.ears.echo import ALIKE, SEGMENT, EchoReference

RATE = 8000


def voice(seed: int, pitch_hz: float, seconds: float = 2.0) -> NDArray[np.int16]:
    """Something like a vowel that wanders: harmonics of a moving pitch under a moving envelope."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    pitch = pitch_hz * (1 + 0.2 * np.interp(np.arange(n), np.arange(0, n + 800, 800), rng.normal(0, 1, n // 800 + 1)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    weights = rng.uniform(0.2, 1, 14)
    wave = sum(w * np.sin(k * phase) for k, w in enumerate(weights, 1))
    return (1500 * np.asarray(wave)).astype(np.int16)


@pytest.mark.parametrize("down_db", [6, 20, 35])
@pytest.mark.parametrize("delay", [0, 40, 3000])
def test_delayed_and_faint_copies_are_echo(down_db: int, delay: int) -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt)
    back = prompt * 10 ** (-down_db / 20) + np.random.default_rng(2).normal(0, 5, len(prompt))
    heard = np.concatenate([np.zeros(delay), back])[: 6000 + delay].astype(np.int16)
    assert reference.is_echo(heard)


def test_another_voice_is_none_even_over_the_echo() -> None:
    prompt, caller = voice(1, 110), voice(3, 170)
    reference = EchoReference()
    reference.add(prompt)
    assert reference.likeness(caller) < ALIKE
    assert not reference.is_echo((caller + prompt * 0.05).astype(np.int16))


def test_nothing_played_means_no_echo() -> None:
    assert EchoReference().likeness(voice(1, 110)) == 0.0
    reference = EchoReference()
    reference.add(np.zeros(RATE, np.int16))
    assert not reference.is_echo(voice(1, 110))
    reference.add(voice(1, 110))
    assert not reference.is_echo(np.zeros(SEGMENT - 1, np.int16))


def test_only_the_last_seconds_are_remembered() -> None:
    reference = EchoReference()
    first = voice(1, 110)
    reference.add(first)
    for seed in range(4, 8):
        reference.add(voice(seed, 150))
    assert not reference.is_echo(first)
