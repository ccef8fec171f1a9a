"""From a browser's Opus packets to 16 kHz blocks for recognition (no I/O; the clock is an argument).

Takes the place of aiortc's jitter buffer and decoder thread, which hold every packet for 60 ms, and for 300 ms from the
first lost one on. A bot needs no play-out clock: what is next in order is decoded at once.
"""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np

from ..leg import Pcm

RATE_HZ = 16000
BLOCK = RATE_HZ // 50
"""Samples of a 20 ms block."""
OPUS_RATE_HZ = 48000
"""RTP timestamps of Opus count at this rate, whatever was encoded (RFC 7587 §4.1)."""

MAX_HELD = 3
"""Packets that may wait for one that is missing: 60 ms. Then it counts as lost."""
MAX_JUMP = 100
"""Sequence numbers further off are a new beginning, not a loss (2 s)."""
MAX_HOLE_S = 1.0
"""A longer hole in the timestamps is a new beginning, not silence to be made up."""
MAX_PAYLOAD = 1500
MAX_AHEAD_S = 1.5
"""Audio that may arrive faster than time goes by, before it is dropped: Opus packs 120 ms into three bytes."""


class OpusPacket(NamedTuple):
    ssrc: int
    sequence: int
    timestamp: int
    payload: bytes


class ReorderBuffer:
    """Puts packets in order; drops duplicates and late ones; steps over what is missing when `MAX_HELD` wait."""

    def __init__(self) -> None:
        self._ssrc = -1
        self._next = 0
        self._held: dict[int, OpusPacket] = {}
        self._late = 0
        self.lost = 0
        """Packets that never came, or came too late."""

    def add(self, packet: OpusPacket) -> list[OpusPacket]:
        """Returns the packets that are due now, in order."""
        ahead = (packet.sequence - self._next) & 0xFFFF
        behind = 0x10000 - ahead
        if packet.ssrc != self._ssrc or MAX_JUMP < ahead <= 0x10000 - MAX_JUMP or self._late > MAX_JUMP:
            self._ssrc, self._next, self._late = packet.ssrc, packet.sequence, 0
            self._held.clear()
        elif behind <= MAX_JUMP:
            self._late += 1
            return []
        self._late = 0
        self._held[packet.sequence] = packet
        due = self._in_order()
        while len(self._held) >= MAX_HELD:
            following = min(self._held, key=lambda sequence: (sequence - self._next) & 0xFFFF)
            self.lost += (following - self._next) & 0xFFFF
            self._next = following
            due += self._in_order()
        return due

    def _in_order(self) -> list[OpusPacket]:
        due = []
        while (packet := self._held.pop(self._next, None)) is not None:
            due.append(packet)
            self._next = (self._next + 1) & 0xFFFF
        return due


class Decimator:
    """48 kHz to 16 kHz by a linear-phase low-pass of 61 taps: 0.6 ms of delay, 18 µs a block.

    A streaming soxr resampler costs less and gives its blocks 20 to 40 ms late.
    """

    _TAPS = 61

    def __init__(self) -> None:
        middle = (self._TAPS - 1) / 2
        taps = np.sinc((np.arange(self._TAPS) - middle) / 3) * np.hamming(self._TAPS)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._tail = np.zeros(self._TAPS - 1, np.float32)

    def feed(self, pcm: Pcm) -> Pcm:
        """int16 at 48 kHz, a multiple of three samples → int16 at 16 kHz, a third as many."""
        samples = np.concatenate((self._tail, pcm), dtype=np.float32, casting="same_kind")
        self._tail = samples[-len(self._tail) :]
        (step,) = samples.strides
        # What `as_strided` makes, without the 100 µs that it costs.
        windows = np.ndarray((len(pcm) // 3, self._TAPS), np.float32, samples, 0, (3 * step, step))
        filtered: Pcm = np.clip(windows @ self._taps, -32768, 32767).astype(np.int16)
        return filtered


class IncomingAudio:
    """Packets in, blocks of `BLOCK` samples out, holes filled: one fading repeat of the last block, then silence."""

    def __init__(self) -> None:
        self._reorder = ReorderBuffer()
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = OPUS_RATE_HZ
        self._decimator = Decimator()
        self._ssrc = -1
        self._expected = 0
        self._rest: Pcm = np.zeros(0, np.int16)
        self._last: Pcm = np.zeros(BLOCK, np.int16)
        self._credit_s = MAX_AHEAD_S
        self._credit_at_s: float | None = None
        self.received = 0
        """Packets, late ones and duplicates too."""
        self.received_bytes = 0
        """Of their payloads."""
        self.undecodable = 0
        """Packets that were no Opus."""
        self.refused = 0
        """Packets dropped because they carried more audio than time had gone by."""

    @property
    def lost(self) -> int:
        """Packets that never came, or came too late."""
        return self._reorder.lost

    def add(self, packet: OpusPacket, now_s: float) -> list[Pcm]:
        """One packet as it arrived at `now_s` (monotonic). Returns the blocks that are ready, 20 ms each."""
        if self._credit_at_s is not None:
            self._credit_s = min(MAX_AHEAD_S, self._credit_s + now_s - self._credit_at_s)
        self._credit_at_s = now_s
        self.received += 1
        self.received_bytes += len(packet.payload)
        if self._credit_s <= 0 or len(packet.payload) > MAX_PAYLOAD:
            self.refused += 1
            return []
        parts = [self._rest]
        for due in self._reorder.add(packet):
            parts += self._play(due)
        pcm = np.concatenate(parts)
        whole = len(pcm) - len(pcm) % BLOCK
        self._rest = pcm[whole:]
        self._credit_s -= whole / RATE_HZ
        return [pcm[i : i + BLOCK] for i in range(0, whole, BLOCK)]

    def _play(self, packet: OpusPacket) -> list[Pcm]:
        hole = (packet.timestamp - self._expected) & 0xFFFFFFFF
        fresh = packet.ssrc != self._ssrc or not 0 < hole <= MAX_HOLE_S * OPUS_RATE_HZ
        self._ssrc = packet.ssrc
        parts = [] if fresh else [self._conceal(hole // 3)]
        decoded = self._decode(packet.payload)
        self._expected = (packet.timestamp + 3 * len(decoded)) & 0xFFFFFFFF
        if len(decoded):
            self._last = decoded
        return [*parts, decoded]

    def _decode(self, payload: bytes) -> Pcm:
        try:
            frames = self._codec.decode(av.Packet(payload)) if payload else []
        except av.FFmpegError:
            frames = []
        if not frames:
            self.undecodable += 1
            return np.zeros(0, np.int16)
        pcm: Pcm = np.concatenate([np.frombuffer(bytes(frame.planes[0]), np.int16, frame.samples) for frame in frames])
        return self._decimator.feed(pcm[: len(pcm) - len(pcm) % 3])

    def _conceal(self, samples: int) -> Pcm:
        hole = np.zeros(samples, np.int16)
        repeat = self._last[:samples]
        hole[: len(repeat)] = repeat * np.linspace(0.7, 0.0, len(repeat))
        return hole
