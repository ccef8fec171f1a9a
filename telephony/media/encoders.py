"""The codecs of a call behind one small interface: an encoder and a decoder, each with the state of one stream.

`CODECS` tells which of them this installation can do.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from . import g722, opus
from .codecs import DECODING, FORMATS, Codec, Pcm

CODECS: tuple[Codec, ...] = ("PCMU", "PCMA", "G722", "opus") if opus.available() else ("PCMU", "PCMA", "G722")


class Encoder(Protocol):
    """One stream from us."""

    def encode(self, pcm: Pcm) -> bytes:
        """One packet's int16 samples (10, 20 or, but for Opus, 30 ms at `Format.rate_hz`) to its payload."""
        ...


class Decoder(Protocol):
    """One stream from a peer. What it sent is hostile: nothing is raised for it."""

    def units(self, payload: bytes) -> int:
        """How long a payload is, in units of `Format.clock_hz`; 0 for one that is malformed."""
        ...

    def decode(self, payload: bytes) -> Pcm:
        """Its int16 samples at `Format.rate_hz`; as many as `units` promised, or none if it is broken within."""
        ...

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        """In place of `samples` missing samples; None when the codec has no way of its own.

        `following` is the payload right after the hole, if that is there: it may describe what was lost (FEC).
        """
        ...


class _G711Decoder:
    def __init__(self, codec: Codec) -> None:
        self._table = DECODING[codec]

    units = staticmethod(len)

    def decode(self, payload: bytes) -> Pcm:
        return self._table.take(np.frombuffer(payload, np.uint8))

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        return None


def make_encoder(codec: Codec) -> Encoder | None:
    """None for G.711, which has no state: see `codecs.encode`. Raises ValueError for a codec not in `CODECS`."""
    _check(codec)
    if codec == "G722":
        return g722.Encoder(FORMATS[codec].rate_hz)
    return opus.Encoder(FORMATS[codec].rate_hz) if codec == "opus" else None


def make_decoder(codec: Codec) -> Decoder:
    """Raises ValueError for a codec not in `CODECS`."""
    _check(codec)
    if codec == "G722":
        return g722.Decoder(FORMATS[codec].rate_hz)
    return opus.Decoder(FORMATS[codec].rate_hz) if codec == "opus" else _G711Decoder(codec)


def _check(codec: Codec) -> None:
    if codec not in CODECS:
        raise ValueError(f"{codec} cannot be done here")
