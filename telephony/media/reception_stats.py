"""What RFC 3550 counts of a source: how many packets came of how many, and how unevenly (appendix A.3, A.8; no I/O)."""

from __future__ import annotations

_CLOCK_JUMP_MS = 500.0
"""More than this between two packets is not jitter: the sender paused, or set its clock."""


class ReceptionStats:
    """In the order of arrival, late packets and duplicates too; so these are the network's figures, not the ear's."""

    def __init__(self) -> None:
        self.beginnings = 0
        """Sources and restarts so far; all but the jitter is counted anew from each."""
        self.arrived = 0
        self.expected = 0
        """By the sequence numbers."""
        self.jitter_ms = 0.0
        """RFC 3550 section 6.4.1."""
        self._base = 0
        self._last_timestamp = 0
        self._last_ms = 0.0
        self._last_clock_hz = 0

    @property
    def highest_sequence(self) -> int:
        """Extended by the number of its wraps, 32 bits."""
        return (self._base + self.expected - 1) & 0xFFFFFFFF

    def begin(self, sequence: int) -> None:
        """A new source, or a source that begins anew, with this packet."""
        self.beginnings += 1
        self._base = sequence
        self.arrived = self.expected = 0
        self._last_clock_hz = 0

    def count(self, sequence: int) -> bool:
        """A packet without audio came, its number extended beyond 16 bits; returns whether a later one was here first.

        Some senders' clocks stand still until the next audio: that is not jitter.
        """
        self.arrived += 1
        self._last_clock_hz = 0
        beyond = sequence - self._base - self.expected
        if beyond < 0:
            return True
        self.expected += beyond + 1
        return False

    def arrive(self, sequence: int, timestamp: int, now_ms: float, clock_hz: int) -> bool:
        """`count` and `measure` in one step: most packets are audio."""
        self.arrived += 1
        step = ((timestamp - self._last_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        difference_ms = abs(now_ms - self._last_ms - step * 1000 / clock_hz)
        if clock_hz == self._last_clock_hz and difference_ms < _CLOCK_JUMP_MS:
            self.jitter_ms += (difference_ms - self.jitter_ms) / 16
        self._last_timestamp, self._last_ms, self._last_clock_hz = timestamp, now_ms, clock_hz
        beyond = sequence - self._base - self.expected
        if beyond < 0:
            return True
        self.expected += beyond + 1
        return False
