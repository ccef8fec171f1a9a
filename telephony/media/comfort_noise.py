"""Comfort noise: what a line sounds like on which nobody speaks (RFC 3389; no I/O)."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .codecs import Codec, Pcm, encode

MAX_SAMPLES = 16000
"""Taken at a time; a second at most."""

_LOOP_SAMPLES = 65_521
"""4 s at 16000 Hz, 8 s at 8000 Hz, begun anywhere: nobody hears white noise repeat after so long."""


@lru_cache(maxsize=1)
def _unit() -> NDArray[np.float32]:
    """White noise with an RMS of 1, long enough for any piece from anywhere in the loop."""
    wave = np.random.default_rng(3389).standard_normal(_LOOP_SAMPLES).astype(np.float32)
    return np.concatenate((wave, wave[:MAX_SAMPLES]))


def rms(level_dbov: float) -> float:
    """Of 16-bit samples: 0 dBov is the loudest square wave (RFC 3389 section 3)."""
    return float(32768 * 10 ** (level_dbov / 20))


def _scaled(unit: NDArray[np.float32], level_dbov: float) -> Pcm:
    samples: Pcm = np.clip(np.rint(unit * rms(level_dbov)), -32768, 32767).astype(np.int16)
    return samples


@lru_cache(maxsize=16)
def _loop(level_dbov: float) -> Pcm:
    return _scaled(_unit(), level_dbov)


@lru_cache(maxsize=16)
def _coded(codec: Codec, level_dbov: float) -> bytes:
    return encode(_loop(level_dbov), codec)


class ComfortNoise:
    """One line's noise, as samples or as G.711."""

    def __init__(self) -> None:
        self._at = random.randrange(_LOOP_SAMPLES)

    def at_level(self, samples: int, level_dbov: float) -> Pcm:
        """The next samples at any level (a peer names it), at most `MAX_SAMPLES`."""
        at = self._advance(samples)
        return _scaled(_unit()[at : at + samples], level_dbov)

    def samples(self, samples: int, level_dbov: float) -> Pcm:
        """The next samples at a level of our own; levels are kept, so there should be few."""
        at = self._advance(samples)
        return _loop(level_dbov)[at : at + samples]

    def coded(self, samples: int, codec: Codec, level_dbov: float) -> bytes:
        """The same as G.711."""
        at = self._at
        self._at = (at + samples) % _LOOP_SAMPLES
        return _coded(codec, level_dbov)[at : at + samples]

    def _advance(self, samples: int) -> int:
        at = self._at
        self._at = (at + samples) % _LOOP_SAMPLES
        return at
