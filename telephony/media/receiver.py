"""What comes in: datagrams of anybody to the caller's audio and keys, in order (no I/O; the clock is an argument)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..call_policy import Terms
from ..sdp.agreement import Agreed
from . import rtp
from .codecs import FORMATS, Codec, Pcm
from .comfort_noise import ComfortNoise
from .encoders import CODECS, Decoder, make_decoder
from .jitter import Cut, Frame, JitterBuffer
from .key_reception import LONGEST_BYTES, KeyReception, UnagreedEventType
from .loss_concealment import Concealer
from .resample import Resampler, make_resampler
from .rtcp import FIRST_TYPE, LAST_TYPE
from .source_lock import SourceLock

COMFORT_NOISE = 13
"""RFC 3389: a sender says that it is silent, and how its silence sounds."""
LOUDEST_NOISE_DBOV = -30.0
"""Whatever a peer names: louder is no comfort."""

_STUN_END = 4
_DEFAULT = Terms()

Heard = Pcm | str | UnagreedEventType
"""A block of samples, one key, or news of how keys come."""


class _Line(NamedTuple):
    """From payloads of one codec to the leg's samples."""

    codec: Codec
    decoder: Decoder
    units: Callable[[bytes], int]
    """Of the decoder."""
    clock_hz: int
    rate_hz: int
    resampler: Resampler | None

    def pcm(self, samples: Pcm) -> Pcm:
        return samples if self.resampler is None else self.resampler(samples)


class Receiver:
    """The receiving half of a session.

    Args:
        agreed: by the first exchange of descriptions.
        source_host: where the peer's signalling comes from, see `SourceLock`.
        terms: how keys travel in this call.
        rate_hz: of the leg, 8000 or 16000, for good. None: that of the codec.
    """

    def __init__(
        self,
        agreed: Agreed,
        source_host: str | None = None,
        terms: Terms = _DEFAULT,
        rate_hz: int | None = None,
    ) -> None:
        self.malformed = 0
        self.stray = 0
        self.wrong_source = 0
        self.keepalive_ms: float | None = None
        """When something last came from a host of the call that is no audio, and shows that the peer lives."""
        self.bytes = 0
        self.concealed_samples = 0
        """At `rate_hz`; the noise that a peer asked for does not count, nor the time of its key presses."""
        self.rate_hz = rate_hz or FORMATS[agreed.codec].rate_hz
        self.buffer = JitterBuffer()
        self.lock = SourceLock(agreed.remote, source_host, symmetric=terms.symmetric)
        self.codec: Codec = agreed.codec
        """Of the audio heard last."""
        self._concealer = Concealer(self.rate_hz)
        self._noise = ComfortNoise()
        self._noise_dbov: float | None = None
        """Since the peer said that it is silent."""
        self.keys = KeyReception(self.rate_hz)
        self._keys_until_ms = 0.0
        """Instead of audio the peer sends events until then."""
        self._restarts = 0
        """Of the stream, as far as `keys` knows."""
        self._lines: dict[int, _Line] = {}
        """By payload type."""
        self._made: dict[Codec, _Line] = {}
        self._ready: list[Heard] = []
        """Heard since the last `take`."""
        self._listening = True
        self.agree(agreed, source_host, terms)

    def agree(self, agreed: Agreed, source_host: str | None = None, terms: Terms = _DEFAULT) -> None:
        """Go on with other terms (re-INVITE), or with a peer whose signalling comes from elsewhere now.

        A new address is learned anew.
        """
        if agreed.remote != self.lock.signalled:
            self.lock = SourceLock(agreed.remote, source_host, symmetric=terms.symmetric, before=self.lock)
        elif source_host is not None and source_host != self.lock.signalling_host:
            self.lock.signalling_moved(source_host)
        self.lock.authenticated = agreed.security != "plain"
        # Some send another codec than agreed without asking; all of ours are understood at any time.
        codecs = {FORMATS[codec].payload_type: codec for codec in CODECS}
        own = {number for number in (agreed.payload_type, agreed.own_payload_type) if number is not None}
        events = {number for number in (agreed.dtmf_payload_type, agreed.own_dtmf_payload_type) if number is not None}
        codecs.update(dict.fromkeys(own, agreed.codec))
        self._lines = {
            number: self._made.get(codec) or self._make_line(codec)
            for number, codec in codecs.items()
            if number in own or number not in events
        }
        self._listening = agreed.direction in ("sendrecv", "recvonly")
        self.keys.agree(events, own, agreed.dtmf_clock_hz or FORMATS[agreed.codec].clock_hz, terms)

    def datagram(self, data: bytes, source: rtp.Address, now_ms: float) -> bytes | None:
        """Take a datagram in; returns its payload when it is the caller's audio. Never raises for what it contains."""
        packet = rtp.parse(data)
        if packet is None:
            # STUN (RFC 7983) and empty datagrams keep a NAT's door open (RFC 6263): nothing is wrong with them.
            if not data or data[0] < _STUN_END or rtp.is_empty(data):
                self.stray += 1
                self._kept_open(source, now_ms)
            else:
                self.malformed += 1
            return None
        _, payload_type, sequence, timestamp, ssrc, payload = packet
        line = self._lines.get(payload_type)
        signal = line is None and payload_type == COMFORT_NOISE
        if len(payload) <= LONGEST_BYTES and self.keys.may_be_event(payload_type, payload):
            line, signal = None, True
        units = 0 if line is None else line.units(payload)
        if units == 0 and not signal:
            if not FIRST_TYPE <= data[1] <= LAST_TYPE:  # RTCP that came here without being asked to is the session's
                self.malformed += 1
                self._kept_open(source, now_ms)
            return None
        lock = self.lock
        if source == lock.locked:
            lock.last, lock.last_ms = packet, now_ms
        elif not lock.accepts(source, packet, now_ms):
            self.wrong_source += 1
            return None
        self.bytes += len(payload)
        if not self._listening:
            return None
        if line is None:
            self._take_signal(packet, now_ms)
            return None
        if self.buffer.pass_on(ssrc, sequence, timestamp, units, now_ms, line.clock_hz):
            self._hear(self._audio(line, payload, units), self._ready)
        else:
            self.buffer.put(packet, units, now_ms, line.clock_hz)
        return payload

    def _kept_open(self, source: rtp.Address, now_ms: float) -> None:
        if self.lock.is_of_call(source[0]):
            self.keepalive_ms = now_ms

    def take(self, now_ms: float) -> list[Heard]:
        """What can be handed on now. To be called every 20 ms also when nothing came, so that time goes on."""
        heard, self._ready = self._ready, []
        if not self._listening:
            return []
        frames = self.buffer.take(now_ms)
        if now_ms > self._keys_until_ms:
            self._keys_until_ms = 0.0
        if self._restarts != self.buffer.restarts:
            self._restarts = self.buffer.restarts
            self.keys.restarted()
        for index, frame in enumerate(frames):
            if isinstance(frame, int):
                self._hear(self._hole(frame, frames[index + 1] if index + 1 < len(frames) else None), heard)
                continue
            packet, skip = frame if isinstance(frame, Cut) else (frame, 0)
            line = self._lines.get(packet.payload_type)
            if self._is_signal(packet, line) or line is None:
                self._pass_signal(packet, now_ms)
            else:
                self._hear(self._audio(line, packet.payload, line.units(packet.payload), skip), heard)
        return heard

    def _is_signal(self, packet: rtp.RtpPacket, line: _Line | None) -> bool:
        return line is None or (
            len(packet.payload) <= LONGEST_BYTES and self.keys.may_be_event(packet.payload_type, packet.payload)
        )

    def _take_signal(self, packet: rtp.RtpPacket, now_ms: float) -> None:
        """Comfort noise, or an event: told at once, since events know their own order and may be numbered apart."""
        if packet.payload_type == COMFORT_NOISE:
            self.buffer.put(packet, 0, now_ms)
            return
        self.buffer.put_event(packet, now_ms)
        self._ready += self.keys.event(packet, now_ms)
        self._note_keys(packet, now_ms)

    def _pass_signal(self, packet: rtp.RtpPacket, now_ms: float) -> None:
        """The same in its place among the audio."""
        self._concealer.forget()
        if packet.payload_type == COMFORT_NOISE:
            self._noise_dbov = min(-float(packet.payload[0] & 0x7F), LOUDEST_NOISE_DBOV)
        else:
            self._note_keys(packet, now_ms)

    def _note_keys(self, packet: rtp.RtpPacket, now_ms: float) -> None:
        """Nothing is missing while these come."""
        if self.keys.is_event(packet):
            self._keys_until_ms = self.keys.lasts_until_ms(now_ms) + self.buffer.wait_ms

    def _make_line(self, codec: Codec) -> _Line:
        form, decoder = FORMATS[codec], make_decoder(codec)
        resampler = make_resampler(form.rate_hz, self.rate_hz)
        line = self._made[codec] = _Line(codec, decoder, decoder.units, form.clock_hz, form.rate_hz, resampler)
        return line

    def _hear(self, pcm: Pcm, heard: list[Heard]) -> None:
        if not len(pcm):
            return
        heard.append(pcm)
        heard.extend(self.keys.audio(pcm, self.lock.last_ms or 0.0))

    def _audio(self, line: _Line, payload: bytes, units: int, skip: int = 0) -> Pcm:
        """A payload of so many clock units, without the first `skip` of them."""
        samples = line.decoder.decode(payload)
        if len(samples) * line.clock_hz < units * line.rate_hz:  # broken within
            return self._hole(units - skip, None)
        if skip:
            samples = samples[skip * line.rate_hz // line.clock_hz :]
        self.codec = line.codec
        self._noise_dbov = None
        self._keys_until_ms = 0.0
        return self._concealer.arrived(samples if line.resampler is None else line.resampler(samples))

    def _hole(self, units: int, following: Frame | None) -> Pcm:
        """Sound in place of what is missing: noise where the peer said so, else what it may have been."""
        count = units * self.rate_hz // self.buffer.clock_hz
        if self._noise_dbov is not None:
            return self._noise.at_level(count, self._noise_dbov)
        if self._keys_until_ms:
            return np.zeros(count, np.int16)
        self.concealed_samples += count
        line = self._made.get(self.codec)
        if line is not None and count:
            payload = None
            if isinstance(following, rtp.RtpPacket) and self._lines.get(following.payload_type) is line:
                payload = following.payload
            own = line.decoder.conceal(count * line.rate_hz // self.rate_hz, payload)
            if own is not None:
                made = line.pcm(own)
                return np.concatenate((np.zeros(count - len(made), np.int16), made)) if len(made) < count else made
        return self._concealer.conceal(count)
