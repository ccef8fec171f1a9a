"""hibari's sound in blocks is the sound that the package makes in one piece."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.tts import hibari_waveform
from voicebot.tts.hibari_package import dsp

BINS = dsp.N_FFT // 2 + 1


def spectrum(frames: int, *, noise: bool) -> list[NDArray[np.float32]]:
    """As the net gives it: a voice of 90 to 220 Hz with unvoiced frames among it."""
    chance = np.random.default_rng(frames)
    size = (BINS, frames)
    harmonic, turn, free, phase = (chance.normal(mean, 0.5, size).astype(np.float32) for mean in (-3, 0, -5, 0))
    hiss = np.full(size, -4.0 if noise else -60.0, np.float32)
    pitch = np.where(chance.random(frames) < 0.3, 0.0, chance.uniform(90, 220, frames)).astype(np.float32)
    return [harmonic, turn, hiss, free, phase, pitch]


@pytest.mark.parametrize("frames", [3, 39, 40, 41, 80, 203])
def test_blocks_are_what_the_package_computes_at_once(frames: int) -> None:
    given = spectrum(frames, noise=False)
    whole = dsp.synth(*given, np.random.default_rng(1))
    parts = list(hibari_waveform.blocks(given, np.random.default_rng(1)))
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-6
    assert sum(map(len, parts)) == frames * dsp.HOP
    assert all(len(part) <= hibari_waveform.BLOCK_FRAMES * dsp.HOP for part in parts)


def test_noise_is_as_loud_and_always_the_same() -> None:
    given = spectrum(203, noise=True)
    whole = dsp.synth(*given, np.random.default_rng(1))
    first, again = (np.concatenate(list(hibari_waveform.blocks(given, np.random.default_rng(1)))) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.std(first) == pytest.approx(np.std(whole), rel=0.02)
