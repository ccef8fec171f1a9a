"""The RTP that a media session has kept, for the capture of its call."""

from __future__ import annotations

import time

from ..sip.hop import bracketed
from ..sip_trace import TraceEntry
from .session import MediaSession


def captured_packets(media: MediaSession, host: str) -> list[TraceEntry]:
    """What `MediaSession.capture` holds, in order; nothing when it keeps none. `host` is our address."""
    offset_s = time.time() - time.monotonic()
    found = []
    for at_ns, sent, port, remote, datagram in list(media.capture or ()):
        at_s = at_ns / 1e9
        there = f"{bracketed(remote[0])}:{remote[1]}"
        found.append(TraceEntry(at_s + offset_s, at_s, sent, "udp", f"{bracketed(host)}:{port}", there, datagram))
    return found
