"""Every media packet of one leg with its time; turns are taken and latencies read by these and by nothing else."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from telephony.media.codecs import RATE_HZ, Codec, Pcm, decode, encode
from voicebot.bench.caller_audio import FLOOR_DBFS, FRAME, levels_dbfs

SLOT = RATE_HZ // 50
"""Samples of a packet."""
SURE_FRAMES = 2
"""Voice begins in a packet that has, with the one after it, so many voiced 10 ms frames: a click is no answer."""
PAUSE_NS = 300_000_000
"""A prompt has stopped when this much silence follows."""
EVENT_BYTES = 4
"""A telephone-event's payload (RFC 4733 section 2.3)."""


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """A media packet as it passed the socket."""

    at_ns: int
    """Monotonic clock, at the system call."""
    payload: bytes


def _at(packet: CapturedPacket) -> int:
    return packet.at_ns


class MediaCapture:
    """The tap of a leg: called in the media thread, read on the event loop (appending to a list is atomic)."""

    def __init__(self, codec: Codec = "PCMU") -> None:
        self.codec: Codec = codec
        """Of the leg; to be set before anything is read."""
        self.sent: list[CapturedPacket] = []
        self.received: list[CapturedPacket] = []
        self._voiced: list[int] = []
        """Voiced frames in each packet received, as far as looked at."""

    def __call__(self, sent: bool, monotonic_ns: int, payload: bytes) -> None:
        (self.sent if sent else self.received).append(CapturedPacket(monotonic_ns, payload))

    def sent_at(self, pcm: Pcm, sample: int, since_ns: int) -> int | None:
        """When the packet left that holds `pcm[sample]`, looked for among those after `since_ns`; None if not yet.

        `pcm` was played into an empty queue, so its packets begin at its multiples of 160 samples.
        """
        start = sample // SLOT * SLOT
        wanted = encode(pcm[start : start + SLOT], self.codec)
        for packet in self.sent[bisect_left(self.sent, since_ns, key=_at) :]:
            if packet.payload[: len(wanted)] == wanted:
                return packet.at_ns
        return None

    def last_key_at(self, since_ns: int) -> int | None:
        """When the last packet of a key press left."""
        after = self.sent[bisect_left(self.sent, since_ns, key=_at) :]
        return next((p.at_ns for p in reversed(after) if len(p.payload) == EVENT_BYTES), None)

    def voiced_at(self, since_ns: int) -> int | None:
        """When the packet came that holds the first voiced sample after `since_ns`; None while that is not sure."""
        self._look()
        for i in range(bisect_left(self.received, since_ns, key=_at), len(self._voiced)):
            if self._voiced[i] and sum(self._voiced[i : i + 2]) >= SURE_FRAMES:
                return self.received[i].at_ns
        return None

    def last_voiced_at(self) -> int | None:
        """When the last packet with voice in it came, so far."""
        self._look()
        return next((self.received[i].at_ns for i in range(len(self._voiced) - 1, -1, -1) if self._voiced[i]), None)

    def stopped_at(self, since_ns: int) -> int | None:
        """When the last voiced packet came before a pause of `PAUSE_NS`, from `since_ns` on; None if none yet."""
        self._look()
        last_ns = since_ns
        for i in range(bisect_left(self.received, since_ns, key=_at), len(self._voiced)):
            if self.received[i].at_ns - last_ns >= PAUSE_NS:
                return last_ns
            if self._voiced[i]:
                last_ns = self.received[i].at_ns
        return None

    def heard(self, since_ns: int, until_ns: int) -> Pcm:
        """What came in this time, as it came."""
        first, end = (bisect_left(self.received, ns, key=_at) for ns in (since_ns, until_ns))
        payloads = [p.payload for p in self.received[first:end] if len(p.payload) > EVENT_BYTES]
        return decode(b"".join(payloads), self.codec)

    def _look(self) -> None:
        """Judge the packets that have come since."""
        for packet in self.received[len(self._voiced) :]:
            whole = len(packet.payload) // FRAME * FRAME
            levels = levels_dbfs(decode(packet.payload[:whole], self.codec))
            self._voiced.append(int(np.count_nonzero(levels >= FLOOR_DBFS)))
