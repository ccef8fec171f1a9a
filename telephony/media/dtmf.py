"""Key presses that go out: as telephone events (RFC 4733), and as tones for a peer without them (no I/O)."""

from __future__ import annotations

import struct
from collections import deque
from typing import NamedTuple

import numpy as np

from .codecs import RATE_HZ, Pcm

KEYS = "0123456789*#ABCD"
"""By event code 0-15 (RFC 4733 §3.2)."""

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
PAD = "123A456B789C*0#D"
"""Row by row (ITU-T Q.23)."""
PRESS_MS = 100
"""What RFC 4733 §2.5.1 and every IVR takes for one press; networks ask for 65 at least (ETSI ES 201 235-2)."""
PAUSE_MS = 80
ZERO_DBM0 = 32124 / 2**0.5 / 10 ** (3.17 / 20)
"""RMS of int16 samples: the loudest sine of µ-law is at 3.17 dBm0 (ITU-T G.711)."""

_EVENT = struct.Struct("!BBH")
_ENDS = 3
_VOLUME = 10
"""-10 dBm0."""
_LEVELS_DBM0 = (-11.0, -9.0)
"""Of the row and of the column, which lines attenuate more (ETSI ES 201 235-2)."""
_RAMP_MS = 2


def check_keys(keys: str) -> str:
    """`keys` in upper case. Raises ValueError for anything that is not on a keypad."""
    upper = keys.upper()
    if not all(key in KEYS for key in upper):
        raise ValueError("keys are 0-9, *, # and A-D")
    return upper


class EventSlot(NamedTuple):
    """What to send in one packet's time of an event."""

    payload: bytes
    marker: bool
    offset_units: int
    """Distance back to the event's beginning, whose timestamp all its packets carry; on the clock of events."""


class DtmfSender:
    """Turns keys into one packet per packet time: updates, three ends, then a pause before the next key."""

    def __init__(self) -> None:
        self.waiting: deque[int] = deque()
        """By event code."""
        self._slot = 0

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def press(self, keys: str) -> None:
        """Queue keys. Raises ValueError for anything that is not on a keypad."""
        self.waiting.extend(KEYS.index(key) for key in check_keys(keys))

    def next(self, ptime_ms: int = 20, clock_hz: int = 8000) -> EventSlot | None:
        """The packet of this time; None in the pause after a key, and when there is nothing to send."""
        if not self.waiting:
            return None
        updates = -(-PRESS_MS // ptime_ms) - 1
        pauses = -(-PAUSE_MS // ptime_ms)
        units = ptime_ms * clock_hz // 1000
        slot, self._slot = self._slot, self._slot + 1
        if slot >= updates + _ENDS:
            if slot + 1 >= updates + _ENDS + pauses:
                self.waiting.popleft()
                self._slot = 0
            return None
        ending = slot >= updates
        duration = ((updates if ending else slot) + 1) * units
        payload = _EVENT.pack(self.waiting[0], (0x80 if ending else 0) | _VOLUME, duration)
        return EventSlot(payload, slot == 0, slot * units)


def tones(keys: str, rate_hz: int = RATE_HZ) -> Pcm:
    """Dual tones (ITU-T Q.23), 100 ms each with 80 ms between, for peers without telephone-event.

    Raises ValueError for characters that are not on a keypad.
    """
    time_s = np.arange(rate_hz * PRESS_MS // 1000) / rate_hz
    pause = np.zeros(rate_hz * PAUSE_MS // 1000, np.int16)
    ramp = np.clip(np.minimum(time_s, time_s[::-1]) * 1000 / _RAMP_MS, 0, 1)
    low, high = (ZERO_DBM0 * 2**0.5 * 10 ** (level / 20) for level in _LEVELS_DBM0)
    blocks = []
    for key in check_keys(keys):
        row, column = divmod(PAD.index(key), 4)
        wave = low * np.sin(2 * np.pi * ROWS_HZ[row] * time_s) + high * np.sin(2 * np.pi * COLUMNS_HZ[column] * time_s)
        blocks += [np.asarray(wave * ramp).astype(np.int16), pause]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
