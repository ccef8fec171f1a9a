"""From packets as they arrive to a continuous stream (no I/O; the clock is an argument).

A bot needs no play-out clock: a packet that is next in order is passed on at once, so a good network adds no delay, and
a sender's clock that drifts needs no correction. The buffer waits only where something is missing, and only as long as
the spread of arrivals that it has lately seen suggests (`MIN_WAIT_MS` to `MAX_WAIT_MS`). Then the hole is handed on as
a hole, together with what follows it where that is there already, so that what comes out never lags the sender's clock
by more than the wait, and time goes on when a sender stops sending in silence (DTX).
"""

from __future__ import annotations

from typing import NamedTuple

from .reception_stats import ReceptionStats
from .rtp import RtpPacket
from .stream_restart import QUIET_MS, Arrival, Sign, StreamRestart
from .transit_time import MAX_WAIT_MS, MIN_WAIT_MS, TransitTime

__all__ = ["MAX_HOLE_MS", "MAX_WAIT_MS", "MIN_WAIT_MS", "Cut", "Frame", "JitterBuffer"]

MAX_HOLE_MS = 1000
"""A longer hole is a new beginning, not silence to be made up."""

_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
"""RFC 3550 appendix A.1: sequence numbers further off than these are a restart."""
_MAX_APART = 50
"""Events whose numbers are further ahead are numbered apart from the audio."""
_MAX_HELD = 48
_MAX_MISSING = 256
_CLOCK_JUMP_MS = 500.0
_STABLE_LATE = 3


class Cut(NamedTuple):
    """A packet in its order whose beginning is over: it was handed on as a hole already."""

    packet: RtpPacket
    skip: int
    """Clock units."""


Frame = RtpPacket | Cut | int
"""What comes out: a packet, or the number of clock units missing before the next one."""


class JitterBuffer:
    """Puts packets in order, drops duplicates and late ones, and tells where something is missing.

    `put` each packet, then `take` what is ready; call `take` every 20 ms also when nothing came.
    """

    def __init__(self) -> None:
        self.received = 0
        """Handed on, or dropped as `discarded`."""
        self.lost = 0
        """Given up waiting for."""
        self.late = 0
        """Of the lost, those that came after all; and the `discarded`."""
        self.discarded = 0
        """Came in order, but when their time was over."""
        self.duplicates = 0
        self.reordered = 0
        """Came after a later one, and in time."""
        self.bursts = 0
        """Runs of lost packets."""
        self.longest_burst = 0
        """Packets lost in one run, at most."""
        self.restarts = 0
        """New beginnings of the same source: its sequence numbers and times mean others than before."""
        self.reception = ReceptionStats()
        self.clock_hz = 8000
        """Of the timestamps of the audio packet that was handed on last."""
        self._ready: list[Frame] = []
        self._held: dict[int, Arrival] = {}
        self._missing: dict[int, None] = {}
        self._ssrc: int | None = None
        self._next = 0
        """Sequence number, extended beyond 16 bits, that is due."""
        self._last_new_ms = 0.0
        """When the last packet came that was neither late nor doubled."""
        self._restart = StreamRestart()
        self._burst = 0
        self._burst_end = -1
        self._forget_clock()

    def _forget_clock(self) -> None:
        self._transit_time: TransitTime | None = None
        self._next_time = 0
        self._unit_ms = 1000 / self.clock_hz
        self._set_frame(self.clock_hz // 50)
        self._late_run = 0
        self._late_transit_ms = 0.0
        self._silent = False
        """What came last was no audio."""

    def _set_frame(self, units: int) -> None:
        self._frame_units = units
        self.packet_ms = units * self._unit_ms
        """Length of the last audio packet."""
        self._floor_ms = self.packet_ms + 5
        """So long is waited at least: the packet after a lost one can come, too, and may help (FEC)."""

    @property
    def wait_ms(self) -> float:
        """How long a missing packet is waited for."""
        return max(MIN_WAIT_MS if self._transit_time is None else self._transit_time.wait_ms, self._floor_ms)

    @property
    def ssrc(self) -> int | None:
        """Of the stream that is being received."""
        return self._ssrc

    def pass_on(self, ssrc: int, sequence: int, timestamp: int, units: int, now_ms: float, clock_hz: int) -> bool:
        """Whether audio with these header fields is just what comes next, after all that was taken.

        So it is with nearly every packet. Then it is counted as handed on, and can be played without `put` and `take`.
        """
        spread = self._transit_time
        if (
            sequence != self._next & 0xFFFF
            or timestamp != self._next_time & 0xFFFFFFFF
            or ssrc != self._ssrc
            or units != self._frame_units
            or clock_hz != self.clock_hz
            or self._held
            or self._ready
            or spread is None
        ):
            return False
        if self._restart.run:
            self._restart.run.clear()
        self._late_run = 0
        self._silent = False
        self._last_new_ms = now_ms
        self.reception.arrive(self._next, timestamp, now_ms, clock_hz)
        self._next += 1
        self.received += 1
        spread.add(now_ms - self._next_time * self._unit_ms, now_ms)
        self._next_time += units
        return True

    def put(self, packet: RtpPacket, units: int, now_ms: float, clock_hz: int = 8000) -> None:
        """Take a packet in.

        Args:
            packet: valid and of the caller.
            units: how long its audio is on the clock of its timestamps; 0 for an event or comfort noise.
            now_ms: when it came.
            clock_hz: of its timestamps, when it is audio.
        """
        arrival = Arrival(packet, units, now_ms, clock_hz)
        if self._ssrc is None:
            self._begin(packet)
        sign = self._odd(arrival)
        if sign is None:
            self._place(arrival)
            return
        behind = packet.ssrc == self._ssrc and sign != "elsewhere"
        if behind:
            self._place(arrival)
        if self._restart.packet(arrival, sign, now_ms - self._last_new_ms, self.packet_ms):
            run = self._restart.run[:]
            if behind:
                self.duplicates -= len(run)
            self._begin(run[0].packet)
            for one in run:
                self._place(one)

    def _odd(self, arrival: Arrival) -> Sign | None:
        """What speaks for a new beginning; None where a packet goes on, or is one that was given up."""
        packet = arrival.packet
        distance = self._distance(packet)
        if packet.ssrc != self._ssrc or not -_MAX_MISORDER <= distance <= _MAX_DROPOUT:
            return "elsewhere"
        if distance >= 0 or self._next + distance in self._missing:
            return None
        if arrival.arrived_ms - self._last_new_ms > QUIET_MS:
            return "after-pause"
        due = self._transit_time is not None and arrival.units and arrival.clock_hz == self.clock_hz
        return "in-time" if due and (packet.timestamp - self._next_time) & 0xFFFFFFFF < 0x80000000 else "again"

    def _distance(self, packet: RtpPacket) -> int:
        """From the packet that is due; sequence numbers wrap at 16 bits."""
        return ((packet.sequence - self._next + 0x8000) & 0xFFFF) - 0x8000

    def _place(self, arrival: Arrival) -> None:
        """A packet of this stream: on its way out, held, or counted as old."""
        packet, units, now_ms, clock_hz = arrival
        distance = self._distance(packet)
        sequence = self._next + distance
        if units:
            overtaken = self.reception.arrive(sequence, packet.timestamp, now_ms, clock_hz)
        else:
            overtaken = self.reception.count(sequence)
        if overtaken and distance >= 0 and sequence not in self._held:
            self.reordered += 1
        if distance < 0:
            self._count_old(sequence)
        elif sequence in self._held:
            self.duplicates += 1
        else:
            self._restart.run.clear()
            self._last_new_ms = now_ms
            if distance == 0:
                self._release(arrival)
                self._release_held()
                return
            self._held[sequence] = arrival
            if len(self._held) > _MAX_HELD or (units and self._is_due(packet, clock_hz)):
                self._skip()

    def put_event(self, packet: RtpPacket, now_ms: float) -> None:
        """Take a packet of telephone events in, where it has its place in this stream.

        Some gateways number events apart, or give them a source of their own: what is not numbered as the audio is says
        nothing of it. Of another source, only the very next number is no accident.
        """
        if self._ssrc is not None:
            distance = self._distance(packet)
            if packet.ssrc != self._ssrc:
                if distance:
                    return
                packet = packet._replace(ssrc=self._ssrc)
            elif not -_MAX_MISORDER <= distance <= _MAX_APART:
                return
        self.put(packet, 0, now_ms)

    def take(self, now_ms: float) -> list[Frame]:
        """What is ready, in order."""
        while self._held and now_ms - next(iter(self._held.values())).arrived_ms >= self.wait_ms:
            self._skip()
        if self._transit_time is not None:
            wait_ms = self._transit_time.wait_ms if self._transit_time.wait_ms > self._floor_ms else self._floor_ms
            # How long ago the next packet should have been here at the latest.
            overdue_ms = now_ms - wait_ms - self._transit_time.least_ms - self._next_time * self._unit_ms
            if overdue_ms > 0:
                self._fill(int(overdue_ms / self._unit_ms) // self._frame_units + 1)
        ready, self._ready = self._ready, []
        return ready

    def _begin(self, packet: RtpPacket) -> None:
        self.restarts += packet.ssrc == self._ssrc
        self._ssrc = packet.ssrc
        self._next = packet.sequence
        self.reception.begin(packet.sequence)
        self._burst_end = -1
        self._held.clear()
        self._missing.clear()
        self._forget_clock()

    def _is_due(self, packet: RtpPacket, clock_hz: int) -> bool:
        """All time before it was handed on as a hole, so that nothing earlier is of use any more."""
        if self._transit_time is None or clock_hz != self.clock_hz:
            return False
        return 0 <= ((self._next_time - packet.timestamp) & 0xFFFFFFFF) < MAX_HOLE_MS * clock_hz // 1000

    def _count_old(self, sequence: int) -> None:
        if sequence in self._missing:
            del self._missing[sequence]
            self.late += 1
        else:
            self.duplicates += 1

    def _skip(self) -> None:
        """Give up what is missing before the first held packet."""
        self._lose(min(self._held) - self._next)
        self._release_held()

    def _lose(self, count: int) -> None:
        if self._next != self._burst_end:
            self._burst = 0
            self.bursts += 1
        self._burst += count
        self.longest_burst = max(self.longest_burst, self._burst)
        self.lost += count
        end = self._burst_end = self._next + count
        self._missing.update(dict.fromkeys(range(max(self._next, end - _MAX_MISORDER), end)))
        while len(self._missing) > _MAX_MISSING:
            del self._missing[next(iter(self._missing))]
        self._next = end

    def _release_held(self) -> None:
        while (entry := self._held.pop(self._next, None)) is not None:
            self._release(entry)

    def _release(self, arrival: Arrival) -> None:
        """Pass the packet on that is next in sequence, and put it on the sender's clock."""
        packet, units, arrived_ms, clock_hz = arrival
        self._next += 1
        self.received += 1
        if units == 0:
            self._ready.append(packet)
            self._silent = True
            return
        if clock_hz != self.clock_hz:
            self.clock_hz = clock_hz
            self._forget_clock()
        spread = self._transit_time
        if spread is None:
            self._next_time = packet.timestamp
            spread = self._transit_time = TransitTime(arrived_ms - packet.timestamp * self._unit_ms, arrived_ms)
        # Timestamps wrap at 32 bits; the nearest value to what is expected is meant.
        hole = ((packet.timestamp - self._next_time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        time = self._next_time + hole
        transit_ms = arrived_ms - time * self._unit_ms
        skip = 0
        if hole:
            if spread.least_ms - transit_ms > _CLOCK_JUMP_MS or hole > MAX_HOLE_MS * clock_hz // 1000:
                spread.restart(transit_ms, arrived_ms)
            elif hole > 0:
                self._ready.append(hole)
            elif -hole < units:
                skip = -hole
            elif not self._is_played_late(spread, packet, units, transit_ms, arrived_ms):
                return
        self._late_run = 0
        self._silent = False
        spread.add(transit_ms, arrived_ms)
        self._next_time = time + units
        if units != self._frame_units:
            self._set_frame(units)
        self._ready.append(Cut(packet, skip) if skip else packet)

    def _is_played_late(
        self, spread: TransitTime, packet: RtpPacket, units: int, transit_ms: float, arrived_ms: float
    ) -> bool:
        """Whether a packet that is behind what went out is played all the same.

        It is when the sender's clock stood still while it was silent (which RFC 3550 §5.1 forbids, and happens): its
        packets then stay late by the same amount, while those of a stalled network catch up with each one. After key
        presses and comfort noise a clock that stood still is likelier than a network that stalled just then.
        """
        if self._late_run == 0 or transit_ms < self._late_transit_ms - self._late_run * units * self._unit_ms / 2:
            self._late_run, self._late_transit_ms = 0, transit_ms
        self._late_run += 1
        if packet.marker or self._silent or self._late_run >= _STABLE_LATE:
            spread.restart(transit_ms, arrived_ms)
            return True
        self.late += 1
        self.discarded += 1
        spread.add(transit_ms, arrived_ms)
        return False

    def _fill(self, frames: int) -> None:
        """Let time go on where so many frames are overdue, but not beyond a later packet that is here already."""
        units = frames * self._frame_units
        if self._held:
            first = min(self._held)
            ahead = ((self._held[first].packet.timestamp - self._next_time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            if frames >= first - self._next or units >= ahead:
                self._skip()
                return
            self._lose(frames)
        self._next_time += units
        self._ready.append(min(units, MAX_HOLE_MS * self.clock_hz // 1000))
