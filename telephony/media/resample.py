"""From 8000 to 16000 Hz and back in a stream, 1 ms late (soxr's streams hold 30 to 60 ms back; no I/O)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .codecs import Pcm

_SIDE = 15
"""Taps to each side of the middle at 16000 Hz; odd, so that the outermost is not one of the half-band's zeros."""


def _half_band() -> NDArray[np.float32]:
    """A half-band low-pass: -6 dB at 4000 Hz, flat to 0.1 dB at 3400, 60 dB down from 5000 (windowed sinc, Kaiser)."""
    at = np.arange(-_SIDE, _SIDE + 1)
    taps = np.sinc(at / 2) / 2 * np.kaiser(len(at), 5.0)
    return np.asarray(taps / taps.sum(), np.float32)


_TAPS = _half_band()
_ODD = _TAPS[0::2] * 2
"""What lies between two samples; the samples themselves pass unchanged (a half-band's other phase is one tap)."""


class Doubler:
    """8000 to 16000 Hz: two samples out for each in."""

    def __init__(self) -> None:
        self._past = np.zeros(_SIDE, np.float32)

    def __call__(self, pcm: Pcm) -> Pcm:
        """The next samples, shape (n,), to (2n,), int16."""
        line = np.concatenate((self._past, pcm), dtype=np.float32)
        self._past = line[len(line) - _SIDE :]
        out = np.empty(2 * len(pcm), np.float32)
        middle = _SIDE // 2
        out[0::2] = line[middle : middle + len(pcm)]
        out[1::2] = np.convolve(line, _ODD, "valid")[: len(pcm)]
        return _rounded(out)


class Halver:
    """16000 to 8000 Hz: one sample out for two in; an odd one waits for the next block."""

    def __init__(self) -> None:
        self._past = np.zeros(2 * _SIDE, np.float32)

    def __call__(self, pcm: Pcm) -> Pcm:
        """The next samples, shape (n,), to about (n/2,), int16."""
        line = np.concatenate((self._past, pcm), dtype=np.float32)
        ready = (len(line) - 2 * _SIDE) // 2
        self._past = line[2 * ready :]
        if ready == 0:
            return np.zeros(0, np.int16)
        return _rounded(np.convolve(line, _TAPS, "valid")[: 2 * ready : 2])


Resampler = Doubler | Halver


def make_resampler(from_hz: int, to_hz: int) -> Resampler | None:
    """None when there is nothing to do. Raises ValueError for other rates than 8000 and 16000."""
    if {from_hz, to_hz} - {8000, 16000}:
        raise ValueError(f"{from_hz} to {to_hz} Hz is not done here")
    if from_hz == to_hz:
        return None
    return Doubler() if from_hz < to_hz else Halver()


def _rounded(wave: NDArray[np.float32]) -> Pcm:
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
