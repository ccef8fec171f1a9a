"""What comes in: datagrams of anybody to the caller's audio and keys, in order (no I/O; the clock is an argument)."""

from __future__ import annotations

from . import rtp
from .codecs import Codec, Concealer, Pcm, decode
from .dtmf import DtmfReceiver
from .jitter import JitterBuffer
from .sdp import Agreed

COMFORT_NOISE = 13
"""RFC 3389: a sender says that it is silent."""

Heard = Pcm | str
"""A block of samples, or one key."""


class Receiver:
    """The receiving half of a session."""

    def __init__(self, agreed: Agreed, source_host: str | None = None) -> None:
        self.malformed = 0
        self.wrong_source = 0
        self.bytes = 0
        self.concealed_samples = 0
        self.last_packet_ms: float | None = None
        """When the caller's last packet came."""
        self.buffer = JitterBuffer()
        self._concealer = Concealer()
        self._events = DtmfReceiver()
        self._agreed = agreed
        self.lock = rtp.SourceLock(agreed.remote, source_host)
        self._codecs: dict[int, Codec] = {}
        self._listening = True
        self.agree(agreed, source_host)

    def agree(self, agreed: Agreed, source_host: str | None = None) -> None:
        """Go on with other terms (re-INVITE); a new address is learned anew."""
        if agreed.remote != self.lock.signalled:
            self.lock = rtp.SourceLock(agreed.remote, source_host)
        # Some send their other codec without asking; both static types are understood at any time.
        codecs: dict[int, Codec] = {0: "PCMU", 8: "PCMA", agreed.payload_type: agreed.codec}
        self._codecs = {number: codec for number, codec in codecs.items() if number != agreed.dtmf_payload_type}
        self._agreed = agreed
        self._listening = agreed.direction in ("sendrecv", "recvonly")

    def datagram(self, data: bytes, source: rtp.Address, now_ms: float) -> bytes | None:
        """Take a datagram in; returns its payload when it is the caller's audio. Never raises for what it contains."""
        packet = rtp.parse(data)
        if packet is None:
            self.malformed += 1
            return None
        is_audio = packet.payload_type in self._codecs
        if not is_audio and packet.payload_type not in (self._agreed.dtmf_payload_type, COMFORT_NOISE):
            self.malformed += 1
            return None
        if not self.lock.accepts(source, packet.sequence, now_ms):
            self.wrong_source += 1
            return None
        self.last_packet_ms = now_ms
        self.bytes += len(packet.payload)
        if not self._listening:
            return None
        self.buffer.put(packet, len(packet.payload) if is_audio else 0, now_ms)
        return packet.payload if is_audio else None

    def take(self, now_ms: float) -> list[Heard]:
        """What can be handed on now. To be called every 20 ms also when nothing came, so that time goes on."""
        if not self._listening:
            return []
        heard: list[Heard] = []
        for frame in self.buffer.take(now_ms):
            if isinstance(frame, int):
                self.concealed_samples += frame
                heard.append(self._concealer.conceal(frame))
                continue
            codec = self._codecs.get(frame.payload_type)
            if codec is not None:
                pcm = decode(frame.payload, codec)
                self._concealer.heard(pcm)
                heard.append(pcm)
                continue
            self._concealer.forget()
            if frame.payload_type == self._agreed.dtmf_payload_type:
                key = self._events.packet(frame.timestamp, frame.payload)
                if key is not None:
                    heard.append(key)
        return heard
