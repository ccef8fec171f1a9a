"""From a synthetic voice to what a telephone brings: throat, room, handset, noise and µ-law, all by chance."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin2, lfilter

from telephony.media.codecs import RATE_HZ, Pcm, decode, encode
from voicebot.asr.recogniser import Audio

HISS_RMS = 8.0
"""Of a quiet line, in steps of 16 bits."""
_SNRS_DB = (None, None, 20.0, 12.0, 7.0)
_BANDS = np.array([0, 0.075, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0])
"""Of half the sample rate: where handsets differ."""
_BAND_DB = 2.0
"""By which neighbouring bands differ (standard deviation)."""
_LOWEST = 0.2
"""What a telephone leaves of the lowest band."""
_IN_A_ROOM = 0.4


def through_telephone(sound: Audio, rate_hz: int, chance: np.random.Generator) -> tuple[Pcm, int, int]:
    """A voice behind a line at 8000 Hz, and its first sample and the one after its last.

    Args:
        sound: (n,) at `rate_hz`, not empty.
    """
    voice = _handset(soxr.resample(sound, rate_hz, RATE_HZ / chance.uniform(0.88, 1.15)), chance)
    voice *= chance.uniform(2000, 16000) / (np.abs(voice).max() + 1e-9)
    lead, tail = (int(RATE_HZ * chance.uniform(*span)) for span in ((0.2, 0.4), (0.05, 0.3)))
    heard = np.concatenate([np.zeros(lead), voice, np.zeros(tail)])
    snr_db = _SNRS_DB[chance.integers(len(_SNRS_DB))]
    level = HISS_RMS if snr_db is None else float(np.sqrt(np.square(voice).mean())) * 10 ** (-snr_db / 20)
    heard += level * _noise(len(heard), chance)
    pcm = np.clip(heard, -32768, 32767).astype(np.int16)
    return decode(encode(pcm, "PCMU"), "PCMU"), lead, lead + len(voice)


def _handset(voice: Audio, chance: np.random.Generator) -> Audio:
    gains = 10 ** (np.cumsum(chance.normal(0, _BAND_DB, len(_BANDS))) / 20)
    gains[0] *= _LOWEST
    voice = fftconvolve(voice, firwin2(65, _BANDS, gains), "same")
    if chance.random() < _IN_A_ROOM:
        size = int(RATE_HZ * chance.uniform(0.05, 0.25))
        echoes = chance.normal(0, 1, size) * np.exp(-np.arange(size) / (size / 5))
        echoes *= chance.uniform(0.1, 0.5) / np.sqrt(np.square(echoes).sum())
        echoes[0] = 1.0
        voice = fftconvolve(voice, echoes)
    return np.asarray(voice, np.float32)


def _noise(size: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """(size,) of RMS 1: white, of a street, or swelling."""
    skipped = 200
    white = chance.normal(0, 1, size + skipped)
    kind = chance.integers(3)
    if kind == 1:
        white = lfilter([1], [1, -0.95], white)
    elif kind == 2:
        swell = 2 * np.pi * chance.uniform(1, 6) * np.arange(size + skipped) / RATE_HZ
        white = lfilter([1, -0.6], [1, -0.2], white) * (1 + 0.8 * np.sin(swell))
    noise = np.asarray(white[skipped:], np.float64)
    return np.asarray(noise / np.sqrt(np.square(noise).mean()), np.float64)
