"""SDP offers and answers for one audio stream: what is said, and what both sides then agree on (RFC 3264, RFC 8866).

What is written is built from validated tokens and integers, so no CR or LF of a peer gets through. `negotiation`
keeps the state of a dialog; this file knows only one body at a time.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .codecs import FORMATS, Codec
from .description import Description, Direction, Mapped, SdpError, Stream, parse
from .terms import Terms

__all__ = ["Agreed", "AudioLine", "Direction", "SdpError", "parse"]

PacketTime = Literal[10, 20, 30]
PACKET_TIMES_MS: tuple[PacketTime, ...] = (10, 20, 30)

COMFORT_NOISE = 13
"""RFC 3389, at 8000 Hz."""
EVENT_TYPES: dict[int, int] = {8000: 101, 48000: 100}
"""Our payload type of telephone-event for each clock (RFC 4733 section 2.1: that of the audio beside it)."""
_FMTP: dict[Codec, str] = {"opus": "maxplaybackrate=16000;maxaveragebitrate=24000;stereo=0;useinbandfec=1"}
"""Opus: wideband speech, one channel, with forward error correction (RFC 7587 section 6.1)."""
_CARRIED: frozenset[Codec] = frozenset({"PCMU", "PCMA"})
"""Those that sender and receiver can do."""

_STATIC: dict[int, Mapped] = {
    0: Mapped("PCMU", 8000, 1),
    8: Mapped("PCMA", 8000, 1),
    9: Mapped("G722", 8000, 1),
    COMFORT_NOISE: Mapped("CN", 8000, 1),
}
"""Payload types that need no rtpmap (RFC 3551 table 4)."""
_CODECS: dict[Mapped, Codec] = {
    Mapped(codec.upper(), form.clock_hz, form.channels): codec for codec, form in FORMATS.items()
}
PLAIN = ("RTP/AVP", "RTP/AVPF")

_MIRRORED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides settled on, seen from our side."""

    remote: tuple[str, int]
    """Where the peer wants RTP: address literal and port."""
    codec: Codec
    payload_type: int
    """Of what we send."""
    dtmf_payload_type: int | None
    """Of telephone-event on the codec's clock, as we send it; None when the peer has none."""
    direction: Direction
    """Ours: with ``recvonly`` and ``inactive`` we send nothing (the peer holds)."""
    ptime_ms: int
    """Of our packets: 10, 20 or 30."""
    rtcp_remote: tuple[str, int] | None = None
    """Where the peer wants RTCP when that is not the next port (RFC 3605)."""
    own_payload_type: int | None = None
    """Of what the peer sends, when it numbers differently than we do (RFC 3264 section 5.1); None: as ours."""
    own_dtmf_payload_type: int | None = None
    comfort_noise: bool = False
    """The peer may send CN packets (payload type 13) instead of silence, and understands ours."""


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
    more: tuple[str, ...] = ()
    """Further attributes, without ``a=``."""

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
        attributes += [f"ptime:{self.ptime_ms}", self.direction, *self.more]
        names = " ".join(map(str, formats))
        return [f"m=audio {self.port} {self.profile} {names}", *(f"a={attribute}" for attribute in attributes)]


def compose(ip: str, session_id: int, version: int, time: str, streams: list[list[str]]) -> bytes:
    """A whole body. Raises ValueError when `ip` is no address literal."""
    parsed = ipaddress.ip_address(ip)
    address = f"IP{parsed.version} {parsed}"
    lines = ["v=0", f"o=- {session_id:d} {version:d} IN {address}", "s=-", f"c=IN {address}", f"t={time}"]
    lines += [line for stream in streams for line in stream]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def refusal(stream: Stream) -> list[str]:
    """The stream is not wanted (RFC 3264 section 6)."""
    return [f"m={stream.kind} 0 {stream.profile} {stream.formats[0]}"]


# ── our side ──


def offer_line(terms: Terms, port: int, direction: Direction) -> AudioLine:
    """All that the terms allow. Raises ValueError when they name no codec that we can do."""
    codecs = carried(terms)
    clocks = dict.fromkeys(FORMATS[codec].clock_hz for codec in codecs)
    return AudioLine(
        port,
        PLAIN[0],
        tuple((FORMATS[codec].payload_type, codec) for codec in codecs),
        tuple((EVENT_TYPES[clock_hz], clock_hz) for clock_hz in clocks),
        direction,
        terms.ptime_ms,
    )


def answer_line(stream: Stream, agreed: Agreed, port: int) -> AudioLine:
    """To the offered stream, with the offerer's numbers."""
    events = () if agreed.dtmf_payload_type is None else ((agreed.dtmf_payload_type, FORMATS[agreed.codec].clock_hz),)
    codecs = ((agreed.payload_type, agreed.codec),)
    return AudioLine(
        port, stream.profile, codecs, events, agreed.direction, agreed.ptime_ms, comfort_noise=agreed.comfort_noise
    )


def carried(terms: Terms) -> list[Codec]:
    """The codecs of the terms that we can do, best first. Raises ValueError when there is none."""
    codecs = [codec for codec in terms.codecs if codec in _CARRIED]
    if not codecs:
        raise ValueError(f"none of the codecs {', '.join(terms.codecs)} can be done")
    return codecs


# ── the peer's side ──


def choose(offer: Description, ip: str, terms: Terms, wish: Direction = "sendrecv") -> tuple[int, Agreed]:
    """The best stream of an offer, by its place among all, and what it comes to.

    Of several that can be carried the one with the codec that we like best is taken, the first of equals.
    Raises SdpError.
    """
    family = ipaddress.ip_address(ip).version
    best: tuple[int, int, Agreed] | None = None
    for index, stream in enumerate(offer.streams):
        agreed = agree(stream, terms, family, wish)
        if agreed is not None:
            rank = terms.codecs.index(agreed.codec)
            if best is None or rank < best[0]:
                best = rank, index, agreed
    if best is None:
        raise SdpError(488, "no audio stream with a codec, profile and address that can be used")
    return best[1], best[2]


class _Formats(NamedTuple):
    codecs: dict[Codec, int]
    events: dict[int, int]
    """Payload type by clock."""
    comfort_noise: bool


def agree(
    stream: Stream, terms: Terms, family: int | None, wish: Direction, ours: AudioLine | None = None
) -> Agreed | None:
    """What a stream of the peer comes to; None when it cannot be used.

    Args:
        family: of our address; a peer elsewhere cannot be reached. None: not checked.
        wish: what we want ourselves; the peer's direction can only lessen it.
        ours: our offer, when this is the answer to it: the peer's first codec counts. In an offer, ours does.

    Raises SdpError when it has no c= line or (400) is no stream at all.
    """
    formats = _formats(stream)
    wanted: list[Codec] = carried(terms)
    if ours is not None:
        offered = [codec for _, codec in ours.codecs]
        wanted = [codec for codec in formats.codecs if codec in offered]
    codec = next((codec for codec in wanted if codec in formats.codecs), None)
    if stream.kind != "audio" or stream.port == 0 or stream.profile not in PLAIN or codec is None:
        return None
    if stream.connection is None:
        raise SdpError(400, "an audio stream without c= line")
    address = ipaddress.ip_address(stream.connection)
    if family is not None and address.version != family:
        return None
    if address.is_multicast or stream.connection == "255.255.255.255":
        return None
    # The hold of RFC 2543 (RFC 3264 §8.4): an unspecified address asks that nothing be sent.
    direction = "inactive" if address.is_unspecified else _lesser(wish, _MIRRORED[stream.direction or "sendrecv"])
    rtcp = None if stream.rtcp_port is None else (stream.connection, stream.rtcp_port)
    clock_hz = FORMATS[codec].clock_hz
    own = _own(ours, codec, clock_hz)
    return Agreed(
        (stream.connection, stream.port),
        codec,
        formats.codecs[codec],
        formats.events.get(clock_hz),
        direction,
        _packet_time(stream, terms, codec),
        rtcp,
        own[0] if own[0] != formats.codecs[codec] else None,
        own[1] if own[1] != formats.events.get(clock_hz) else None,
        formats.comfort_noise and clock_hz == 8000,
    )


def _own(ours: AudioLine | None, codec: Codec, clock_hz: int) -> tuple[int | None, int | None]:
    """Our numbers for the codec and its events, in our offer."""
    if ours is None:
        return None, None
    codecs = {name: payload_type for payload_type, name in ours.codecs}
    events = {clock: payload_type for payload_type, clock in ours.events}
    return codecs.get(codec), events.get(clock_hz)


def _lesser(first: Direction, second: Direction) -> Direction:
    """What both allow."""
    sends = all(direction in ("sendrecv", "sendonly") for direction in (first, second))
    hears = all(direction in ("sendrecv", "recvonly") for direction in (first, second))
    if sends:
        return "sendrecv" if hears else "sendonly"
    return "recvonly" if hears else "inactive"


def _packet_time(stream: Stream, terms: Terms, codec: Codec) -> PacketTime:
    """The peer's wish when we can do it, else that of the terms; never more than its ``maxptime`` (RFC 8866 §6.4)."""
    possible = [20] if codec == "opus" else list(PACKET_TIMES_MS)  # RFC 6716: no Opus frame has 30 ms
    limit_ms = stream.maxptime_ms or PACKET_TIMES_MS[-1]
    wish_ms = stream.ptime_ms if stream.ptime_ms in possible else terms.ptime_ms
    return next(time for time in (*reversed(PACKET_TIMES_MS), 10) if time <= min(wish_ms or 20, limit_ms) or time == 10)


def _formats(stream: Stream) -> _Formats:
    codecs: dict[Codec, int] = {}
    events: dict[int, int] = {}
    comfort_noise = False
    for text in stream.formats:
        if not text.isdigit() or int(text) > 127:
            continue
        payload_type = int(text)
        mapped = stream.rtpmap.get(payload_type, _STATIC.get(payload_type))
        if mapped is None:
            continue
        if mapped in _CODECS:
            codecs.setdefault(_CODECS[mapped], payload_type)
        elif mapped.name == "TELEPHONE-EVENT":
            events.setdefault(mapped.clock_hz, payload_type)
        elif mapped == _STATIC[COMFORT_NOISE] and payload_type == COMFORT_NOISE:
            comfort_noise = True
    return _Formats(codecs, events, comfort_noise)


# ── for those who have not moved to `negotiation` yet ──

_PLAIN_TERMS = Terms()


def make_offer(ip: str, port: int, *, session_id: int, version: int) -> bytes:
    """Offer all codecs, sendrecv, 20 ms. Raises ValueError when `ip` or `port` is none."""
    return compose(ip, session_id, version, "0 0", [offer_line(_PLAIN_TERMS, port, "sendrecv").lines()])


def answer(offer: bytes, ip: str, port: int, *, session_id: int, version: int) -> tuple[bytes, Agreed]:
    """Answer the best audio stream, refuse all others in order. Raises SdpError."""
    description = parse(offer)
    index, agreed = choose(description, ip, _PLAIN_TERMS)
    streams = [refusal(stream) for stream in description.streams]
    streams[index] = answer_line(description.streams[index], agreed, port).lines()
    return compose(ip, session_id, version, description.time, streams), agreed


def read_answer(body: bytes) -> Agreed:
    """What the peer made of `make_offer`. Raises SdpError; 488 when it refused the stream."""
    ours = offer_line(_PLAIN_TERMS, 9, "sendrecv")
    for stream in parse(body).streams:
        agreed = agree(stream, _PLAIN_TERMS, None, "sendrecv", ours)
        if agreed is not None:
            return agreed
    raise SdpError(488, "the answer has no audio stream that was offered")
