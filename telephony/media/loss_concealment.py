"""Sound in place of lost packets: the pitch periods of what was heard last, fading away (after ITU-T G.711 appendix I).

Unlike there nothing is delayed for the sake of the seam at the beginning: the step is taken out of what is made up.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .codecs import Pcm

_Wave = NDArray[np.float32]

_MIN_PITCH_MS = 2.5
_MAX_PITCH_MS = 15
_MATCH_MS = 20
"""How much of the end is compared with what came before it."""
_HISTORY_MS = 50
"""Three of the longest periods and a quarter to fade over."""
_FULL_MS = 10
_GONE_MS = 60
_BLEND_MS = 5
_STEP_MS = 1
_VOICED = 0.5
"""Less likeness than this is no pitch; a longer piece is repeated then, as a short one would hum."""


class Concealer:
    """Fills holes in one stream of int16 audio at `rate_hz`."""

    def __init__(self, rate_hz: int) -> None:
        self._per_ms = rate_hz // 1000
        self._past: deque[Pcm] = deque(maxlen=8)
        self._made: _Wave = np.zeros(0, np.float32)
        self._at = 0
        """In the hole, and of `_made`: so far in it."""
        self._in_hole = False

    def arrived(self, pcm: Pcm) -> Pcm:
        """Note a block that did arrive; returns it, blended with what was made up when it ends a hole."""
        if self._in_hole:
            pcm = self._blend(pcm)
            self._in_hole = False
            self._past.clear()
        self._past.append(pcm)
        return pcm

    def forget(self) -> None:
        """The sender is known to be silent: there is nothing to go on with."""
        self._past.clear()
        self._in_hole = False

    def conceal(self, samples: int) -> Pcm:
        """The next `samples` samples in place of missing ones; silence once 60 ms are missing."""
        if not self._in_hole:
            self._made, self._at, self._in_hole = self._make(), 0, True
        made = self._made[self._at : self._at + samples]
        self._at += samples
        out = np.zeros(samples, np.int16)
        out[: len(made)] = made
        return out

    def _blend(self, pcm: Pcm) -> Pcm:
        made = self._made[self._at : self._at + min(_BLEND_MS * self._per_ms, len(pcm))]
        if not len(made):
            return pcm
        rise = np.arange(1, len(made) + 1, dtype=np.float32) / (len(made) + 1)
        out = pcm.copy()
        out[: len(made)] = made + (pcm[: len(made)] - made) * rise
        return out

    def _make(self) -> _Wave:
        """The whole of a hole at once, as it may be needed: `_GONE_MS`."""
        per_ms = self._per_ms
        if sum(map(len, self._past)) < (_MATCH_MS + _MAX_PITCH_MS) * per_ms:
            return np.zeros(0, np.float32)
        past: _Wave = np.concatenate(self._past)[-_HISTORY_MS * per_ms :].astype(np.float32)
        period, likeness = _pitch(past, per_ms)
        made = _repeat(past, period, _GONE_MS * per_ms, _FULL_MS * per_ms if likeness >= _VOICED else 0)
        step = _STEP_MS * per_ms
        made[:step] += (past[-1] - past[-period - 1]) * np.linspace(1, 0, step, dtype=np.float32)
        full = _FULL_MS * per_ms
        made[full:] *= np.linspace(1, 0, len(made) - full, dtype=np.float32)
        return np.clip(made, -32768, 32767, out=made)


def _pitch(past: _Wave, per_ms: int) -> tuple[int, float]:
    """The lag, in samples, at which the end is most like what came before it, and the normalised correlation there."""
    window, longest, shortest = _MATCH_MS * per_ms, _MAX_PITCH_MS * per_ms, int(_MIN_PITCH_MS * per_ms)
    end = past[-window:]
    before = past[-window - longest : -shortest]
    products = np.correlate(before, end, "valid")
    squares = np.concatenate((np.zeros(1), np.cumsum(before * before, dtype=np.float64)))
    energies = squares[window:] - squares[:-window]
    likeness = products / np.sqrt(np.maximum(energies, 1.0) * max(float(end @ end), 1.0))
    best = int(likeness.argmax())
    return longest - best, float(likeness[best])


def _repeat(past: _Wave, period: int, samples: int, single: int) -> _Wave:
    """The last period again for `single` samples, then the last two, then three, so that it does not hum."""
    quarter = period // 4
    most = min(3, (len(past) - quarter) // period)
    rise = np.linspace(0, 1, quarter, dtype=np.float32)
    pieces: list[_Wave] = []
    made, back = 0, period
    if not single:
        back = most * period
        single = samples
    while made < samples:
        periods = min(1 + made // single, most) if single < samples else most
        fading = past[len(past) - quarter :]
        coming = past[len(past) - quarter - periods * period : len(past) - periods * period]
        pieces += [past[len(past) - back : len(past) - quarter], fading + (coming - fading) * rise]
        made += back
        back = periods * period
    return np.concatenate(pieces)[:samples]
