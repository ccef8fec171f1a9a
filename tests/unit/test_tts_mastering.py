"""What leaves the synthesizer is fit for the telephone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from telephony.leg import Pcm
from voicebot.tts.mastering import CEILING, PhraseMastering, active_rms, gain_for, limit, master_clip, to_float

FROM_HZ = 22050


def tone(seconds: float, level: float = 0.3, hz: float = 500) -> Pcm:
    return (level * 32767 * np.sin(2 * np.pi * hz * np.arange(round(seconds * FROM_HZ)) / FROM_HZ)).astype(np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * FROM_HZ), np.int16)


def blockwise(pcm: Pcm, size: int, presence: float = 0.0) -> Pcm:
    finisher = PhraseMastering(FROM_HZ, 8000, 1.0, presence)
    out = [finisher.push(pcm[i : i + size]) for i in range(0, len(pcm), size)]
    return np.concatenate([*out, finisher.push(pcm[:0], last=True)])


@pytest.mark.parametrize("presence", [0.0, 0.6])
@pytest.mark.parametrize("size", [100, 1323, 5000])
def test_blocks_join_without_a_seam(size: int, presence: float) -> None:
    """However the engine cuts it, the same samples come out as in one piece: no click, nothing lost."""
    speech = np.concatenate([silence(0.2), tone(0.5), silence(0.3), tone(0.4, 0.9, 700), silence(0.5)])
    cut, whole = blockwise(speech, size, presence), blockwise(speech, len(speech), presence)
    assert abs(len(cut) - len(whole)) <= 1
    n = min(len(cut), len(whole))
    assert np.abs(cut[:n].astype(int) - whole[:n]).max() <= 2


def test_silence_before_and_after_is_cut_and_kept_between() -> None:
    out = blockwise(np.concatenate([silence(0.5), tone(0.2), silence(0.3), tone(0.2), silence(0.5)]), 1323)
    assert len(out) / 8000 == pytest.approx(0.01 + 0.7 + 0.06, abs=0.02)


def test_silence_alone_gives_nothing() -> None:
    assert len(blockwise(silence(1.0), 1323)) == 0


def test_nothing_clips_and_quiet_speech_is_not_bent() -> None:
    ramp: NDArray[np.float32] = np.linspace(-20, 20, 4001).astype(np.float32)
    bent = limit(ramp)
    assert np.abs(bent).max() <= CEILING
    assert np.all(np.diff(bent) >= 0)
    inside = np.abs(ramp) < 0.5
    assert np.array_equal(bent[inside], ramp[inside])


@pytest.mark.parametrize("level", [0.02, 0.1, 0.5])
def test_every_voice_gets_the_same_loudness(level: float) -> None:
    speech = np.concatenate([tone(0.5, level), silence(1.0), tone(0.5, level)])
    out = master_clip(speech, FROM_HZ, 8000, gain_for(to_float(speech), FROM_HZ))
    assert 20 * np.log10(active_rms(to_float(out), 8000)) == pytest.approx(-20, abs=0.7)


def test_silence_is_not_amplified() -> None:
    assert gain_for(np.zeros(8000, np.float32), 8000) == 1.0
    assert active_rms(np.zeros(0, np.float32), 8000) == 0.0


def test_what_the_line_cannot_carry_is_gone_and_not_folded_back() -> None:
    out = to_float(master_clip(tone(1.0, 0.3, 6000), FROM_HZ, 8000, 1.0))
    assert len(out) == 0 or np.sqrt(np.mean(out[800:-800] ** 2)) < 0.003


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_presence_lifts_consonants_over_the_low_end_at_either_rate(rate_hz: int) -> None:
    def gain(hz: float) -> float:
        sine = tone(1.0, 0.2, hz)
        out = PhraseMastering(FROM_HZ, rate_hz, 1.0, 0.6).push(sine, last=True)
        return active_rms(to_float(out), rate_hz) / active_rms(to_float(sine), FROM_HZ)

    assert 20 * np.log10(gain(3400) / gain(300)) == pytest.approx(11, abs=1)
