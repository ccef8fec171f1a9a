"""Opus (RFC 6716, RFC 7587) by libopus itself: the copy that PyAV brings along, or the system's.

FFmpeg's wrapper decodes at 48000 Hz only and shows neither concealment nor forward error correction. Here both sides
work at the rate of the leg. The calls keep the interpreter's lock (`PyDLL`), as each takes far less than a tick.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .codecs import Pcm

CLOCK_HZ = 48000
MAX_PACKET_BYTES = 1275
MAX_PACKET_MS = 120
"""RFC 6716 section 3.2.5, R5."""
BIT_RATE = 32_000
"""Half of G.711. Wideband speech needs 16 to 20 kbit/s (RFC 7587 section 3.1.1), the redundancy the rest: below 24
kbit/s the encoder leaves it out."""
COMPLEXITY = 5
"""Of 10. More takes twice the CPU for a difference that nobody hears in speech."""
EXPECTED_LOSS_PERCENT = 10
"""Makes the encoder repeat each packet coarsely in the next."""

_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS, _SET_SIGNAL = 4002, 4010, 4012, 4014, 4024
_SIGNAL_VOICE = 3001
_FRAME_UNITS = (480, 960, 1920, 2880)
"""Of SILK modes (RFC 6716 table 2), at 48000 Hz."""
_STEPS_PER_S = 400
"""Frames are made of 2.5 ms."""


@lru_cache(maxsize=1)
def _library() -> Any:
    """libopus with its signatures; None when there is none."""
    found: list[Path] = []
    spec = importlib.util.find_spec("av")  # which is not imported: all of FFmpeg would come with it
    for root in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
        found += [*root.parent.glob("av.libs/libopus*"), *root.glob(".dylibs/libopus*")]
        found += root.parent.glob("av.libs/opus*")
    name = str(found[0]) if found else ctypes.util.find_library("opus")
    if name is None:
        return None
    try:
        library: Any = ctypes.PyDLL(name)
    except OSError:
        return None
    number, state, data = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
    for kind in ("encoder", "decoder"):
        getattr(library, f"opus_{kind}_create").restype = state
        getattr(library, f"opus_{kind}_destroy").argtypes = [state]
        getattr(library, f"opus_{kind}_destroy").restype = None
    library.opus_encoder_ctl.argtypes = [state, number, number]
    library.opus_encode.argtypes = [state, data, number, state, ctypes.c_int32]
    library.opus_decode.argtypes = [state, data, ctypes.c_int32, state, number, number]
    return library


def available() -> bool:
    """Whether this installation has libopus."""
    return _library() is not None


class Encoder:
    """One stream from us."""

    def __init__(self, rate_hz: int) -> None:
        self._library = _library()
        self._state = self._library.opus_encoder_create(ctypes.c_int32(rate_hz), 1, _VOIP, None)
        if not self._state:
            raise MemoryError("no Opus encoder")
        for setting, value in (
            (_SET_BITRATE, BIT_RATE),
            (_SET_COMPLEXITY, COMPLEXITY),
            (_SET_INBAND_FEC, 1),
            (_SET_PACKET_LOSS, EXPECTED_LOSS_PERCENT),
            (_SET_SIGNAL, _SIGNAL_VOICE),
        ):
            self._library.opus_encoder_ctl(self._state, setting, value)
        self._packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.opus_encoder_destroy(self._state)

    def encode(self, pcm: Pcm) -> bytes:
        """10, 20, 40 or 60 ms to one packet. Raises ValueError for another length."""
        size = self._library.opus_encode(self._state, pcm.tobytes(), len(pcm), self._packet, MAX_PACKET_BYTES)
        if size < 0:
            raise ValueError(f"Opus has no frame of {len(pcm)} samples")
        return self._packet.raw[:size]


class Decoder:
    """One stream from a peer, mono or stereo as it likes; comes out as mono. Costs nothing before its first payload."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._library = _library()

    @cached_property
    def _state(self) -> int:
        state: int | None = self._library.opus_decoder_create(ctypes.c_int32(self._rate_hz), 1, None)
        if state is None:
            raise MemoryError("no Opus decoder")
        return state

    @cached_property
    def _pcm(self) -> Pcm:
        """Room for the longest packet."""
        return np.empty(self._rate_hz * MAX_PACKET_MS // 1000, np.int16)

    def __del__(self) -> None:
        if "_state" in self.__dict__:
            self._library.opus_decoder_destroy(self._state)

    def units(self, payload: bytes) -> int:
        """By its first byte and, for many frames, the second (RFC 6716 section 3.1 and 3.2); 0 when malformed."""
        first = payload[0]
        count = (1, 2, 2, payload[1] & 63 if len(payload) > 1 else 0)[first & 3]
        units = count * _frame_units(first >> 3)
        return units if units <= MAX_PACKET_MS * CLOCK_HZ // 1000 else 0

    def decode(self, payload: bytes) -> Pcm:
        """The packet's samples; none when it is broken."""
        return self._decode(payload, len(self._pcm), fec=False)

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        """By the redundancy in the packet after the hole where there is some, the rest as libopus sees fit."""
        step = self._rate_hz // _STEPS_PER_S
        steps = -(-samples // step)
        recovered = 0
        if following is not None:
            recovered = min(steps, _frame_units(following[0] >> 3) * _STEPS_PER_S // CLOCK_HZ)
        pieces = []
        for most in _portions(steps - recovered, len(self._pcm) // step):
            pieces.append(self._decode(None, most * step, fec=False))
        if recovered:
            pieces.append(self._decode(following, recovered * step, fec=True))
        return np.concatenate(pieces)[-samples:]

    def _decode(self, payload: bytes | None, most: int, *, fec: bool) -> Pcm:
        size = 0 if payload is None else len(payload)
        count = self._library.opus_decode(self._state, payload, size, self._pcm.ctypes.data, most, int(fec))
        return self._pcm[: max(count, 0)].copy()


def _frame_units(configuration: int) -> int:
    """Length of a frame at 48000 Hz (RFC 6716 table 2)."""
    if configuration < 12:
        return _FRAME_UNITS[configuration & 3]
    if configuration < 16:
        return 480 << (configuration & 1)
    return 120 << (configuration & 3)


def _portions(steps: int, most: int) -> list[int]:
    return [min(most, steps - done) for done in range(0, steps, most)]
