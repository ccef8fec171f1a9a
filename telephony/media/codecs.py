"""G.711 by table look-up, a whole block at once (ITU-T G.711; `audioop` left the standard library in Python 3.13).

The tables are computed from the law's definition when the module is imported: µ-law is 14 bits wide with a bias of 33,
A-law 13 bits, both with 8 segments of 16 steps.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codec = Literal["PCMU", "PCMA", "G722", "opus"]
Pcm = NDArray[np.int16]

RATE_HZ = 8000


class Format(NamedTuple):
    """How a codec is written in SDP and counted in RTP."""

    payload_type: int
    """Ours in offers; static below 96 (RFC 3551 table 4)."""
    clock_hz: int
    """Of RTP timestamps."""
    channels: int
    """In rtpmap; 1 is left out there."""
    rate_hz: int
    """Of the samples that `play` takes and `on_audio` gives."""


FORMATS: dict[Codec, Format] = {
    "PCMU": Format(0, 8000, 1, 8000),
    "PCMA": Format(8, 8000, 1, 8000),
    "G722": Format(9, 8000, 1, 16000),
    "opus": Format(107, 48000, 2, 16000),
}
"""G.722 counts 8000 for its 16000 samples by an old mistake (RFC 3551 section 4.5.2), Opus always 48000 and two
channels, whatever is in it (RFC 7587 section 4.1)."""


def _ulaw_decoding() -> Pcm:
    code = ~np.arange(256) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step << 1) + 33) << segment) - 33
    return np.where(code & 0x80, -magnitude * 4, magnitude * 4).astype(np.int16)


def _alaw_decoding() -> Pcm:
    code = np.arange(256) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, (step << 1) + 1, ((step << 1) + 33) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude * 8, -magnitude * 8).astype(np.int16)


def _ulaw_encoding() -> NDArray[np.uint8]:
    """For each 16-bit sample, as its unsigned bit pattern."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32) >> 2
    negative = sample < 0
    magnitude = np.minimum(np.abs(sample), 8158) + 33
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 15) | np.where(negative, 0x80, 0)
    encoded: NDArray[np.uint8] = (~code & 0xFF).astype(np.uint8)
    return encoded


def _alaw_encoding() -> NDArray[np.uint8]:
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32) >> 3
    negative = sample < 0
    magnitude = np.where(negative, -sample - 1, sample)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 15) | np.where(negative, 0, 0x80)
    encoded: NDArray[np.uint8] = (code ^ 0x55).astype(np.uint8)
    return encoded


DECODING: dict[Codec, Pcm] = {"PCMU": _ulaw_decoding(), "PCMA": _alaw_decoding()}
"""Samples by code."""
_ENCODING: dict[Codec, NDArray[np.uint8]] = {"PCMU": _ulaw_encoding(), "PCMA": _alaw_encoding()}
SILENCE: dict[Codec, int] = {"PCMU": 0xFF, "PCMA": 0xD5}
"""The code of the quietest sample."""


def decode(payload: bytes | memoryview, codec: Codec) -> Pcm:
    """G.711 bytes to samples, shape (n,), int16."""
    return DECODING[codec].take(np.frombuffer(payload, np.uint8))  # twice as fast as an index in brackets


def encode(pcm: Pcm, codec: Codec) -> bytes:
    """Samples, int16, shape (n,), to as many G.711 bytes."""
    return _ENCODING[codec][np.ascontiguousarray(pcm).view(np.uint16)].tobytes()
