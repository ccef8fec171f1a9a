"""Brings every phrase to the same loudness while it is being made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL_DBFS = -20.0
"""RMS of active speech that comes out."""
HOLD_S = 1.0
"""Speech that a quick engine makes before the first of it leaves, to know how loud a phrase will be. Over the 71 fixed
prompts of the demo's flow the levels' standard deviation is 1.0 dB without levelling, 0.7 with 0.6 s, 0.6 with 1 s, 0.4
with 2 s; each second costs espeak-ng 3 ms."""
MOST_DB = 6.0
"""A phrase is made louder or softer by no more than this."""
SLEW_DB_S = 6.0
"""Change within a phrase, as more of it is known: slower than anybody hears it."""
FRAME_MS = 20
ACTIVE_DB = 25.0
"""Frames that are at most so much below the loudest hold speech."""

Samples = NDArray[np.float32]


def active_rms(audio: Samples, rate_hz: int) -> float:
    """RMS of the 20 ms frames that hold speech: those within 25 dB of the loudest. 0.0 for silence."""
    size = rate_hz * FRAME_MS // 1000
    if len(audio) < size:
        return float(np.sqrt(np.mean(np.square(audio)))) if len(audio) else 0.0
    return _active(_powers(audio, size))


def _powers(audio: Samples, size: int) -> Samples:
    """Mean power of whole frames, shape (len // size,)."""
    return np.asarray(np.mean(np.square(audio[: len(audio) // size * size].reshape(-1, size)), axis=1), np.float32)


def _active(powers: Samples) -> float:
    return float(np.sqrt(powers[powers >= powers.max() * 10 ** (-ACTIVE_DB / 10)].mean()))


class Leveller:
    """One phrase, -1…1, on its way.

    Args:
        rate_hz: of the audio.
        quick: hold back the first `HOLD_S`, because they are made in no time; otherwise start as the voice is and
            follow what comes.
    """

    def __init__(self, rate_hz: int, quick: bool) -> None:
        self._rate_hz = rate_hz
        self._hold = int(HOLD_S * rate_hz) if quick else 0
        self._held: Samples = np.zeros(0, np.float32)
        self._frame = rate_hz * FRAME_MS // 1000
        self._rest: Samples = np.zeros(0, np.float32)
        self._powers: Samples = np.zeros(0, np.float32)
        self._gain: float | None = None if quick else 1.0

    def push(self, audio: Samples, last: bool = False) -> Samples:
        """The next samples, shape (n,); returns what is ready, often nothing at first. `last` ends the phrase."""
        self._measure(audio)
        if self._gain is None:
            self._held = np.concatenate([self._held, audio])
            if len(self._held) < self._hold and not last:
                return self._held[:0]
            self._gain = self._wanted()
            return np.asarray(self._held * np.float32(self._gain), np.float32)
        if not len(audio):
            return audio
        most = 10 ** (SLEW_DB_S / 20 * len(audio) / self._rate_hz)
        gain = min(max(self._wanted(), self._gain / most), self._gain * most)
        ramp = np.linspace(self._gain, gain, len(audio), dtype=np.float32)
        self._gain = gain
        return np.asarray(audio * ramp, np.float32)

    def _measure(self, audio: Samples) -> None:
        line = np.concatenate([self._rest, audio])
        self._rest = line[len(line) // self._frame * self._frame :]
        self._powers = np.concatenate([self._powers, _powers(line, self._frame)])

    def _wanted(self) -> float:
        rms = _active(self._powers) if len(self._powers) else 0.0
        most = 10 ** (MOST_DB / 20)
        return float(min(max(10 ** (LEVEL_DBFS / 20) / rms, 1 / most), most)) if rms > 1e-4 else 1.0
