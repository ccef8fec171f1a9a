"""Levels and silence of audio as it is heard, and finished utterances brought to the engines' 16 kHz."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from telephony.leg import Pcm

FRAME = 80
"""10 ms at 8 000 Hz."""
BELOW_LOUDEST_DB = 30.0


def level_db(pcm: Pcm) -> float:
    """RMS of int16 samples in dB below full scale; -120 for none or silence."""
    if not pcm.size:
        return -120.0
    samples = pcm.astype(np.float32)
    return float(10 * np.log10(np.dot(samples, samples) / (pcm.size * 32768.0**2) + 1e-12))


def trailing_silence(pcm: Pcm) -> int:
    """Samples at the end of an utterance (int16, 8 000 Hz) that no voice is in: after the last 10 ms frame whose level
    is at most `BELOW_LOUDEST_DB` under the loudest of the last two seconds. 0 when there is no frame.
    """
    last = pcm[-2 * 8000 :]
    frames = last[len(last) % FRAME :].astype(np.float32).reshape(-1, FRAME)
    if not len(frames):
        return 0
    powers = np.square(frames).mean(axis=1)
    loud = np.flatnonzero(powers >= powers.max() * 10 ** (-BELOW_LOUDEST_DB / 10))
    return int(len(frames) - 1 - loud[-1]) * FRAME


def for_engine(pcm: Pcm) -> NDArray[np.float32]:
    """A finished utterance, int16 at 8 000 Hz, as engines want it: float at 16 000 Hz."""
    return resample(pcm.astype(np.float32) / np.float32(32768), 8000)


def resample(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """A whole recording → 16 000 Hz."""
    if rate_hz == 16000 or not audio.size:
        return audio.astype(np.float32)
    return np.asarray(soxr.resample(audio, rate_hz, 16000), np.float32)
