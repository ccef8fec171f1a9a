"""What we write of our audio stream, in an offer or an answer (RFC 8866).

It is built from validated tokens and integers, so no CR or LF of a peer gets through.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..media.codecs import FORMATS, Codec
from ..media.srtp import Crypto, write_crypto
from .description import Direction, MediaDescription, Setup

COMFORT_NOISE = 13
"""RFC 3389, at 8000 Hz."""
EVENT_TYPES: dict[int, int] = {8000: 101, 48000: 100}
"""Our payload type of telephone-event for each clock (RFC 4733 section 2.1: that of the audio beside it)."""
_FMTP: dict[Codec, str] = {"opus": "maxplaybackrate=16000;maxaveragebitrate=24000;stereo=0;useinbandfec=1"}
"""Opus: wideband speech, one channel, with forward error correction (RFC 7587 section 6.1)."""


@dataclass(frozen=True, slots=True)
class AudioLine:
    """What we say of our audio stream."""

    port: int
    profile: str
    codecs: tuple[tuple[int, Codec], ...]
    events: tuple[tuple[int, int], ...]
    """Payload types of telephone-event, each with its clock in Hz."""
    direction: Direction
    ptime_ms: int
    comfort_noise: bool = False
    rtcp_mux: bool = False
    crypto: tuple[Crypto, ...] = ()
    setup: Setup | None = None
    """With DTLS only."""
    fingerprint: str = ""
    """Of our certificate, with its hash function."""

    def lines(self) -> list[str]:
        """The m= line and its attributes. Raises ValueError when the port is none."""
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no port")
        formats, attributes = [], []
        for payload_type, codec in self.codecs:
            formats.append(payload_type)
            form = FORMATS[codec]
            channels = f"/{form.channels}" if form.channels > 1 else ""
            attributes.append(f"rtpmap:{payload_type} {codec}/{form.clock_hz}{channels}")
            if codec in _FMTP:
                attributes.append(f"fmtp:{payload_type} {_FMTP[codec]}")
        if self.comfort_noise:
            formats.append(COMFORT_NOISE)
            attributes.append(f"rtpmap:{COMFORT_NOISE} CN/8000")
        for payload_type, clock_hz in self.events:
            formats.append(payload_type)
            attributes.append(f"rtpmap:{payload_type} telephone-event/{clock_hz}")
            attributes.append(f"fmtp:{payload_type} 0-15")
        attributes += [f"ptime:{self.ptime_ms}", self.direction]
        attributes += [f"crypto:{write_crypto(crypto)}" for crypto in self.crypto]
        if self.setup is not None:
            attributes += [f"setup:{self.setup}", f"fingerprint:{self.fingerprint}"]
        if self.rtcp_mux:
            attributes.append("rtcp-mux")
        names = " ".join(map(str, formats))
        return [f"m=audio {self.port} {self.profile} {names}", *(f"a={attribute}" for attribute in attributes)]


def compose(ip: str, session_id: int, version: int, time: str, streams: list[list[str]]) -> bytes:
    """A whole body. Raises ValueError when `ip` is no address literal."""
    parsed = ipaddress.ip_address(ip)
    address = f"IP{parsed.version} {parsed}"
    lines = ["v=0", f"o=- {session_id:d} {version:d} IN {address}", "s=-", f"c=IN {address}", f"t={time}"]
    lines += [line for stream in streams for line in stream]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def refusal(stream: MediaDescription) -> list[str]:
    """The stream is not wanted (RFC 3264 section 6)."""
    return [f"m={stream.kind} 0 {stream.profile} {stream.formats[0]}"]
