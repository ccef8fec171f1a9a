"""The RTP that a media session has kept, for the capture of its call. Keys are masked in it, as in the SIP trace."""

from __future__ import annotations

import time

from ..sip.hop import bracketed
from ..sip_trace import TraceEntry
from .session import MediaSession

_HEADER_BYTES = 12
_DYNAMIC = 96
"""The first dynamic payload type; telephone events have one."""
_EVENT_BYTES = 4
_LAST_KEY = 15
_NO_EVENT = 255
_QUIET = {0: b"\xff", 8: b"\xd5"}
"""Silence of PCMU and PCMA; a byte of others means nothing by itself."""


def captured_packets(media: MediaSession, host: str) -> list[TraceEntry]:
    """What `MediaSession.capture` holds, in order; nothing when it keeps none. `host` is our address."""
    offset_s = time.time() - time.monotonic()
    found = []
    for at_ns, sent, port, remote, datagram in list(media.capture or ()):
        at_s = at_ns / 1e9
        there = f"{bracketed(remote[0])}:{remote[1]}"
        data = _without_key(datagram)
        found.append(TraceEntry(at_s + offset_s, at_s, sent, "udp", f"{bracketed(host)}:{port}", there, data))
    return found


def silenced(datagram: bytes) -> bytes:
    """An RTP packet with silence in it instead of sound or a key, as long as before; other packets as they are."""
    payload_at = _payload_at(datagram)
    if payload_at is None:
        return datagram
    if len(datagram) - payload_at == _EVENT_BYTES and datagram[1] & 0x7F >= _DYNAMIC:
        return _without_key(datagram)
    quiet = _QUIET.get(datagram[1] & 0x7F, b"\0")
    return datagram[:payload_at] + quiet * (len(datagram) - payload_at)


def _without_key(datagram: bytes) -> bytes:
    """A telephone event (RFC 4733 section 2.3) that does not say which key it is; encrypted ones nobody can read."""
    at = _payload_at(datagram)
    if at is None or len(datagram) - at != _EVENT_BYTES or datagram[1] & 0x7F < _DYNAMIC or datagram[at] > _LAST_KEY:
        return datagram
    return datagram[:at] + bytes([_NO_EVENT]) + datagram[at + 1 :]


def _payload_at(datagram: bytes) -> int | None:
    """Where the payload of an RTP packet begins (RFC 3550 section 5.1); None for anything else."""
    if len(datagram) < _HEADER_BYTES or datagram[0] >> 6 != 2 or 192 <= datagram[1] <= 223:
        return None
    at = _HEADER_BYTES + 4 * (datagram[0] & 0x0F)
    if datagram[0] & 0x10:
        if len(datagram) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(datagram[at + 2 : at + 4], "big")
    return at if at <= len(datagram) else None
