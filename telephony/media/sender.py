"""What goes out: queued audio, comfort noise and keys, one packet per packet time (no I/O; the calls are the clock)."""

from __future__ import annotations

import random
import threading
from typing import NamedTuple

import numpy as np

from ..call_policy import Terms
from ..sdp.agreement import Agreed
from . import rtp
from .codecs import FORMATS, RATE_HZ, SILENCE, Codec, Pcm, decode, encode
from .comfort_noise import ComfortNoise
from .dtmf import DtmfSender, check_keys, tones
from .encoders import Encoder, make_encoder
from .resample import Resampler, make_resampler

_DEFAULT = Terms()


class _Way(NamedTuple):
    """From the leg's samples to payloads."""

    codec: Codec
    encoder: Encoder | None
    """None: G.711."""
    resampler: Resampler | None
    coded: bool
    """The queue holds G.711 at its own rate: encoded once, when it is played."""

    def payload(self, samples: bytes) -> bytes:
        """One packet's, of int16 samples."""
        pcm = np.frombuffer(samples, np.int16)
        if self.resampler is not None:
            pcm = self.resampler(pcm)
        return encode(pcm, self.codec) if self.encoder is None else self.encoder.encode(pcm)


class Sender:
    """The sending half of a session.

    `play`, `flush` and `press` are called on the event loop, `next_packet` in the engine's thread; the lock covers the
    few lines that both touch. Sequence and timestamp go on over re-INVITEs; timestamps count all packet times, sent or
    not.

    Args:
        rate_hz: of the leg, 8000 or 16000, for good. None: that of the first codec agreed on, or 8000 when something is
            played before.
    """

    def __init__(self, rate_hz: int | None = None) -> None:
        self.packets = 0
        self.bytes = 0
        self.played_samples = 0
        """Handed to the network, at the leg's rate, without silence."""
        self.ssrc = random.getrandbits(32)
        self.ptime_ms = 20
        """`next_packet` is to be called this often: 10, 20 or 30."""
        self._rate_hz = rate_hz
        self._sequence = random.getrandbits(15)
        """At first in the lower half: SRTP counts its wraps, and both sides must agree from where (RFC 4568 §6.4)."""
        self._timestamp = random.getrandbits(32)
        self._lock = threading.Lock()
        self._queue = bytearray()
        self._tones = bytearray()
        """Keys as sound, in the form of the queue, before which they go out."""
        self._way = _Way("PCMU", None, None, (rate_hz or RATE_HZ) == RATE_HZ)
        self._payload_type = 0
        self._dtmf_payload_type: int | None = None
        self._dtmf_clock_hz = RATE_HZ
        self._sending = False
        self._units = self._wanted = 160
        """Of one packet: units of the media clock, and samples at the leg's rate."""
        self._noise = ComfortNoise()
        self._noise_dbov: float | None = None
        self._keys = DtmfSender()
        self._talking = False

    @property
    def rate_hz(self) -> int:
        """Of what is played."""
        return self._rate_hz or RATE_HZ

    @property
    def timestamp(self) -> int:
        """The media clock, 32 bits (for sender reports)."""
        return self._timestamp

    @property
    def clock_hz(self) -> int:
        """Of the media clock."""
        return FORMATS[self._way.codec].clock_hz

    @property
    def codec(self) -> Codec:
        """Agreed last."""
        return self._way.codec

    @property
    def queued_samples(self) -> int:
        """Not sent yet, at the leg's rate."""
        return len(self._queue) if self._way.coded else len(self._queue) // 2

    def agree(self, agreed: Agreed, terms: Terms = _DEFAULT) -> None:
        """Send on these terms from the next packet on; what is queued is kept."""
        with self._lock:
            if self._rate_hz is None:
                self._rate_hz = FORMATS[agreed.codec].rate_hz
            if agreed.codec != self._way.codec or self._way.coded != self._is_coded(agreed.codec):
                self._change(agreed.codec, self._rate_hz)
            self.ptime_ms = agreed.ptime_ms
            self._units = self.clock_hz * self.ptime_ms // 1000
            self._wanted = self.rate_hz * self.ptime_ms // 1000
            self._payload_type = agreed.payload_type
            self._dtmf_clock_hz = agreed.dtmf_clock_hz or FORMATS[agreed.codec].clock_hz
            self._dtmf_payload_type = None if terms.keys == "inband" else agreed.dtmf_payload_type
            self._sending = agreed.direction in ("sendrecv", "sendonly")
            self._noise_dbov = terms.comfort_noise_dbov

    def play(self, pcm: Pcm) -> None:
        """Append audio at the leg's rate."""
        if self._rate_hz is None:
            self._rate_hz = RATE_HZ
        samples = self._form(pcm)
        with self._lock:
            self._queue += samples

    def flush(self) -> int:
        """Drop what is queued; returns the number of samples."""
        with self._lock:
            dropped = self.queued_samples
            self._queue.clear()
        return dropped

    def press(self, keys: str) -> None:
        """Send keys, as events or else as tones. Raises ValueError for other characters."""
        if self._dtmf_payload_type is None and self._sending:
            samples = self._form(tones(keys, self.rate_hz))
            with self._lock:
                self._tones += samples
            return
        keys = check_keys(keys)
        with self._lock:
            self._keys.press(keys)

    def next_packet(self) -> bytes | None:
        """The packet of this time; None while nothing may be sent. What is queued waits during a hold and a key."""
        with self._lock:
            timestamp = self._timestamp
            self._timestamp = (timestamp + self._units) & 0xFFFFFFFF
            if not self._sending:
                self._talking = False
                return None
            event_type = self._dtmf_payload_type if self._keys.waiting else None
            event = None if event_type is None else self._keys.next(self.ptime_ms, self._dtmf_clock_hz)
            way = self._way
            talking = event_type is None and bool(self._tones or self._queue)
            samples = self._due() if talking else self._quiet(self._wanted)
            payload_type, marker = self._payload_type, talking and not self._talking
            self._talking = talking
        if event is not None and event_type is not None:
            payload_type, marker, payload = event_type, event.marker, event.payload
            back = event.offset_units * self.clock_hz // self._dtmf_clock_hz
            timestamp = (timestamp - back) & 0xFFFFFFFF
        else:
            payload = samples if way.coded else way.payload(samples)
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.bytes += len(payload)
        return rtp.HEADER.pack(0x80, payload_type | marker << 7, sequence, timestamp, self.ssrc) + payload

    def skip(self, slots: int) -> None:
        """Let packet times pass that could not be used (a stalled machine): the clock goes on, the audio waits."""
        self._timestamp = (self._timestamp + slots * self._units) & 0xFFFFFFFF
        self._talking = False

    def _due(self) -> bytes:
        """This packet's samples: of the queue, and where that ends comfort noise. G.711, or int16 at the leg's rate."""
        queue = self._tones or self._queue
        width = 1 if self._way.coded else 2
        wanted = self._wanted
        samples = bytes(queue[: wanted * width])
        del queue[: wanted * width]
        count = len(samples) // width
        if queue is self._queue:
            self.played_samples += count
        if count < wanted:
            samples += self._quiet(wanted - count)
        return samples

    def _quiet(self, samples: int) -> bytes:
        """What the line sounds like when nothing is said."""
        way, level_dbov = self._way, self._noise_dbov
        if way.coded:
            if level_dbov is None:
                return bytes((SILENCE[way.codec],)) * samples
            return self._noise.coded(samples, way.codec, level_dbov)
        return bytes(2 * samples) if level_dbov is None else self._noise.samples(samples, level_dbov).tobytes()

    def _form(self, pcm: Pcm) -> bytes:
        """As the queue has it."""
        way = self._way
        return encode(pcm, way.codec) if way.coded else pcm.astype(np.int16, copy=False).tobytes()

    def _is_coded(self, codec: Codec) -> bool:
        return codec in SILENCE and self.rate_hz == RATE_HZ

    def _change(self, codec: Codec, rate_hz: int) -> None:
        """Go on with another codec, and convert what is queued."""
        old = self._way
        new = _Way(codec, make_encoder(codec), make_resampler(rate_hz, FORMATS[codec].rate_hz), self._is_coded(codec))
        self._way = new
        if old.coded or new.coded:
            for samples in (self._queue, self._tones):
                pcm = decode(bytes(samples), old.codec) if old.coded else np.frombuffer(bytes(samples), np.int16)
                samples[:] = self._form(pcm)
