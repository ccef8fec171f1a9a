"""Hold music: soft, endless without a seam, and audible through a telephone."""

from __future__ import annotations

import numpy as np
import pytest

from voicebot.tts.audio_source import AudioLoop
from voicebot.tts.hold_music import hold_music


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_it_is_soft_and_never_clips(rate_hz: int) -> None:
    audio = hold_music(rate_hz) / 32768
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(-27, abs=0.5)
    assert np.abs(audio).max() < 0.5
    assert len(audio) / rate_hz > 15


def test_it_does_not_swell_or_fall_silent() -> None:
    seconds = (hold_music(8000)[: 19 * 8000] / 32768).reshape(19, 8000)
    levels = 20 * np.log10(np.sqrt(np.mean(seconds**2, axis=1)))
    assert levels.max() - levels.min() < 9


def test_the_seam_cannot_be_told_from_the_rest() -> None:
    audio = hold_music(8000).astype(int)
    steps = np.abs(np.diff(audio))
    assert abs(audio[0] - audio[-1]) <= np.quantile(steps, 0.99)


def test_most_of_it_is_inside_the_telephone_band() -> None:
    audio = hold_music(8000).astype(float)
    power = np.abs(np.fft.rfft(audio)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / 8000)
    assert power[(hz > 300) & (hz < 3400)].sum() > 0.6 * power.sum()
    assert power[hz > 3400].sum() < 0.001 * power.sum()


def test_a_loop_reads_across_its_end_as_often_as_needed() -> None:
    loop = AudioLoop(np.arange(5, dtype=np.int16))
    assert loop.read(3, 9).tolist() == [3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert loop.read(12, 2).tolist() == [2, 3]
    assert loop.read(0, 0).tolist() == []
    with pytest.raises(ValueError, match="needs audio"):
        AudioLoop(np.zeros(0, np.int16))
