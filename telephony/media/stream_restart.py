"""Whether a sender has begun its stream anew, or a packet is merely late or doubled (no I/O; times are arguments).

what comes                                                      is a new beginning once there are
──────────────────────────────────────────────────────────────  ──────────────────────────────────────────────────────
another SSRC, or a sequence number far off (``elsewhere``)       two packets in a row, and nothing of the old stream for
                                                                 longer than one lost packet explains
a sequence number behind, when nothing new has come for          two packets in a row
`QUIET_MS` (``after-pause``)
a sequence number behind, but a time that is due                 two packets in a row
(``in-time``)
a sequence number and a time behind, without a pause             `RUN` packets in a row, not all at once
(``again``)

RFC 3550 appendix A.1 has the first row only, so that a recording of less than 100 packets that is played again and
again (sipp's players) would be heard once. The packets are kept meanwhile: a new beginning is heard from its first one.
A packet that was given up as lost is late, whenever it comes, and proves nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .rtp import RtpPacket

QUIET_MS = 1000.0
"""A network loses packets rather than delay them for longer; what comes behind the last one then is sent anew."""
RUN = 5
RUN_MS = 40.0
"""Packets that a network has doubled come one by one between others, or all at once after a stall."""
GONE_PACKETS = 2.25
"""The old stream has been silent for so many packet times: one lost packet makes two."""

Sign = Literal["elsewhere", "after-pause", "in-time", "again"]


class Arrival(NamedTuple):
    """A packet as the jitter buffer keeps it."""

    packet: RtpPacket
    units: int
    arrived_ms: float
    clock_hz: int


class StreamRestart:
    """What has come in a row that does not go on where the stream stood."""

    def __init__(self) -> None:
        self.run: list[Arrival] = []
        """To be cleared with each packet that goes on."""

    def packet(self, arrival: Arrival, sign: Sign, quiet_ms: float, packet_ms: float) -> bool:
        """Take note of a packet; returns whether `run` is a new beginning.

        Args:
            arrival: the packet.
            sign: what is odd about it.
            quiet_ms: since the last packet that went on.
            packet_ms: length of that.
        """
        packet, run = arrival.packet, self.run
        if run:
            last = run[-1].packet
            if (packet.ssrc, packet.sequence) != (last.ssrc, (last.sequence + 1) & 0xFFFF):
                run.clear()
        run.append(arrival)
        if len(run) < 2:
            return False
        match sign:
            case "elsewhere":
                return quiet_ms >= GONE_PACKETS * packet_ms
            case "again":
                return len(run) >= RUN and arrival.arrived_ms - run[0].arrived_ms >= RUN_MS
            case _:
                return True
