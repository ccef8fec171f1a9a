"""Phones that press keys, each in its own way: the packets that they send, and when."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from telephony.media.dtmf import KEYS
from telephony.media.rtp import RtpPacket


@dataclass(frozen=True)
class Sent:
    """A packet and when it was sent."""

    at_ms: float
    packet: RtpPacket
    key: bool = True
    """Of a key; else audio."""


def payload(key: str | int, duration: int, *, end: bool = False, level: int = 10, reserved: bool = False) -> bytes:
    code = KEYS.index(key) if isinstance(key, str) else key
    return struct.pack("!BBH", code, end << 7 | reserved << 6 | level, duration & 0xFFFF)


@dataclass
class Phone:
    """Sends audio, and events instead of it while a key is pressed."""

    payload_type: int = 101
    ssrc: int = 1
    sequence: int = 1000
    timestamp: int = 50_000
    ptime_ms: int = 20
    clock_hz: int = 8000
    pause_ms: int = 60
    updates: int = 5
    ends: int = 3
    stamps: str = "right"
    """right, rising (each packet its own), end (the ends another one), apart (each end its own), same (one for all)."""
    marker: bool = True
    level: int = 10
    reserved: bool = False
    beside: bool = False
    """Audio goes on beside the events."""
    silent: bool = False
    """Nothing is sent in pauses."""
    at_ms: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    _first: int | None = None

    @property
    def units(self) -> int:
        return self.ptime_ms * self.clock_hz // 1000

    def _send(self, payload_type: int, words: bytes, timestamp: int, marker: bool = False, key: bool = True) -> None:
        packet = RtpPacket(marker, payload_type, self.sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self.ssrc, words)
        self.sequence += 1
        self.sent.append(Sent(self.at_ms, packet, key))

    def pass_time(self) -> None:
        self.timestamp += self.units
        self.at_ms += self.ptime_ms

    def talk(self, ms: int) -> Phone:
        for _ in range(ms // self.ptime_ms):
            if not self.silent:
                self._send(0, b"\xff" * 160, self.timestamp, key=False)
            self.pass_time()
        return self

    def press(self, keys: str | Iterable[int]) -> Phone:
        for key in keys:
            start = self.timestamp
            if self.stamps == "same":
                start = self._first = self._first if self._first is not None else start
            for index in range(self.updates + self.ends):
                end = index >= self.updates
                stamp = start
                if self.stamps == "rising" or (self.stamps == "apart" and end):
                    stamp = self.timestamp
                elif self.stamps == "end" and end:
                    stamp = start + self.updates * self.units
                duration = (min(index, max(self.updates, 1) - 1) + 1) * self.units if self.updates else 5 * self.units
                words = payload(key, duration, end=end, level=self.level, reserved=self.reserved)
                self._send(self.payload_type, words, stamp, self.marker and index == 0)
                if self.beside:
                    self._send(0, b"\xff" * 160, self.timestamp, key=False)
                self.pass_time()
            self.talk(self.pause_ms)
        return self


def events(sent: Iterable[Sent]) -> list[Sent]:
    """Without audio."""
    return [one for one in sent if one.key]


def swapped(sent: list[Sent], every: int) -> list[Sent]:
    """Each so-many-th packet is overtaken by the next one, where that is sent within 50 ms."""
    out = list(sent)
    for at in range(every - 1, len(out) - 1, every):
        late, early = out[at], out[at + 1]
        if early.at_ms - late.at_ms > 50:
            continue
        out[at], out[at + 1] = early, replace(late, at_ms=early.at_ms + 1)
    return out
