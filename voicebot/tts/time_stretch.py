"""Slower speech at the same pitch, block by block: waveform similarity overlap-add.

Verhelst and Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale
modification of speech", ICASSP 1993. It works behind every engine, whether that has a speed of its own or not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telephony.leg import Pcm

FRAME_MS = 30
SEARCH_MS = 6
"""To each side; more than half a period of the lowest voice (80 Hz)."""

_Samples = NDArray[np.float32]


class TimeStretcher:
    """One phrase on its way.

    Args:
        rate_hz: of the audio.
        speed: 0.5 … 1; 0.75 makes three seconds four.
    """

    def __init__(self, rate_hz: int, speed: float) -> None:
        self._hop = rate_hz * FRAME_MS // 2000
        self._step = self._hop * speed
        self._search = rate_hz * SEARCH_MS // 1000
        self._window = np.hanning(2 * self._hop + 1)[:-1].astype(np.float32)
        self._audio: _Samples = np.zeros(0, np.float32)
        self._dropped = 0
        """Samples of the phrase that are not needed any more and lie before `_audio`."""
        self._frame = 0
        self._next = 0
        """Sample at which the last frame taken would go on."""
        self._tail: _Samples = np.zeros(self._hop, np.float32)

    def push(self, pcm: Pcm, last: bool = False) -> Pcm:
        """Take a block; returns what is ready, often nothing. `last` ends the phrase."""
        self._audio = np.concatenate([self._audio, pcm.astype(np.float32)])
        end = self._dropped + len(self._audio)
        if last:
            self._audio = np.concatenate([self._audio, np.zeros(2 * self._hop + self._search, np.float32)])
        out = []
        while self._wanted() + self._search + 2 * self._hop <= self._dropped + len(self._audio):
            if last and self._wanted() >= end:
                break
            out.append(self._take())
        self._forget()
        if last:
            out.append(self._tail)
        joined = np.concatenate(out) if out else np.zeros(0, np.float32)
        return np.clip(np.rint(joined), -32768, 32767).astype(np.int16)

    def _wanted(self) -> int:
        """Where the next frame would begin if only time counted."""
        return int(self._frame * self._step)

    def _take(self) -> _Samples:
        """Add the frame near `_wanted` that best continues the last one. Returns the samples that are finished."""
        begin = self._best() if self._frame else 0
        frame = self._audio[begin - self._dropped :][: 2 * self._hop] * self._window
        if self._frame == 0:  # nothing lies before it that it could fade into
            frame[: self._hop] = self._audio[: self._hop]
        done = self._tail + frame[: self._hop]
        self._tail = frame[self._hop :]
        self._next = begin + self._hop
        self._frame += 1
        return done

    def _best(self) -> int:
        first = max(0, self._wanted() - self._search)
        reach = self._audio[first - self._dropped : self._wanted() + self._search + self._hop - self._dropped]
        like = self._audio[self._next - self._dropped :][: self._hop]
        candidates = np.lib.stride_tricks.sliding_window_view(reach, self._hop)
        power = np.square(candidates).sum(1) + 1.0
        return first + int(np.argmax(candidates @ like / np.sqrt(power)))

    def _forget(self) -> None:
        gone = min(self._next, max(0, self._wanted() - self._search)) - self._dropped
        if gone > 0:
            self._audio = self._audio[gone:]
            self._dropped += gone
