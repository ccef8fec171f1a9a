"""What a stream of the peer comes to: codec, addresses, direction, packet time and keys (RFC 3264).

No state and no I/O: the peer's words and ours go in, an `Agreed` comes out. `negotiation` keeps the state of a dialog.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..call_policy import Terms
from ..media.codecs import FORMATS, Codec
from ..media.encoders import CODECS
from ..media.srtp import Crypto, Keys, new_key, read_crypto
from .audio_line import COMFORT_NOISE, AudioLine
from .description import ADDRESS_FORMAT, Description, Direction, Mapped, MediaDescription, SdpError

PacketTime = Literal[10, 20, 30]
PACKET_TIMES_MS: tuple[PacketTime, ...] = (10, 20, 30)

_CARRIED = frozenset(CODECS)
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

Security = Literal["plain", "sdes", "dtls"]
PLAIN = ("RTP/AVP", "RTP/AVPF")
SECURE = ("RTP/SAVP", "RTP/SAVPF")
OVER_DTLS = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
_ALLOWED: dict[str, tuple[Security, ...]] = {
    "off": ("plain",),
    "optional": ("sdes", "dtls", "plain"),
    "sdes": ("sdes",),
    "dtls": ("dtls",),
}
"""By `Terms.srtp`, best first."""
HASHES = ("sha-256", "sha-384", "sha-512")
"""For certificates' fingerprints, best known first (RFC 8122 section 5; the older ones are broken)."""
_MIRRORED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class Handshake(NamedTuple):
    """How the keys of DTLS-SRTP come about (RFC 5763)."""

    active: bool
    """We open the connection."""
    fingerprints: tuple[tuple[str, str], ...]
    """Of the peer's certificate, with their hash functions; one has to fit."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides settled on, seen from our side."""

    remote: tuple[str, int]
    """Where the peer wants RTP: address literal and port."""
    codec: Codec
    payload_type: int
    """Of what we send."""
    dtmf_payload_type: int | None
    """Of telephone-event, as we send it; None when the peer has none."""
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
    rtcp_mux: bool = False
    """RTCP comes and goes on RTP's port (RFC 5761)."""
    keys: Keys | None = None
    """Of SRTP by SDES."""
    dtls: Handshake | None = None
    """Of DTLS-SRTP. With neither, RTP is plain."""
    dtmf_clock_hz: int | None = None
    """Of telephone-event, when that is not the codec's: many phones know events at 8000 Hz only, also beside Opus."""

    @property
    def security(self) -> Security:
        """How packets are protected."""
        return "sdes" if self.keys is not None else "dtls" if self.dtls is not None else "plain"


def carried(terms: Terms) -> list[Codec]:
    """The codecs of the terms that this installation can do, best first."""
    return [codec for codec in terms.codecs if codec in CODECS]


def choose(
    offer: Description, ip: str, terms: Terms, our_direction: Direction = "sendrecv", past: Agreed | None = None
) -> tuple[int, Agreed]:
    """The best stream of an offer, by its place among all, and what it comes to.

    Of several that can be carried an encrypted one is taken, then the one with the codec that we like best, then the
    first. `past` is what was agreed before: what was encrypted stays encrypted. Raises SdpError.
    """
    family = ipaddress.ip_address(ip).version
    best: tuple[tuple[bool, int], int, Agreed] | None = None
    for index, stream in enumerate(offer.streams):
        agreed = agree(stream, terms, family, our_direction, past=past)
        if agreed is not None:
            rank = agreed.security == "plain", terms.codecs.index(agreed.codec)
            if best is None or rank < best[0]:
                best = rank, index, agreed
    if best is None:
        raise SdpError(488, "no audio stream with a codec, profile, encryption and address that can be used")
    return best[1], best[2]


class _Formats(NamedTuple):
    codecs: dict[Codec, int]
    events: dict[int, int]
    """Payload type by clock."""
    comfort_noise: bool


def agree(
    stream: MediaDescription,
    terms: Terms,
    family: int | None,
    our_direction: Direction,
    *,
    ours: AudioLine | None = None,
    past: Agreed | None = None,
) -> Agreed | None:
    """What a stream of the peer comes to; None when it cannot be used.

    Args:
        family: of our address; a peer elsewhere cannot be reached. None: not checked.
        our_direction: what we want ourselves; the peer's direction can only lessen it.
        ours: our offer, when this is the answer to it: the peer's first codec counts. In an offer, ours does.
        past: what was agreed before in this dialog.

    Raises SdpError when it has no c= line or (400) is no stream at all.
    """
    formats = _formats(stream)
    wanted: list[Codec] = carried(terms)
    if ours is not None:
        offered = [codec for _, codec in ours.codecs]
        wanted = [codec for codec in formats.codecs if codec in offered]
    codec = next((codec for codec in wanted if codec in formats.codecs), None)
    if stream.kind != "audio" or stream.port == 0 or codec is None:
        return None
    allowed = _ALLOWED[terms.srtp]
    if past is not None and past.security != "plain":
        allowed = tuple(security for security in allowed if security != "plain")
    security = _security(stream, allowed) if ours is None else _answered_security(stream, ours)
    if security is None:
        return None
    if stream.host_name:
        # Legal, but whoever resolves what a stranger names can be made to ask around, and to wait.
        why = f"the c= line names the host {stream.host_name}: it has to be an IP address"
        raise SdpError(488, why, ADDRESS_FORMAT)
    if stream.connection is None:
        raise SdpError(400, "an audio stream without c= line")
    address = ipaddress.ip_address(stream.connection)
    if family is not None and address.version != family:
        return None
    if address.is_multicast or stream.connection == "255.255.255.255":
        return None
    direction = _lesser(our_direction, _allowed_direction(stream))
    rtcp = None if stream.rtcp_port is None else (stream.connection, stream.rtcp_port)
    clock_hz = FORMATS[codec].clock_hz
    event_clock_hz = clock_hz if clock_hz in formats.events or 8000 not in formats.events else 8000
    own, own_event = _own(ours, codec, event_clock_hz)
    return Agreed(
        (stream.connection, stream.port),
        codec,
        formats.codecs[codec],
        formats.events.get(event_clock_hz),
        direction,
        _packet_time(stream, terms, codec),
        rtcp,
        own if own != formats.codecs[codec] else None,
        own_event if own_event != formats.events.get(event_clock_hz) else None,
        formats.comfort_noise and clock_hz == 8000,
        stream.rtcp_mux and (ours is None or ours.rtcp_mux),
        _keys(stream, ours, past) if security == "sdes" else None,
        _handshake(stream, ours, past) if security == "dtls" else None,
        event_clock_hz if event_clock_hz != clock_hz else None,
    )


# ── encryption ──


def _security(stream: MediaDescription, allowed: tuple[Security, ...]) -> Security | None:
    """The best that an offered stream has of what is allowed.

    Keys in a stream of the plain profile are an offer that may be taken or left (RFC 8643).
    """
    has: list[Security] = []
    if stream.profile in (*PLAIN, *SECURE) and first_crypto(stream) is not None:
        has.append("sdes")
    if stream.profile in (*PLAIN, *SECURE, *OVER_DTLS) and _fingerprints(stream):
        has.append("dtls")
    if stream.profile in PLAIN:
        has.append("plain")
    return next((security for security in allowed if security in has), None)


def _answered_security(stream: MediaDescription, ours: AudioLine) -> Security | None:
    """What we offered, when the answer took it."""
    if ours.crypto:
        return "sdes" if _matching_crypto(stream, ours) is not None else None
    if ours.setup is not None:
        return "dtls" if _fingerprints(stream) else None
    return "plain" if stream.profile in PLAIN else None


def first_crypto(stream: MediaDescription) -> Crypto | None:
    """The offerer's best that we can do (RFC 4568 section 5.1.2)."""
    return next((crypto for crypto in map(read_crypto, stream.crypto) if crypto is not None), None)


def _matching_crypto(stream: MediaDescription, ours: AudioLine) -> tuple[Crypto, Crypto] | None:
    """Ours and theirs: the answer names the tag and suite of one that was offered (RFC 4568 section 5.1.3)."""
    theirs = first_crypto(stream)
    for mine in ours.crypto:
        if theirs is not None and (theirs.tag, theirs.suite) == (mine.tag, mine.suite):
            return mine, theirs
    return None


def _keys(stream: MediaDescription, ours: AudioLine | None, past: Agreed | None) -> Keys | None:
    """An unchanged key of the peer keeps ours, a new one gets a new one, so that both sides count from 0 again."""
    if ours is not None and ours.crypto:
        match = _matching_crypto(stream, ours)
        return None if match is None else Keys(match[0].suite, match[0].key, match[1].key)
    theirs = first_crypto(stream)
    if theirs is None:
        return None
    old = None if past is None else past.keys
    if old is not None and (old.suite, old.theirs) == (theirs.suite, theirs.key):
        return old
    return Keys(theirs.suite, new_key(theirs.suite), theirs.key)


def _fingerprints(stream: MediaDescription) -> tuple[tuple[str, str], ...]:
    return tuple(one for one in stream.fingerprints if one[0] in HASHES)


def _handshake(stream: MediaDescription, ours: AudioLine | None, past: Agreed | None) -> Handshake:
    """Who opens: in answers the peer has decided; of ``actpass`` we take the active part (RFC 5763 section 5)."""
    if ours is not None:
        active = stream.setup == "passive"
    elif stream.setup == "actpass" and past is not None and past.dtls is not None:
        active = past.dtls.active  # the connection stays (RFC 8842 section 5.5)
    else:
        active = stream.setup != "active"
    return Handshake(active, _fingerprints(stream))


# ── the rest ──


def held(stream: MediaDescription) -> bool:
    """Whether the peer does not want to hear us, in any dialect."""
    return _allowed_direction(stream) in ("recvonly", "inactive")


def _allowed_direction(stream: MediaDescription) -> Direction:
    """What the peer leaves to us. The unspecified address of RFC 2543's hold asks for nothing (RFC 3264 §8.4)."""
    if stream.connection in ("0.0.0.0", "::"):
        return "inactive"
    return _MIRRORED[stream.direction or "sendrecv"]


def _own(ours: AudioLine | None, codec: Codec, event_clock_hz: int) -> tuple[int | None, int | None]:
    """Our numbers for the codec and its events, in our offer."""
    if ours is None:
        return None, None
    codecs = {name: payload_type for payload_type, name in ours.codecs}
    events = {clock: payload_type for payload_type, clock in ours.events}
    return codecs.get(codec), events.get(event_clock_hz)


def _lesser(first: Direction, second: Direction) -> Direction:
    """What both allow."""
    sends = all(direction in ("sendrecv", "sendonly") for direction in (first, second))
    hears = all(direction in ("sendrecv", "recvonly") for direction in (first, second))
    if sends:
        return "sendrecv" if hears else "sendonly"
    return "recvonly" if hears else "inactive"


def _packet_time(stream: MediaDescription, terms: Terms, codec: Codec) -> PacketTime:
    """What the peer asks for where we can, else that of the terms; never more than its ``maxptime`` (RFC 8866 §6.4)."""
    if codec == "opus":  # RFC 6716: no frame has 30 ms, and 10 ms is costly
        return 20
    wish_ms = next((time for time in PACKET_TIMES_MS if time == stream.ptime_ms), terms.ptime_ms)
    fitting = [time for time in PACKET_TIMES_MS if time <= min(wish_ms, stream.maxptime_ms or wish_ms)]
    return fitting[-1] if fitting else PACKET_TIMES_MS[0]


def _formats(stream: MediaDescription) -> _Formats:
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
