"""What is made up for lost packets goes on as the voice did, and fades."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.media.codecs import Pcm
from telephony.media.loss_concealment import Concealer


def vowel(rate_hz: int, seconds: float, pitch_hz: float = 130) -> Pcm:
    """Ten harmonics that fall off, as in a voiced sound."""
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    wave = sum(np.sin(2 * np.pi * pitch_hz * (one + 1) * time_s + one) / (one + 1) for one in range(10))
    return np.asarray(wave * 5000).astype(np.int16)


def fed(pcm: Pcm, rate_hz: int) -> Concealer:
    concealer = Concealer(rate_hz)
    size = rate_hz // 50
    for start in range(0, len(pcm), size):
        concealer.arrived(pcm[start : start + size])
    return concealer


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("pitch_hz", [80, 130, 220, 390])
def test_a_voice_goes_on_at_its_pitch(rate_hz: int, pitch_hz: float) -> None:
    """The first 10 ms are what would have come, to 15 dB and better."""
    whole = vowel(rate_hz, 0.3, pitch_hz)
    known, lost = whole[: rate_hz // 5], whole[rate_hz // 5 : rate_hz // 5 + rate_hz // 100].astype(float)
    made = fed(known, rate_hz).conceal(rate_hz // 50)[: rate_hz // 100]
    assert 10 * np.log10((lost**2).mean() / (((made - lost) ** 2).mean() + 1)) > 15


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_there_is_no_click_at_either_end(rate_hz: int) -> None:
    """No step is larger than the voice's own, though what comes after has moved on by a third of a period."""
    whole = vowel(rate_hz, 0.4)
    cut, back = rate_hz // 5, rate_hz // 5 + rate_hz // 50 + rate_hz // 390
    concealer = fed(whole[:cut], rate_hz)
    out = np.concatenate((whole[:cut], concealer.conceal(rate_hz // 50), concealer.arrived(whole[back : back + 320])))
    steps = np.abs(np.diff(out.astype(int)))
    assert steps[cut - 2 :].max() <= 1.2 * steps[:cut].max()


def test_it_fades_and_is_silent_after_60_ms() -> None:
    concealer = fed(vowel(8000, 0.2), 8000)
    loudness = [float(np.abs(concealer.conceal(160).astype(int)).mean()) for _ in range(4)]
    assert loudness[0] > loudness[1] > loudness[2] > 0
    assert loudness[3] == 0


def test_a_hole_taken_in_pieces_is_the_same_as_in_one() -> None:
    pcm = vowel(8000, 0.2)
    pieces = fed(pcm, 8000)
    in_pieces = np.concatenate([pieces.conceal(size) for size in (1, 79, 80, 160, 200, 300)])
    assert in_pieces.tolist() == fed(pcm, 8000).conceal(820).tolist()


def test_what_is_heard_without_a_hole_passes_unchanged() -> None:
    concealer = fed(vowel(8000, 0.1), 8000)
    block = vowel(8000, 0.02)
    assert concealer.arrived(block) is block


def test_nothing_heard_yet_is_concealed_by_silence() -> None:
    assert not Concealer(8000).conceal(400).any()


def test_a_sender_known_to_be_silent_is_not_made_to_speak() -> None:
    concealer = fed(vowel(8000, 0.2), 8000)
    concealer.forget()
    assert not concealer.conceal(160).any()


@pytest.mark.parametrize("pair", [(32767, 32767), (-32768, -32768), (0, 0), (32767, -32768)])
def test_extreme_sound_is_concealed_without_overflow(pair: tuple[int, int]) -> None:
    block = np.tile(pair, 80)
    concealer = fed(np.tile(block, 10).astype(np.int16), 8000)
    made = concealer.conceal(160).astype(int)
    assert np.sign(made[:40]).tolist() == np.sign(block[:40]).astype(int).tolist()
    concealer.arrived(block.astype(np.int16))


def test_noise_is_not_made_to_hum() -> None:
    """What is repeated of noise is long: no lag below 10 ms stands out in what is made up."""
    noise = (np.random.default_rng(711).standard_normal(3200) * 2000).astype(np.int16)
    made = fed(noise, 8000).conceal(240).astype(float)
    made /= np.linalg.norm(made)
    likeness = [float(made[lag:] @ made[:-lag]) for lag in range(20, 80)]
    assert max(likeness) < 0.5
