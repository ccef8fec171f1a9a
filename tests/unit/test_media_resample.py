"""Between 8000 and 16000 Hz: nothing lost in level, count or time."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.media.codecs import Pcm
from telephony.media.resample import Halver, make_resampler


def tone(rate_hz: int, hertz: float, seconds: float = 1.0) -> Pcm:
    return (np.sin(2 * np.pi * hertz * np.arange(int(rate_hz * seconds)) / rate_hz) * 8000).astype(np.int16)


def converted(pcm: Pcm, from_hz: int, to_hz: int, block: int) -> Pcm:
    resampler = make_resampler(from_hz, to_hz)
    assert resampler is not None
    return np.concatenate([resampler(pcm[start : start + block]) for start in range(0, len(pcm), block)])


def amplitude(pcm: Pcm, rate_hz: int, hertz: float) -> float:
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(pcm)) / rate_hz)
    return float(np.abs(pcm @ wave) * 2 / len(pcm))


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000)])
@pytest.mark.parametrize("hertz", [100, 1000, 3000, 3400])
def test_speech_keeps_its_level(from_hz: int, to_hz: int, hertz: float) -> None:
    out = converted(tone(from_hz, hertz), from_hz, to_hz, from_hz // 50)
    assert len(out) == to_hz
    assert 20 * np.log10(amplitude(out[to_hz // 2 :], to_hz, hertz) / 8000) == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize("hertz", [5000, 6000, 7500])
def test_what_8000_hz_cannot_hold_does_not_fold_back(hertz: float) -> None:
    out = converted(tone(16000, hertz), 16000, 8000, 320)
    assert 20 * np.log10(out[100:].std() * 2**0.5 / 8000) < -50


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000)])
def test_blocks_of_any_size_make_the_same_stream(from_hz: int, to_hz: int) -> None:
    pcm = tone(from_hz, 440, 0.2)
    whole = converted(pcm, from_hz, to_hz, len(pcm))
    for block in (1, 7, 80, 321):
        assert converted(pcm, from_hz, to_hz, block).tolist() == whole.tolist()


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000)])
def test_the_delay_is_one_millisecond(from_hz: int, to_hz: int) -> None:
    click = np.zeros(from_hz // 10, np.int16)
    click[from_hz // 50] = 20_000
    out = converted(click, from_hz, to_hz, from_hz // 50)
    assert int(np.abs(out).argmax()) * 1000 / to_hz - 20 == pytest.approx(1, abs=0.13)


def test_the_same_rate_needs_none_and_others_are_refused() -> None:
    assert make_resampler(16000, 16000) is None
    with pytest.raises(ValueError, match="44100"):
        make_resampler(44100, 8000)


@pytest.mark.parametrize("block", [1, 7, 160, 320, 321])
def test_block_length_does_not_change_the_result(block: int) -> None:
    pcm = tone(16000, 700, 0.5)
    halve = Halver()
    pieces = [halve(pcm[start : start + block]) for start in range(0, len(pcm), block)]
    assert np.array_equal(np.concatenate(pieces), Halver()(pcm))


def test_speech_passes_and_what_would_fold_down_does_not() -> None:
    passed, folded = Halver()(tone(16000, 990, 0.5)), Halver()(tone(16000, 6000, 0.5))
    assert len(passed) == 4000
    assert np.abs(passed[100:]).max() > 7600
    assert np.abs(folded[100:]).max() < 80


def test_an_empty_block_is_nothing() -> None:
    assert Halver()(np.zeros(0, np.int16)).size == 0
