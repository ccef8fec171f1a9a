"""Levels and silence, and audio as the engines want it."""

import numpy as np
import pytest

from voicebot.listening import audio


def sine(hz: float, rate_hz: int = 16000, seconds: float = 0.5) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return (10000 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.int16)


def test_utterances_reach_the_engine_at_16_khz() -> None:
    out = audio.for_engine(np.full(8000, 16384, np.int16))
    assert out.dtype == np.float32
    assert len(out) == 16000
    assert out[8000] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("silent_ms", [0, 40, 250])
def test_the_silence_after_a_voice_is_told_whatever_its_loudness(silent_ms: int) -> None:
    voice = sine(300, 8000)
    noise = np.random.default_rng(1).integers(-8, 9, silent_ms * 8).astype(np.int16)
    for loudness in (1.0, 0.1):
        pcm = np.concatenate([(voice * loudness).astype(np.int16), noise])
        assert audio.trailing_silence(pcm) == silent_ms * 8


def test_no_audio_has_no_trailing_silence() -> None:
    assert audio.trailing_silence(np.zeros(0, np.int16)) == 0
    assert audio.trailing_silence(np.zeros(79, np.int16)) == 0
