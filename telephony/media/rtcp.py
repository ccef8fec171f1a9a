"""RTCP in compound packets: our reports, and what the peer says of our stream (RFC 3550 §6; no I/O).

The clock of reports is the monotonic one (allowed by §6.4.1), as nobody has to lip-synchronise a phone call.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator

from .jitter import JitterBuffer
from .sender import Sender

INTERVAL_NS = 5_000_000_000
FIRST_TYPE, LAST_TYPE = 192, 223
"""Packet types, which on a port with RTP no payload type looks like (RFC 5761 section 4)."""
_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_MASK = 0xFFFFFFFF
_MAX_JITTER_MS = 60_000.0
"""Whatever a peer says."""
_HEADER = struct.Struct("!BBHI")
_SENDER = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")


class Reporter:
    """Writes our reports and reads the peer's."""

    def __init__(self) -> None:
        self.peer_lost_percent: float | None = None
        """Of our packets, in the peer's last interval; None until it reported."""
        self.peer_jitter_ms: float | None = None
        self.round_trip_ms: float | None = None
        self._cname = secrets.token_hex(8).encode()
        """Says nothing about us (RFC 7022)."""
        self.peer_lost = 0
        """Of our packets, since the call began."""
        self.reports = 0
        """Of the peer about our stream."""
        self._peer_report = 0
        self._peer_report_at_ns = 0
        self._beginnings = 0
        self._expected = 0
        self._arrived = 0

    def write(self, now_ns: int, sender: Sender, buffer: JitterBuffer | None, bye: bool = False) -> bytes:
        """A sender or receiver report with CNAME, and a goodbye if wanted."""
        block = b"" if buffer is None or buffer.ssrc is None else self._block(now_ns, buffer, buffer.ssrc)
        count = len(block) // _BLOCK.size
        if sender.packets:
            about = _SENDER.pack(_ntp(now_ns), sender.timestamp, sender.packets & _MASK, sender.bytes & _MASK)
            report = _packet(count, _SR, sender.ssrc, about + block)
        else:
            report = _packet(count, _RR, sender.ssrc, block)
        cname = bytes((1, len(self._cname))) + self._cname
        report += _packet(1, _SDES, sender.ssrc, cname + bytes(4 - len(cname) % 4))
        return report + _packet(1, _BYE, sender.ssrc, b"") if bye else report

    def read(self, datagram: bytes, now_ns: int, ssrc: int, clock_hz: int = 8000) -> None:
        """Take a compound packet in; `ssrc` and `clock_hz` are of our stream.

        Never raises: what is malformed is left out.
        """
        for count, kind, body in _packets(datagram):
            if kind == _SR and len(body) >= _SENDER.size:
                self._peer_report = (_SENDER.unpack_from(body)[0] >> 16) & _MASK
                self._peer_report_at_ns = now_ns
                body = body[_SENDER.size :]
            elif kind != _RR:
                continue
            for index in range(min(count, len(body) // _BLOCK.size)):
                about, loss, _, jitter, last, delay = _BLOCK.unpack_from(body, index * _BLOCK.size)
                if about == ssrc:
                    self._believe(now_ns, loss, jitter / clock_hz, last, delay)

    def _believe(self, now_ns: int, loss: int, jitter_s: float, last: int, delay: int) -> None:
        self.reports += 1
        self.peer_lost_percent = (loss >> 24) * 100 / 256
        # 24 bits with a sign: duplicates make it less than nothing.
        self.peer_lost = max((loss & 0x7FFFFF) - (loss & 0x800000), 0)
        self.peer_jitter_ms = min(jitter_s * 1000, _MAX_JITTER_MS)
        if last:
            trip = (((_ntp(now_ns) >> 16) & _MASK) - last - delay) & _MASK
            # A negative time wraps to hours; that is a peer's wrong arithmetic, not a slow network.
            if trip < 60 << 16:
                self.round_trip_ms = trip * 1000 / 65536

    def _block(self, now_ns: int, buffer: JitterBuffer, ssrc: int) -> bytes:
        reception = buffer.reception
        if reception.beginnings != self._beginnings:
            self._beginnings, self._expected, self._arrived = reception.beginnings, 0, 0
        expected, arrived = reception.expected - self._expected, reception.arrived - self._arrived
        self._expected, self._arrived = reception.expected, reception.arrived
        fraction = min(max(expected - arrived, 0) * 256 // expected, 255) if expected else 0
        lost = min(max(reception.expected - reception.arrived, -0x800000), 0x7FFFFF) & 0xFFFFFF
        delay = (now_ns - self._peer_report_at_ns) * 65536 // 1_000_000_000 if self._peer_report else 0
        jitter = min(int(reception.jitter_ms * buffer.clock_hz / 1000), _MASK)
        highest, last = reception.highest_sequence, self._peer_report
        return _BLOCK.pack(ssrc, fraction << 24 | lost, highest, jitter, last, delay & _MASK)


def shows_life(datagram: bytes) -> bool:
    """Whether it is RTCP of somebody who does not say goodbye in it."""
    kinds = [kind for _, kind, _ in _packets(datagram)]
    return bool(kinds) and all(FIRST_TYPE <= kind <= LAST_TYPE and kind != _BYE for kind in kinds)


def _ntp(now_ns: int) -> int:
    """64 bits: seconds and their 2^32th parts."""
    seconds, rest_ns = divmod(now_ns, 1_000_000_000)
    return (seconds & _MASK) << 32 | (rest_ns << 32) // 1_000_000_000


def _packet(count: int, kind: int, ssrc: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, (4 + len(body)) // 4, ssrc) + body


def _packets(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(count, type, what follows the SSRC) of each well-formed packet, up to the first broken one."""
    while len(datagram) >= _HEADER.size:
        first, kind, words, _ = _HEADER.unpack_from(datagram)
        end = 4 * (words + 1)
        if first >> 6 != 2 or not _HEADER.size <= end <= len(datagram):
            return
        yield first & 0x1F, kind, datagram[_HEADER.size : end]
        datagram = datagram[end:]
