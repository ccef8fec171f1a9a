"""From packets as they arrive to a continuous stream (no I/O; the clock is an argument).

A bot needs no play-out clock: a packet that is next in order is passed on at once, so a good network adds no delay.
The buffer waits only where something is missing, and only as long as the spread of arrivals that it has lately seen
suggests (`MIN_WAIT_MS` to `MAX_WAIT_MS`). Then the hole is handed on as a hole, so that what comes out never lags the
sender's clock by more than the wait, and time goes on when a sender stops sending in silence (DTX).
"""

from __future__ import annotations

from .rtp import RtpPacket

MIN_WAIT_MS = 20.0
MAX_WAIT_MS = 60.0
MAX_HOLE_SAMPLES = 8000
"""A longer hole is a new beginning, not silence to be made up."""

_PER_MS = 8
_MARGIN_MS = 10.0
"""Arrivals are seen on a 5 ms tick; a bit more than that is not jitter."""
_WINDOW_MS = 2000.0
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
"""RFC 3550 appendix A.1: sequence numbers further off than these are a restart."""
_MAX_HELD = 32
_MAX_MISSING = 256
_CLOCK_JUMP_MS = 500.0
_STABLE_LATE = 3

Frame = RtpPacket | int
"""A packet in its order, or the number of samples missing before the next one."""


class _Spread:
    """Least and greatest transit time over the last two to four seconds, in two buckets."""

    def __init__(self, transit_ms: float, now_ms: float) -> None:
        self.restart(transit_ms, now_ms)

    def restart(self, transit_ms: float, now_ms: float) -> None:
        self._since_ms = now_ms
        self._low = self._high = self._old_low = self._old_high = transit_ms
        self.least_ms, self.wait_ms = transit_ms, MIN_WAIT_MS

    def add(self, transit_ms: float, now_ms: float) -> None:
        if now_ms - self._since_ms > _WINDOW_MS:
            self._since_ms = now_ms
            self._old_low, self._old_high = self._low, self._high
            self._low = self._high = transit_ms
        elif transit_ms < self._low:
            self._low = transit_ms
        elif transit_ms > self._high:
            self._high = transit_ms
        self.least_ms = self._low if self._low < self._old_low else self._old_low
        high = self._high if self._high > self._old_high else self._old_high
        self.wait_ms = min(max(high - self.least_ms + _MARGIN_MS, MIN_WAIT_MS), MAX_WAIT_MS)


class JitterBuffer:
    """Puts packets in order, drops duplicates and late ones, and tells where something is missing.

    `put` each packet, then `take` what is ready; call `take` every 20 ms also when nothing came. Audio is one byte a
    sample at 8000 Hz, as in G.711.
    """

    def __init__(self) -> None:
        self.received = 0
        self.lost = 0
        self.late = 0
        self.duplicates = 0
        self.jitter_ms = 0.0
        """Interarrival jitter of RFC 3550 §6.4.1."""
        self._ready: list[Frame] = []
        self._held: dict[int, tuple[RtpPacket, int, float]] = {}
        self._missing: dict[int, None] = {}
        self._ssrc: int | None = None
        self._next_sequence = 0
        self._suspect: tuple[int, int] | None = None
        self._forget_clock()

    def _forget_clock(self) -> None:
        self._spread: _Spread | None = None
        self._next_time = 0
        self._frame_samples = 160
        self._transit_ms = 0.0
        self._late_run = 0
        self._late_transit_ms = 0.0

    @property
    def wait_ms(self) -> float:
        """How long a missing packet is waited for."""
        return MIN_WAIT_MS if self._spread is None else self._spread.wait_ms

    @property
    def ssrc(self) -> int | None:
        """Of the stream that is being received."""
        return self._ssrc

    @property
    def highest_sequence(self) -> int:
        """The last sequence number in order, 16 bits (for receiver reports)."""
        return (self._next_sequence - 1) & 0xFFFF

    def put(self, packet: RtpPacket, samples: int, now_ms: float) -> None:
        """Take a packet in; `samples` is 0 for one that is not audio (an event, comfort noise)."""
        if packet.ssrc != self._ssrc:
            if self._ssrc is not None and not self._is_restart(packet):
                return
            self._begin(packet)
        distance = ((packet.sequence - self._next_sequence + 0x8000) & 0xFFFF) - 0x8000
        if distance == 0:
            self._suspect = None
            self._release(packet, samples, now_ms)
            if self._held:
                self._release_held()
        elif -_MAX_MISORDER <= distance < 0:
            self._count_old(packet.sequence)
        elif 0 < distance <= _MAX_DROPOUT:
            if packet.sequence in self._held:
                self.duplicates += 1
            else:
                self._held[packet.sequence] = packet, samples, now_ms
                if len(self._held) > _MAX_HELD:
                    self._skip()
        elif self._is_restart(packet):
            self._begin(packet)
            self._release(packet, samples, now_ms)

    def take(self, now_ms: float) -> list[Frame]:
        """What is ready, in order."""
        while self._held and now_ms - next(iter(self._held.values()))[2] >= self.wait_ms:
            self._skip()
        if self._spread is not None:
            self._fill(self._spread, now_ms)
        ready, self._ready = self._ready, []
        return ready

    def _is_restart(self, packet: RtpPacket) -> bool:
        """A new source, or a sequence far off, counts once two consecutive packets came (RFC 3550 appendix A.1)."""
        if self._suspect == (packet.ssrc, packet.sequence):
            return True
        self._suspect = packet.ssrc, (packet.sequence + 1) & 0xFFFF
        return False

    def _begin(self, packet: RtpPacket) -> None:
        self._ssrc = packet.ssrc
        self._next_sequence = packet.sequence
        self._suspect = None
        self._held.clear()
        self._missing.clear()
        self._forget_clock()

    def _count_old(self, sequence: int) -> None:
        if sequence in self._missing:
            del self._missing[sequence]
            self.late += 1
        else:
            self.duplicates += 1

    def _skip(self) -> None:
        """Give up what is missing before the first held packet."""
        first = min(self._held, key=lambda sequence: (sequence - self._next_sequence) & 0xFFFF)
        count = (first - self._next_sequence) & 0xFFFF
        self.lost += count
        for offset in range(max(0, count - _MAX_MISORDER), count):
            self._missing[(self._next_sequence + offset) & 0xFFFF] = None
        while len(self._missing) > _MAX_MISSING:
            del self._missing[next(iter(self._missing))]
        self._next_sequence = first
        self._release_held()

    def _release_held(self) -> None:
        while self._held:
            entry = self._held.pop(self._next_sequence, None)
            if entry is None:
                return
            self._release(*entry)

    def _release(self, packet: RtpPacket, samples: int, arrived_ms: float) -> None:
        """Pass the packet on that is next in sequence, and put it on the sender's clock."""
        self._next_sequence = (packet.sequence + 1) & 0xFFFF
        self.received += 1
        if samples == 0:
            self._ready.append(packet)
            return
        spread = self._spread
        if spread is None:
            self._next_time = packet.timestamp
            self._transit_ms = arrived_ms - packet.timestamp / _PER_MS
            spread = self._spread = _Spread(self._transit_ms, arrived_ms)
        # Timestamps wrap at 32 bits; the nearest value to what is expected is meant.
        hole = ((packet.timestamp - self._next_time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        time = self._next_time + hole
        transit_ms = arrived_ms - time / _PER_MS
        if hole:
            if spread.least_ms - transit_ms > _CLOCK_JUMP_MS or hole > MAX_HOLE_SAMPLES:
                spread.restart(transit_ms, arrived_ms)
            elif hole > 0:
                self._ready.append(hole)
            elif -hole < samples:
                packet = packet._replace(payload=packet.payload[-hole:])
            elif not self._late(spread, packet, samples, transit_ms, arrived_ms):
                return
        self._late_run = 0
        self.jitter_ms += (abs(transit_ms - self._transit_ms) - self.jitter_ms) / 16
        self._transit_ms = transit_ms
        spread.add(transit_ms, arrived_ms)
        self._next_time = time + samples
        self._frame_samples = samples
        self._ready.append(packet)

    def _late(self, spread: _Spread, packet: RtpPacket, samples: int, transit_ms: float, arrived_ms: float) -> bool:
        """Whether a packet that is behind what went out is played all the same.

        It is when the sender's clock stood still while it was silent (which RFC 3550 §5.1 forbids, and happens): its
        packets then stay late by the same amount, while those of a stalled network catch up with each one.
        """
        if self._late_run == 0 or transit_ms < self._late_transit_ms - self._late_run * samples / _PER_MS / 2:
            self._late_run, self._late_transit_ms = 0, transit_ms
        self._late_run += 1
        if packet.marker or self._late_run >= _STABLE_LATE:
            spread.restart(transit_ms, arrived_ms)
            return True
        self.late += 1
        spread.add(transit_ms, arrived_ms)
        return False

    def _fill(self, spread: _Spread, now_ms: float) -> None:
        """Let time go on where packets are overdue."""
        overdue_ms = now_ms - spread.wait_ms - spread.least_ms - self._next_time / _PER_MS
        if overdue_ms <= 0:
            return
        frames = int(overdue_ms * _PER_MS) // self._frame_samples + 1
        samples = frames * self._frame_samples
        self._next_time += samples
        self._ready.append(min(samples, MAX_HOLE_SAMPLES))
