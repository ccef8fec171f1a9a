"""Key presses as tones in the audio, for peers without telephone events (ITU-T Q.23, Q.24; no I/O).

Every 10 ms the power at the eight frequencies over 16 ms is taken (a Goertzel bank, as one matrix product for all
windows of a block). A window speaks for a key when nearly all its power lies in one row and one column, with a
permitted twist. How much each tone's phase advances from one window to the next says how far off its frequency is:
this is what tells keys from speech in so short a time.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .codecs import Pcm
from .dtmf import COLUMNS_HZ, PAD, ROWS_HZ, ZERO_DBM0

WINDOW_MS = 16
HOP_MS = 10
MIN_LEVEL_DBM0 = -38.0
"""Of each tone."""
MAX_TWIST_DB = 6.0
"""Column over row; Q.24 table A-1 lists 4 to 6 dB."""
MAX_REVERSE_TWIST_DB = 10.0
"""Row over column, as lines attenuate high frequencies more; Q.24 lists up to 8 dB."""
MAX_OFF = 0.026
"""Deviation of a frequency: between the 1.5 % + 2 Hz to be accepted and the 3.5 % to be refused."""
MIN_SHARE = 0.77
"""Of the window's power, in the two tones."""
ON_WINDOWS = 3
"""33 ms of tone: accepts 40 ms always and 24 ms never."""
OFF_WINDOWS = 3
"""A pause of 30 ms: an interruption of 10 ms is bridged, a pause of 40 ms is not."""
MAX_SWING = 2.0
"""Between the powers of the windows of one press, 3 dB: what covers only a part of it does not count."""

_FREQUENCIES_HZ = np.array((*ROWS_HZ, *COLUMNS_HZ), np.float32)
_LEAST = ZERO_DBM0 * 10 ** (MIN_LEVEL_DBM0 / 20) * 2**0.5
_HINT = 0.4
"""Of the window's power before its frequencies are known: less cannot become `MIN_SHARE`."""


class _Window(NamedTuple):
    """What one window says, with the complex amplitudes of its strongest row and column."""

    key: str
    low: complex
    high: complex
    energy: float
    """Of all it contains, as the square of the amplitude that a sine with it would have."""

    @property
    def power(self) -> float:
        return abs(self.low) ** 2 + abs(self.high) ** 2


@lru_cache(maxsize=2)
def _bank(rate_hz: int) -> NDArray[np.float32]:
    """Cosines and sines of the eight frequencies, shape (window, 16), scaled so that products are amplitudes."""
    time_s = np.arange(rate_hz * WINDOW_MS // 1000) / rate_hz
    phase = 2 * np.pi * np.outer(time_s, _FREQUENCIES_HZ)
    return (np.concatenate((np.cos(phase), -np.sin(phase)), axis=1) * 2 / len(time_s)).astype(np.float32)


class DtmfDetector:
    """Finds keys in one stream of int16 audio at `rate_hz` (8000 or 16000)."""

    def __init__(self, rate_hz: int) -> None:
        self._bank = _bank(rate_hz)
        self._hop = rate_hz * HOP_MS // 1000
        self._rest = np.zeros(0, np.float32)
        self._last: _Window | None = None
        """The window before, when it speaks for a key."""
        self._run = 0
        """Windows in a row that speak for the same key."""
        self._pressed: _Window | None = None
        """Of the key that was told last and is still held."""
        self._off = 0
        """Windows since one spoke for the key that is held."""

    def feed(self, pcm: Pcm) -> str:
        """The next samples of the stream; returns the keys that were recognised in them, mostly none."""
        line = np.concatenate((self._rest, pcm), dtype=np.float32)
        size = len(self._bank)
        count = (len(line) - size) // self._hop + 1
        if count <= 0:
            self._rest = line
            return ""
        windows = np.lib.stride_tricks.sliding_window_view(line, size)[: count * self._hop : self._hop]
        self._rest = line[count * self._hop :]
        products = windows @ self._bank
        waves = products[:, :8] + 1j * products[:, 8:]
        powers = (products * products).reshape(count, 4, 4)
        powers = powers[:, :2] + powers[:, 2:]
        energies = np.einsum("ij,ij->i", windows, windows) * (2 / size)
        best = powers.argmax(2)
        hints = powers.max(2).sum(1) > _HINT * energies
        keys = ""
        for index in range(count):
            window = None
            if hints[index]:
                row, column = int(best[index, 0]), int(best[index, 1])
                low, high = complex(waves[index, row]), complex(waves[index, 4 + column])
                window = _Window(PAD[4 * row + column], low, high, float(energies[index]))
            keys += self._step(window if window is not None and _is_pair(window) else None)
        return keys

    def _step(self, window: _Window | None) -> str:
        """One window, None when it speaks for no key; returns the key that it makes certain."""
        last, self._last = self._last, window
        if window is None:
            self._run = 0
        elif last is not None and last.key == window.key and _is_steady(last, window) and _is_tuned(last, window):
            self._run += 1
        else:
            self._run = 1
        held = self._pressed
        if held is not None:
            if window is not None and window.key == held.key and window.power * MAX_SWING > held.power:
                self._off = 0
                return ""
            self._off += 1
            if self._off >= OFF_WINDOWS:
                self._pressed = None
        if window is None or self._run < ON_WINDOWS:
            return ""
        if self._pressed is not None and self._pressed.key == window.key:
            return ""
        self._pressed, self._off = window, 0
        return window.key


def _is_pair(window: _Window) -> bool:
    """Two tones loud enough and near enough to each other in level."""
    low, high = abs(window.low), abs(window.high)
    return (
        min(low, high) >= _LEAST
        and high <= low * 10 ** (MAX_TWIST_DB / 20)
        and low <= high * 10 ** (MAX_REVERSE_TWIST_DB / 20)
    )


def _is_steady(before: _Window, after: _Window) -> bool:
    return before.power < MAX_SWING * after.power and after.power < MAX_SWING * before.power


def _is_tuned(before: _Window, after: _Window) -> bool:
    """Whether both frequencies are right, and nearly nothing else is there."""
    row, column = divmod(PAD.index(after.key), 4)
    power = 0.0
    for wave, earlier, hz in ((after.low, before.low, ROWS_HZ[row]), (after.high, before.high, COLUMNS_HZ[column])):
        off_hz = _off_hz(earlier, wave, hz)
        if abs(off_hz) > MAX_OFF * hz:
            return False
        # A tone beside the bank's frequency shows weaker there than it is.
        power += abs(wave) ** 2 / float(np.sinc(off_hz * WINDOW_MS / 1000)) ** 2
    return power >= MIN_SHARE * after.energy


def _off_hz(before: complex, after: complex, hz: int) -> float:
    """From the phase's advance over a hop; unambiguous within 50 Hz."""
    turns = cmath.phase(after * before.conjugate()) / (2 * math.pi) - hz * HOP_MS / 1000
    return (turns - round(turns)) * 1000 / HOP_MS
