"""ITU-T G.722 at 64 kbit/s by FFmpeg (PyAV): 16000 Hz, a byte for two samples.

PyAV is imported by the first stream: it brings FFmpeg along, 15 MB and 0.1 s that G.711 and Opus do without.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .codecs import Pcm

if TYPE_CHECKING:
    import av


class Encoder:
    """One stream from us."""

    def __init__(self, rate_hz: int) -> None:
        import av

        self._rate_hz = rate_hz
        self._av = av
        self._context = av.AudioCodecContext.create("g722", "w")
        self._context.sample_rate = rate_hz
        self._context.format = av.AudioFormat("s16")
        self._context.layout = av.AudioLayout("mono")
        self._context.time_base = Fraction(1, rate_hz)
        # Frames of 10 ms, so that packets can be of any multiple of it.
        self._context.options = {"frame_size": str(rate_hz // 100)}

    def encode(self, pcm: Pcm) -> bytes:
        """An even number of samples to half as many bytes."""
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=len(pcm))
        frame.sample_rate = self._rate_hz
        frame.planes[0].update(pcm.tobytes())
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class Decoder:
    """One stream from a peer; any byte means something. Costs nothing before its first payload."""

    def __init__(self, rate_hz: int) -> None:
        import av  # here, at set-up: not in the media thread

        self._av = av
        self._rate_hz = rate_hz

    @cached_property
    def _context(self) -> av.AudioCodecContext:
        context: av.AudioCodecContext = self._av.AudioCodecContext.create("g722", "r")
        context.sample_rate = self._rate_hz
        context.format = self._av.AudioFormat("s16")
        context.layout = self._av.AudioLayout("mono")
        return context

    def units(self, payload: bytes) -> int:
        """Its clock counts 8000 for 16000 samples (RFC 3551 section 4.5.2)."""
        return len(payload)

    def decode(self, payload: bytes) -> Pcm:
        """Two samples for a byte."""
        blocks = [frame.to_ndarray()[0] for frame in self._context.decode(self._av.Packet(payload))]
        return blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros(0, np.int16), *blocks])

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        """It has no way of its own."""
        return None
