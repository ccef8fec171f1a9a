"""Slow speech takes longer and sounds as high as before."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.leg import Pcm
from voicebot.tts.time_stretch import TimeStretcher

RATE_HZ = 8000


def voice(seconds: float, hz: float = 120.0) -> Pcm:
    """A buzz with harmonics, getting louder and softer four times a second."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 12))
    return np.asarray(5000 * buzz * (1 + 0.6 * np.sin(2 * np.pi * 4 * t)) / 1.6, np.int16)


def slowed(pcm: Pcm, speed: float, blocks: int = 7) -> Pcm:
    stretcher = TimeStretcher(RATE_HZ, speed)
    made = [stretcher.push(block) for block in np.array_split(pcm, blocks)]
    return np.concatenate([*made, stretcher.push(np.zeros(0, np.int16), last=True)])


@pytest.mark.parametrize("speed", [0.5, 0.75, 1.0])
def test_it_takes_longer_by_its_factor_with_the_same_pitch_and_loudness(speed: float) -> None:
    pcm = voice(3.0)
    slow = slowed(pcm, speed)
    assert len(slow) / len(pcm) == pytest.approx(1 / speed, abs=0.03)
    peaks = np.abs(np.fft.rfft(slow * np.hanning(len(slow))))
    assert np.argmax(peaks) * RATE_HZ / len(slow) == pytest.approx(120, abs=1.5)
    assert np.std(slow) == pytest.approx(np.std(pcm), rel=0.05)
    assert np.abs(np.diff(slow.astype(int))).max() < 1.3 * np.abs(np.diff(pcm.astype(int))).max()  # no clicks


def test_it_does_not_matter_how_the_audio_is_cut_into_blocks() -> None:
    pcm = voice(1.0)
    assert np.array_equal(slowed(pcm, 0.75, blocks=1), slowed(pcm, 0.75, blocks=90))


@pytest.mark.parametrize("samples", [0, 1, 50, 300])
def test_short_audio_is_not_lost(samples: int) -> None:
    slow = slowed(np.full(samples, 1000, np.int16), 0.75, blocks=1)
    assert len(slow) >= samples
    assert np.abs(slow).max(initial=0) <= 1000
