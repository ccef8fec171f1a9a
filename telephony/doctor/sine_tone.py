"""A test tone, and what is left of it at the other end. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telephony.media.codecs import Pcm
from telephony.media.dtmf import ZERO_DBM0

FRAME_S = 0.05
QUIET_DBM0 = -50.0
"""Less than this is silence, or comfort noise."""
NEAR_HZ = 12.0
"""How far off a tone may be to count as the one that was sent."""
SHARE = 0.6
"""Of a frame's power, within `NEAR_HZ` of the tone, when the frame is the tone."""


@dataclass(frozen=True, slots=True)
class HeardTone:
    """What was heard in one direction."""

    tone_s: float = 0.0
    """How long the tone was there."""
    level_dbm0: float | None = None
    """Of the tone; None when it was not there."""
    other_s: float = 0.0
    """How long there was sound that was not the tone."""
    strongest_hz: float | None = None
    """The main frequency of that other sound."""


def tone(hz: float, seconds: float, level_dbm0: float, rate_hz: int) -> Pcm:
    """A sine, shape (n,), int16, with 10 ms of fading at both ends so that it does not click."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    peak = ZERO_DBM0 * 2**0.5 * 10 ** (level_dbm0 / 20)
    fade = np.minimum(1.0, np.minimum(time_s, seconds - time_s) / 0.01)
    return np.round(peak * fade * np.sin(2 * np.pi * hz * time_s)).astype(np.int16)


def measure(pcm: Pcm, hz: float, rate_hz: int) -> HeardTone:
    """Look for a tone of `hz` in what was heard (int16, shape (n,))."""
    size = round(FRAME_S * rate_hz)
    count = len(pcm) // size
    if count == 0:
        return HeardTone()
    frames = pcm[: count * size].reshape(count, size).astype(np.float64) * np.hanning(size)
    powers: NDArray[np.float64] = np.abs(np.fft.rfft(frames, 4 * size)) ** 2
    frequencies = np.asarray(np.fft.rfftfreq(4 * size, 1 / rate_hz), np.float64)
    total = powers.sum(axis=1)
    # By Parseval, for one side of the spectrum of a windowed frame: mean square of the samples.
    square = 2 * total / (4 * size) / (np.hanning(size) ** 2).sum()
    level = 10 * np.log10(np.maximum(square, 1e-9) / ZERO_DBM0**2)
    peaks = _peaks(powers, frequencies)
    # The window spreads a tone over two bins of the frame's own resolution to each side.
    near = np.abs(frequencies - hz) <= NEAR_HZ + 2 / FRAME_S
    share = powers[:, near].sum(axis=1) / np.maximum(total, 1e-9)
    loud = level > QUIET_DBM0
    is_tone = loud & (share > SHARE) & (np.abs(peaks - hz) <= NEAR_HZ)
    other = loud & ~is_tone
    return HeardTone(
        tone_s=float(is_tone.sum() * FRAME_S),
        level_dbm0=float(np.median(level[is_tone])) if is_tone.any() else None,
        other_s=float(other.sum() * FRAME_S),
        strongest_hz=float(np.median(peaks[other])) if other.any() else None,
    )


def _peaks(powers: NDArray[np.float64], frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """The strongest frequency of each frame, above 100 Hz (hum does not count)."""
    first = int(np.searchsorted(frequencies, 100.0))
    found: NDArray[np.float64] = frequencies[first + powers[:, first:].argmax(axis=1)]
    return found
