"""Audio that a player reads from any place: a prompt that is still growing, or music without end."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from telephony.leg import Pcm


class AudioSource(Protocol):
    """Audio by sample number."""

    @property
    def available(self) -> int | None:
        """Samples there are so far; None for no end."""
        ...

    @property
    def ended(self) -> bool:
        """No more will come than is available."""
        ...

    def read(self, begin: int, count: int) -> Pcm:
        """Up to `count` samples from `begin` on; fewer at the end."""
        ...


class PromptBuffer:
    """A prompt being recorded and played at the same time."""

    def __init__(self) -> None:
        self._samples: Pcm = np.zeros(16000, np.int16)
        self._length = 0
        self._ended = False

    @property
    def available(self) -> int:
        return self._length

    @property
    def ended(self) -> bool:
        return self._ended

    def append(self, pcm: Pcm) -> None:
        """Add audio at the end."""
        needed = self._length + len(pcm)
        if needed > len(self._samples):
            grown = np.zeros(max(needed, 2 * len(self._samples)), np.int16)
            grown[: self._length] = self._samples[: self._length]
            self._samples = grown
        self._samples[self._length : needed] = pcm
        self._length = needed

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True

    def read(self, begin: int, count: int) -> Pcm:
        return self._samples[begin : min(begin + count, self._length)].copy()

    def quiet_spot(self, before: int, rate_hz: int, within_s: float) -> int:
        """Where to go on after a pause at `before`: the quietest 20 ms of `within_s` seconds, mostly between words."""
        frame = rate_hz // 50
        begin = max(0, before - int(rate_hz * within_s))
        frames = (min(before, self._length) - begin) // frame
        if begin == 0 and frames < 10:  # paused in the first syllables: say it again
            return 0
        block = self._samples[begin : begin + frames * frame].reshape(frames, frame).astype(np.float32)
        return begin + int(np.argmin(np.square(block).mean(axis=1))) * frame


class AudioLoop:
    """The same audio again and again."""

    available = None
    ended = False

    def __init__(self, pcm: Pcm) -> None:
        if not len(pcm):
            raise ValueError("a loop needs audio")
        self._pcm = pcm

    def read(self, begin: int, count: int) -> Pcm:
        return np.take(self._pcm, np.arange(begin, begin + count), mode="wrap")
