"""Telephone events of which the descriptions said nothing, told from whatever else a peer may send (no I/O).

Phones send them as payload type 101 because everybody does. Four bytes alone prove nothing: another codec may have
packets of four bytes, too. A payload type is taken for that of events once three of its packets, one after the other,
speak of one key (the same code and level) as nothing else does:

- with one timestamp: each has grown, by no more than time has passed, or is an end, no shorter than before; or
- with rising ones: each has grown by just as much as its timestamp, until an end comes, no shorter than before.

Audio has a timestamp of its own in every packet. So what is random passes once in some thousand million packets; what
never changes, counts up, or has few values does not pass, for it neither has an end nor keeps time.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

from .dtmf import KEYS
from .rtp import RtpPacket

FIRST_DYNAMIC = 96
"""RFC 3551 section 6: payload types below have a meaning that nobody needs to agree on."""
NEXT_MS = 500.0
"""Two packets of one press are not further apart: updates mostly come every 20 to 50 ms."""
LATE_MS = 60.0
"""So much may a network have held the first packet up."""
FASTEST_HZ = 48_000
"""Of the clocks that durations may have."""
MOST_SKIPPED = 50
"""Sequence numbers between the two: of audio beside the events, or lost."""
PROOF = 3
"""So many packets."""
SLACK = 8
"""Clock units, of rounding."""

_NOTHING_YET = b"\0\0"
"""A duration that some begin with, and that zeros of any other meaning have, too."""
_BLOCK = struct.Struct("!BBH")
_END, _LEVEL = 0x80, 0x3F
"""The bit between is reserved, and to be ignored (RFC 4733 section 2.3.3): sipp lets it flicker."""


class _Seen(NamedTuple):
    payload_type: int
    ssrc: int
    code: int
    level: int
    ended: bool
    duration: int
    timestamp: int
    sequence: int
    at_ms: float

    def is_followed_by(self, other: _Seen) -> bool:
        """Whether the two can be packets of one press, so far as is seen without their timestamps."""
        since_ms = other.at_ms - self.at_ms
        ahead = (other.sequence - self.sequence) & 0xFFFF
        if self[:4] != other[:4] or since_ms > NEXT_MS or not 0 < ahead <= MOST_SKIPPED:
            return False
        grown = other.duration - self.duration
        if self.ended:
            return other.ended and not grown
        return (0 if other.ended else 1) <= grown <= (since_ms + LATE_MS) * FASTEST_HZ / 1000

    def keeps_time(self, other: _Seen) -> bool:
        """Whether duration and timestamp have grown alike, by more than nothing."""
        grown = other.duration - self.duration
        return grown > SLACK and abs(grown - ((other.timestamp - self.timestamp) & 0xFFFFFFFF)) <= SLACK


class UnagreedEvents:
    """Learns payload types of events that were not agreed."""

    def __init__(self) -> None:
        self.types: frozenset[int] = frozenset()
        """Those known so far."""
        self._chain: list[_Seen] = []
        """The last packets, as many as can be of one press."""

    def is_like_event(self, payload_type: int, payload: bytes) -> bool:
        """Whether a packet of a payload type that was not agreed may be an event at all."""
        if len(payload) != _BLOCK.size or payload_type < FIRST_DYNAMIC:
            return False
        return payload_type in self.types or (payload[0] < len(KEYS) and payload[2:] != _NOTHING_YET)

    def learn(self, packet: RtpPacket, now_ms: float) -> bool:
        """Look at a packet that `is_like_event`; whether its payload type is one of events, as far as is known now."""
        if packet.payload_type in self.types:
            return True
        code, flags, duration = _BLOCK.unpack(packet.payload)
        seen = _Seen(
            packet.payload_type,
            packet.ssrc,
            code,
            flags & _LEVEL,
            bool(flags & _END),
            duration,
            packet.timestamp,
            packet.sequence,
            now_ms,
        )
        if not self._chain or not self._chain[-1].is_followed_by(seen):
            self._chain = []
        self._chain = [*self._chain, seen][-PROOF:]
        if len(self._chain) < PROOF or not _are_one_press(self._chain):
            return False
        self.types |= {packet.payload_type}
        return True


def _are_one_press(chain: list[_Seen]) -> bool:
    if all(one.timestamp == chain[0].timestamp for one in chain):
        return True
    *begin, end = chain
    return end.ended and all(first.keeps_time(second) for first, second in pairwise(begin))
