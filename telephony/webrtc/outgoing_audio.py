"""From 16 kHz audio to Opus packets at the pace of a clock, as a track that aiortc sends.

Packets are encoded here: aiortc's own encoder takes 48 kHz stereo at 96 kbit/s and a thread hop a frame.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ..leg import Pcm
from .incoming_audio import BLOCK, OPUS_RATE_HZ, RATE_HZ

FRAME_S = 0.02
MAX_LATE = 3
"""Frames."""
BIT_RATE = 32000
COMPLEXITY = 3
"""Of Opus, 0-10. 10 costs twice as much and cannot be told apart on a voice at this bit rate."""
SETTLED_FRAMES = 10
"""After this many silent frames the encoder repeats itself, and its last packet is sent again as it is."""
_STEP = OPUS_RATE_HZ // 50
_SILENCE: Pcm = np.zeros(BLOCK, np.int16)


class AudioQueue:
    """Audio that waits to be sent."""

    def __init__(self) -> None:
        self._blocks: deque[Pcm] = deque()
        self.samples = 0

    def put(self, pcm: Pcm) -> None:
        if len(pcm):
            self._blocks.append(pcm)
            self.samples += len(pcm)

    def take(self, samples: int) -> Pcm:
        """Up to `samples` of what waits."""
        parts: list[Pcm] = []
        missing = min(samples, self.samples)
        self.samples -= missing
        while missing:
            block = self._blocks.popleft()
            if len(block) > missing:
                self._blocks.appendleft(block[missing:])
                block = block[:missing]
            parts.append(block)
            missing -= len(block)
        if not parts:
            return _SILENCE[:0]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def clear(self) -> int:
        """Drop everything. Returns the number of samples dropped."""
        dropped, self.samples = self.samples, 0
        self._blocks.clear()
        return dropped


class Pacer:
    """When the next frame is due (the clock is an argument).

    Each frame's time is counted from the first, so that delays never add up. Frames that are up to `MAX_LATE` behind
    follow at once, which a browser's jitter buffer takes for jitter of the network. After a longer stall the missed
    ones are left out rather than sent in a burst, and the timestamps go on with the clock.
    """

    def __init__(self) -> None:
        self._first_s: float | None = None
        self.frame = -1
        """Number of the frame that `due` was last asked for; a jump of more than one is a stall."""

    def due(self, now_s: float) -> float:
        """The time of the next frame, which may be a little past."""
        if self._first_s is None:
            self._first_s = now_s
        self.frame += 1
        due_s = self._first_s + self.frame * FRAME_S
        if now_s - due_s > MAX_LATE * FRAME_S:
            self.frame += int((now_s - due_s) / FRAME_S)
            due_s = self._first_s + self.frame * FRAME_S
        return due_s


class TrackEncoder:
    """Mono Opus at 16 kHz, one packet a frame."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = RATE_HZ
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.bit_rate = BIT_RATE
        self._codec.time_base = Fraction(1, RATE_HZ)
        self._codec.options = {
            "application": "voip",
            "frame_duration": "20",
            "compression_level": str(COMPLEXITY),
        }
        self._silent = 0
        self._silence = b""
        self._pts = 0

    def encode(self, pcm: Pcm) -> bytes:
        """`BLOCK` samples → one packet; an empty array is a frame of silence."""
        if len(pcm):
            self._silent = 0
        else:
            self._silent += 1
            if self._silent > SETTLED_FRAMES:
                return self._silence
            pcm = _SILENCE
        frame = av.AudioFrame(format="s16", layout="mono", samples=BLOCK)
        frame.planes[0].update(pcm.tobytes())
        frame.sample_rate = RATE_HZ
        frame.pts = self._pts
        self._pts += BLOCK
        self._silence = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        return self._silence


class OutgoingTrack(MediaStreamTrack):
    """What aiortc sends. `recv` is called for one frame after the other.

    Args:
        clock: seconds, monotonic.
        sleep: waits for that many seconds.
    """

    kind = "audio"

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self.queue = AudioQueue()
        self.played_samples = 0
        self._clock, self._sleep = clock, sleep
        self._pacer, self._encoder = Pacer(), TrackEncoder()

    async def recv(self) -> av.Packet[Any]:
        """The next frame, when it is due. Raises MediaStreamError after `stop`."""
        now_s = self._clock()
        wait_s = self._pacer.due(now_s) - now_s
        if wait_s > 0:
            await self._sleep(wait_s)
        if self.readyState != "live":
            raise MediaStreamError
        pcm = self.queue.take(BLOCK)
        self.played_samples += len(pcm)
        if 0 < len(pcm) < BLOCK:
            pcm = np.concatenate((pcm, _SILENCE[len(pcm) :]))
        packet = av.Packet(self._encoder.encode(pcm))
        packet.pts = self._pacer.frame * _STEP
        packet.time_base = Fraction(1, OPUS_RATE_HZ)
        return packet
