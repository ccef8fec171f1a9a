"""Whether what came in is the prompt that went out: telephone hybrids and loudspeakers send it back.

There is no canceller in front of recognition, so the outgoing audio is the reference: the newest 0.2 s of what was
heard are correlated with the last seconds of what was played, after pre-emphasis (which flattens speech, so that vowels
of two speakers do not look alike). Normalised, an echo 10 to 30 dB down through a µ-law line gives 0.6–0.95 and other
speakers at most 0.34.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telephony.leg import Pcm

ALIKE = 0.45
SEGMENT = 1600
"""Samples at 8000 Hz that are compared."""
KEPT = 30000
"""Samples at 8000 Hz of outgoing audio kept (3.75 s): what a network and a room may delay, and what is still queued."""
_EMPHASIS = 0.95
_FFT = 32768


class EchoReference:
    """What one call was played last."""

    def __init__(self) -> None:
        self._played = np.zeros(SEGMENT, np.float32)

    def add(self, pcm: Pcm) -> None:
        """Outgoing audio, at 8000 Hz."""
        self._played = np.concatenate([self._played[-KEPT:], pcm.astype(np.float32)])[-KEPT:]

    def likeness(self, heard: Pcm) -> float:
        """Greatest normalised correlation, 0..1, of the last `SEGMENT` samples of `heard` with what was played."""
        if heard.size < SEGMENT or not np.any(self._played):
            return 0.0
        segment, played = _flat(heard[-SEGMENT:].astype(np.float32)), _flat(self._played)
        spectrum = np.fft.rfft(played, _FFT) * np.conj(np.fft.rfft(segment, _FFT))
        correlation = np.fft.irfft(spectrum, _FFT)[: played.size - SEGMENT + 1]
        energy = np.concatenate([[0.0], np.cumsum(np.square(played, dtype=np.float64))])
        window = energy[SEGMENT:] - energy[:-SEGMENT]
        # Windows far below the loudest are silence between words: dividing by them would only magnify noise.
        norm = np.sqrt(np.maximum(window, 1e-3 * window.max()) * np.dot(segment, segment))
        return float(np.max(np.abs(correlation) / np.maximum(norm, 1.0)))

    def is_echo(self, heard: Pcm) -> bool:
        """Whether `heard` ends in what was played."""
        return self.likeness(heard) > ALIKE


def _flat(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.append(samples[:1], samples[1:] - np.float32(_EMPHASIS) * samples[:-1])
