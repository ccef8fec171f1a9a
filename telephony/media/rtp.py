"""RTP packets: reading, writing and whom to believe (RFC 3550 §5.1, §8.2; no I/O)."""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_PAYLOAD_BYTES = 1600
"""More than 200 ms of G.711; longer packets are refused."""

HEADER = struct.Struct("!BBHII")
"""The twelve bytes of every packet."""
_EXTENSION = struct.Struct("!2xH")

Address = tuple[str, int]


class RtpPacket(NamedTuple):
    """One packet, header fields as they are on the wire."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> RtpPacket | None:
    """Read a packet; None for anything that is not well-formed RTP version 2 with a payload."""
    end = len(datagram)
    if end <= 12:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
    if first == 0x80:
        start = 12
    else:
        if first >> 6 != 2:
            return None
        start = 12 + 4 * (first & 0x0F)
        if first & 0x10:
            if end < start + 4:
                return None
            start += 4 + 4 * _EXTENSION.unpack_from(datagram, start)[0]
        if first & 0x20:
            padding = datagram[-1]
            if padding == 0:
                return None
            end -= padding
    if not 0 < end - start <= MAX_PAYLOAD_BYTES:
        return None
    fields = (second > 127, second & 0x7F, sequence, timestamp, ssrc, datagram[start:end])
    return tuple.__new__(RtpPacket, fields)  # a third of the time of its own constructor


def pack(marker: bool, payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """Write a packet without CSRCs, extension or padding."""
    return HEADER.pack(0x80, payload_type | (marker << 7), sequence, timestamp, ssrc) + payload


class _Probe:
    """One source at a time and how long it has been sending one stream."""

    AHEAD = 50
    BEHIND = 20

    def __init__(self) -> None:
        self._source: Address | None = None
        self._sequence = 0
        self._since_ms = 0.0
        self._run = 0

    def packet(self, source: Address, sequence: int, now_ms: float) -> tuple[float, int]:
        """Take note of a packet. Returns when this stream began and how many packets it has had."""
        step = (sequence - self._sequence + self.BEHIND) & 0xFFFF
        if source != self._source or step > self.BEHIND + self.AHEAD:
            self._source, self._since_ms, self._run = source, now_ms, 0
            self._sequence = sequence
        elif step > self.BEHIND:
            self._sequence = sequence
        self._run += 1
        return self._since_ms, self._run


class SourceLock:
    """Decides which source address is the caller.

    The address of the SDP is believed at once and for good. Behind a NAT another address sends instead; it is believed
    after `PROBE_MS` in which it alone sent one stream of packets and the signalled address stayed silent. Until then
    `PROBE_PACKETS` of its packets are let through at most, and nothing is sent to it. A later packet of the signalled
    address wins all the same, as only the peer itself can know that address works.

    `source_host` is where signalling comes from. The signalled port at that host needs no probe: it is a peer with
    several addresses, or a NAT that keeps ports, and a stranger can neither know the port nor easily have the address.
    Another port there is that of a NAT which changes ports, and is believed after `NEAR_PROBE_MS`: until then the peer
    hears nothing.

    Packets of one stream may be lost or overtake one another on their way; a stranger's guesses lie all over.
    """

    PROBE_PACKETS = 5
    PROBE_MS = 250.0
    NEAR_PROBE_MS = 100.0

    def __init__(self, signalled: Address, source_host: str | None = None) -> None:
        self.signalled = signalled
        self._expected = (source_host or signalled[0], signalled[1])
        self.locked: Address | None = None
        self._probes = {True: _Probe(), False: _Probe()}
        """Of sources at the host of signalling, and of others: strangers cannot disturb the probe of the former."""
        self._admitted = 0

    @property
    def target(self) -> Address:
        """Where to send."""
        return self.locked or self.signalled

    def accepts(self, source: Address, sequence: int, now_ms: float) -> bool:
        """Whether a valid packet from `source` is the caller's."""
        if source == self.locked and source != self.signalled:
            return True
        if source == self.signalled:
            self.locked = source
            return True
        if self.locked is not None:
            return False
        if source == self._expected:
            self.locked = source
            return True
        return self._probe(source, sequence, now_ms)

    def _probe(self, source: Address, sequence: int, now_ms: float) -> bool:
        near = source[0] == self._expected[0]
        since_ms, run = self._probes[near].packet(source, sequence, now_ms)
        if run >= self.PROBE_PACKETS and now_ms - since_ms >= (self.NEAR_PROBE_MS if near else self.PROBE_MS):
            self.locked = source
            return True
        self._admitted += 1
        return self._admitted <= self.PROBE_PACKETS
