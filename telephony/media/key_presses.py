"""Which telephone-event packets are one key press (RFC 4733; no I/O, the clock is an argument).

By the RFC a press is a timestamp. On real lines timestamps rise with each packet of a press, differ in its last packets
only, or stay for all keys; all ends are lost, or nothing but ends is sent. So a packet is laid beside the press of the
same code that it may belong to, and `RULES` says by what else the two are the same. What belongs to no press is a new
one, and is told at its first packet: neither lost packets nor wrong durations matter then.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .dtmf import KEYS
from .rtp import RtpPacket

SOON_MS = 100.0
"""Nobody lets a key go and has pressed it again so soon; a network seldom holds one packet up for longer."""
PAUSE_MS = 40.0
"""The shortest pause between two keys (ITU-T Q.24)."""
IN_STEP_MS = 30.0
"""What grew in a packet's field, and what passed on a clock, are the same within so much."""
LONG_MS = 1000.0
"""Who holds a key for so long does not press it again within `SOON_MS`: a segment's last packets may be lost."""
STALLED_MS = 250.0
"""The copies of an end (RFC 4733 section 2.5.1.4) may come so much later where nothing was sent between them."""
COPIES = 3
COPIES_MS = 60.0
"""Between the first of an end's copies and the packet after them."""
OVERTAKEN = 100
"""A number so far back was overtaken (as RFC 3550 appendix A.1 has it); one further back is a restart."""
OVERTAKEN_MS = 500.0
"""After so long without the press, a number that lies back is a player that begins again."""
MAX_BLOCKS = 8
"""In one packet."""

_BLOCK = struct.Struct("!BBH")
_END, _RESERVED = 0x80, 0x40
_REMEMBERED = 8


class TelephoneEvent(NamedTuple):
    """One block of a packet (RFC 4733 section 2.3)."""

    code: int
    ended: bool
    timestamp: int
    """Of its beginning."""
    duration: int
    """Clock units since then."""


def read_events(packet: RtpPacket) -> list[TelephoneEvent]:
    """The events of a packet, mostly one; whatever follows them is left out.

    More than one are there only where they follow one another without a pause (section 2.5.1.5): so the earlier one has
    ended, and filling bytes are none.
    """
    payload, events, timestamp = packet.payload, list[TelephoneEvent](), packet.timestamp
    for start in range(0, min(len(payload), MAX_BLOCKS * _BLOCK.size) - _BLOCK.size + 1, _BLOCK.size):
        code, flags, duration = _BLOCK.unpack_from(payload, start)
        if start and (not events[-1].ended or flags & _RESERVED or not duration):
            break
        events.append(TelephoneEvent(code, bool(flags & _END), timestamp, duration))
        timestamp = (timestamp + duration) & 0xFFFFFFFF
    return events


class Comparison(NamedTuple):
    """A packet beside the press that it may belong to."""

    grown_ms: float
    """Its duration, less that of the press's last packet."""
    later_ms: float
    """Its timestamp, less that of the press's last packet."""
    since_ms: float
    """Between their arrivals."""
    after: int | None
    """Its sequence number, less that of the press's last packet; None where they are of two sources."""
    lasted_ms: float
    """The duration in the press's last packet."""
    marker: bool
    """It says that it begins an event."""

    @property
    def soon(self) -> bool:
        return self.since_ms <= SOON_MS

    @property
    def in_step(self) -> bool:
        """It has grown by as much as time has passed: a clock says so, or nothing was sent between the two."""
        if self.after == 1:
            return True
        return min(abs(self.grown_ms - self.later_ms), abs(self.grown_ms - self.since_ms)) <= IN_STEP_MS

    @property
    def in_step_to_its_end(self) -> bool:
        """The same of an end, which no longer grows in its copies."""
        return any(
            -IN_STEP_MS <= passed - self.grown_ms <= IN_STEP_MS + COPIES_MS for passed in (self.later_ms, self.since_ms)
        )

    @property
    def seamless(self) -> bool:
        """It begins where the last one stopped: a segment of a long press (RFC 4733 section 2.5.1.3), never marked."""
        most_ms = SOON_MS if self.lasted_ms >= LONG_MS else PAUSE_MS - 1
        at_once = self.after == 1 or self.since_ms <= most_ms
        return not self.marker and at_once and -PAUSE_MS < self.later_ms - self.lasted_ms <= most_ms

    @property
    def stands_still(self) -> bool:
        """The very next packet says the same: a duration that is never counted."""
        return self.grown_ms == 0 and self.after == 1 and self.since_ms < PAUSE_MS and not self.marker

    @property
    def is_copy(self) -> bool:
        """Nothing but copies was sent since, so it may have been held up on its way."""
        return self.after is not None and 0 < self.after <= COPIES and self.since_ms <= STALLED_MS


class Rule(NamedTuple):
    """When a packet belongs to the press beside which it is laid."""

    words: str
    holds: Callable[[Comparison], bool]


RULES: dict[tuple[bool, bool, bool], Rule] = {
    (False, False, True): Rule(
        "it has grown, or within 100 ms: it says the same again, or is shorter and not marked as a beginning",
        lambda one: one.grown_ms > 0 or (one.soon and (one.grown_ms == 0 or not one.marker)),
    ),
    (False, False, False): Rule(
        "it has grown by as much as time has passed, or begins where the last one stopped, or says just the same",
        lambda one: (one.grown_ms > 0 and one.in_step) or one.seamless or one.stands_still,
    ),
    (False, True, True): Rule("always", lambda one: True),
    (False, True, False): Rule(
        "within 100 ms, or grown by as much as time has passed",
        lambda one: one.soon or (one.grown_ms >= 0 and one.in_step_to_its_end),
    ),
    (True, False, True): Rule("within 100 ms and not shorter", lambda one: one.soon and one.grown_ms >= 0),
    (True, False, False): Rule("never", lambda one: False),
    (True, True, True): Rule(
        "not shorter, and within 100 ms or (copies alone sent between) 250 ms",
        lambda one: one.grown_ms >= 0 and (one.soon or one.is_copy),
    ),
    (True, True, False): Rule(
        "within 100 ms, of the same duration or grown by as much as time has passed",
        lambda one: one.soon and (one.grown_ms == 0 or (one.grown_ms > 0 and one.in_step)),
    ),
}
"""By whether the press has ended, whether the packet is an end, and whether it has the press's timestamp."""


@dataclass(slots=True)
class _Press:
    code: int
    ssrc: int
    sequence: int
    timestamp: int
    duration: int
    ended: bool
    at_ms: float

    def goes_on(self, packet: RtpPacket, event: TelephoneEvent, now_ms: float) -> None:
        self.ssrc, self.sequence = packet.ssrc, packet.sequence
        self.timestamp, self.duration = event.timestamp, event.duration
        self.ended = self.ended or event.ended
        self.at_ms = now_ms

    def is_continued_by(self, packet: RtpPacket, event: TelephoneEvent, now_ms: float, clock_hz: int) -> bool:
        unit_ms = 1000 / clock_hz
        later = _signed(event.timestamp - self.timestamp, 32)
        comparison = Comparison(
            (event.duration - self.duration) * unit_ms,
            later * unit_ms,
            now_ms - self.at_ms,
            _signed(packet.sequence - self.sequence, 16) if packet.ssrc == self.ssrc else None,
            self.duration * unit_ms,
            packet.marker,
        )
        return RULES[self.ended, event.ended, later == 0].holds(comparison)


class KeyPresses:
    """The key presses of one stream of telephone events."""

    def __init__(self) -> None:
        self._presses: deque[_Press] = deque(maxlen=_REMEMBERED)
        """The newest first."""
        self._newest: tuple[int, int] | None = None
        """Source and sequence number of the packet that was newest."""

    @property
    def held(self) -> bool:
        """A key was pressed, and has not been let go."""
        return bool(self._presses) and not self._presses[0].ended

    def restarted(self) -> None:
        """The source began anew: numbers that lie back were not overtaken."""
        self._newest = None

    def packet(self, packet: RtpPacket, now_ms: float, clock_hz: int = 8000) -> str:
        """Take a packet at its arrival, in any order; the keys that it begins, mostly none.

        Args:
            packet: with telephone events.
            now_ms: when it came.
            clock_hz: of its durations.
        """
        overtaken = self._newest is not None and self._newest[0] == packet.ssrc
        if overtaken and self._newest is not None:
            overtaken = -OVERTAKEN <= _signed(packet.sequence - self._newest[1], 16) <= 0
        if not overtaken:
            self._newest = packet.ssrc, packet.sequence
        keys = ""
        for event in read_events(packet):
            if event.code < len(KEYS) and self._begins(packet, event, now_ms, clock_hz, overtaken):
                keys += KEYS[event.code]
        return keys

    def _begins(self, packet: RtpPacket, event: TelephoneEvent, now_ms: float, clock_hz: int, overtaken: bool) -> bool:
        alike = [press for press in self._presses if press.code == event.code]
        if alike:
            if overtaken and now_ms - alike[0].at_ms <= OVERTAKEN_MS:
                return False
            press = next((press for press in alike if press.timestamp == event.timestamp), alike[0])
            if press.is_continued_by(packet, event, now_ms, clock_hz):
                press.goes_on(packet, event, now_ms)
                return False
        for press in self._presses:
            press.ended = True
        self._presses.appendleft(
            _Press(event.code, packet.ssrc, packet.sequence, event.timestamp, event.duration, event.ended, now_ms)
        )
        return True


def _signed(difference: int, bits: int) -> int:
    """Of two numbers that wrap."""
    half = 1 << (bits - 1)
    return ((difference + half) & ((1 << bits) - 1)) - half
