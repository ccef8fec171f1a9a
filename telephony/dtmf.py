"""Key presses as telephone events (RFC 4733) both ways, and as tones for a peer without them (no I/O)."""

from __future__ import annotations

import struct
from collections import deque
from typing import NamedTuple

import numpy as np

from .codecs import RATE_HZ, Pcm

KEYS = "0123456789*#ABCD"
"""By event code 0-15 (RFC 4733 §3.2)."""

SLOT_SAMPLES = 160
_EVENT = struct.Struct("!BBH")
_UPDATES = 4
_ENDS = 3
_EVENT_SAMPLES = (_UPDATES + 1) * SLOT_SAMPLES
"""100 ms: what RFC 4733 §2.5.1 and every IVR takes for one press."""
_PAUSE_SLOTS = 3
_VOLUME = 10
"""-10 dBm0."""
_REMEMBERED = 16

_ROWS_HZ = (697, 770, 852, 941)
_COLUMNS_HZ = (1209, 1336, 1477, 1633)
_PAD = "123A456B789C*0#D"


def check_keys(keys: str) -> str:
    """`keys` in upper case. Raises ValueError for anything that is not on a keypad."""
    upper = keys.upper()
    if not all(key in KEYS for key in upper):
        raise ValueError("keys are 0-9, *, # and A-D")
    return upper


class DtmfReceiver:
    """One key per event, at its first packet: neither lost ends nor wrong durations matter."""

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)
        self._code = -1
        self._last_timestamp = 0
        self._duration = 0
        self._ended = True

    def packet(self, timestamp: int, payload: bytes) -> str | None:
        """Take one telephone-event packet, in sequence order; the key if it begins one."""
        if len(payload) < _EVENT.size:
            return None
        code, flags, duration = _EVENT.unpack_from(payload)
        if code >= len(KEYS):
            return None
        if timestamp in self._seen:
            if timestamp == self._last_timestamp:
                self._duration = max(self._duration, duration)
                self._ended = self._ended or bool(flags & 0x80)
            return None
        # A press longer than a duration field goes on as a new segment where the last one stopped (§2.5.1.3).
        distance = (timestamp - self._last_timestamp) & 0xFFFFFFFF
        segment = code == self._code and not self._ended and distance == self._duration >= 0xFF00
        self._seen.append(timestamp)
        self._code, self._last_timestamp, self._duration = code, timestamp, duration
        self._ended = bool(flags & 0x80)
        return None if segment else KEYS[code]


class EventSlot(NamedTuple):
    """What to send in one 20 ms slot of an event."""

    payload: bytes
    marker: bool
    offset_samples: int
    """Distance back from the media clock to the event's beginning, whose timestamp all its packets carry."""


class DtmfSender:
    """Turns keys into one packet per 20 ms slot: updates, three ends, then a pause before the next key."""

    def __init__(self) -> None:
        self._keys: deque[int] = deque()
        self._slot = 0

    def __bool__(self) -> bool:
        return bool(self._keys)

    def press(self, keys: str) -> None:
        """Queue keys. Raises ValueError for anything that is not on a keypad."""
        self._keys.extend(KEYS.index(key) for key in check_keys(keys))

    def next(self) -> EventSlot | None:
        """The packet of this slot; None in the pause after a key, and when there is nothing to send."""
        if not self._keys:
            return None
        slot, self._slot = self._slot, self._slot + 1
        if slot >= _UPDATES + _ENDS:
            if slot + 1 == _UPDATES + _ENDS + _PAUSE_SLOTS:
                self._keys.popleft()
                self._slot = 0
            return None
        ending = slot >= _UPDATES
        duration = _EVENT_SAMPLES if ending else (slot + 1) * SLOT_SAMPLES
        payload = _EVENT.pack(self._keys[0], (0x80 if ending else 0) | _VOLUME, duration)
        return EventSlot(payload, slot == 0, slot * SLOT_SAMPLES)


def tones(keys: str) -> Pcm:
    """Dual tones (ITU-T Q.23), 100 ms each with 60 ms between, for peers without telephone-event; 8000 Hz."""
    time_s = np.arange(_EVENT_SAMPLES) / RATE_HZ
    pause = np.zeros(_PAUSE_SLOTS * SLOT_SAMPLES, np.int16)
    blocks = []
    for key in check_keys(keys):
        row, column = divmod(_PAD.index(key), 4)
        wave = sum(np.sin(2 * np.pi * hz * time_s) for hz in (_ROWS_HZ[row], _COLUMNS_HZ[column]))
        blocks += [np.asarray(wave * 6000).astype(np.int16), pause]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
