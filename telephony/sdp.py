"""SDP offers and answers for one telephone-quality audio stream (RFC 8866, RFC 3264).

Bytes in, bytes and an `Agreed` out. What a peer sent is hostile: the only exception that leaves this file for it is
`SdpError`. What is written is built from validated tokens and integers, so no CR or LF of a peer gets through.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .codecs import Codec

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

MAX_BODY_BYTES = 16_384
MAX_LINES = 500
MAX_MEDIA = 16
MAX_FORMATS = 64

PTIME_MS = 20
DTMF_PAYLOAD_TYPE = 101
PAYLOAD_TYPES: dict[Codec, int] = {"PCMU": 0, "PCMA": 8}

_STATIC: dict[int, Codec] = {0: "PCMU", 8: "PCMA"}
"""Payload types that need no rtpmap (RFC 3551 table 4)."""
_OFFERED: dict[str, Codec] = {"PCMU": "PCMU", "PCMA": "PCMA"}
_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF"})
_MIRRORED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
_LINE = re.compile(r"([a-z])=(.*)", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_TIME = re.compile(r"[0-9]{1,19} [0-9]{1,19}", re.ASCII)
_RTPMAP = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9._-]{1,32})/([0-9]{1,6})(?:/([0-9]{1,3}))?", re.ASCII)


class SdpError(Exception):
    """A body cannot be used.

    Attributes:
        status: the SIP status that answers it: 400 (malformed) or 488 (well-formed, nothing in common).
    """

    def __init__(self, status: Literal[400, 488], reason: str) -> None:
        super().__init__(reason)
        self.status: Literal[400, 488] = status


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides settled on, seen from our side."""

    remote: tuple[str, int]
    """Where the peer wants RTP: address literal and port."""
    codec: Codec
    payload_type: int
    dtmf_payload_type: int | None
    """Of telephone-event/8000; None when the peer has none."""
    direction: Direction
    """Ours: with ``recvonly`` and ``inactive`` we send nothing (the peer holds)."""
    ptime_ms: int
    """What the peer would like per packet; a wish only (RFC 8866 §6.4), 20 when it has none."""
    rtcp_remote: tuple[str, int] | None = None
    """Where the peer wants RTCP when that is not the next port (RFC 3605)."""


@dataclass(slots=True)
class _Media:
    kind: str
    port: int
    profile: str
    formats: list[str]
    connection: str | None = None
    """Address literal, checked; None when no c= line covers this stream."""
    direction: Direction | None = None
    ptime_ms: int = PTIME_MS
    rtpmap: dict[int, tuple[str, int]] = field(default_factory=dict)
    rtcp_port: int | None = None


class _Session(NamedTuple):
    time: str
    media: list[_Media]


class _Choice(NamedTuple):
    codec: Codec
    payload_type: int
    dtmf_payload_type: int | None


def make_offer(ip: str, port: int, *, session_id: int, version: int) -> bytes:
    """Offer PCMU, PCMA and telephone-event, sendrecv, 20 ms.

    `version` goes up by one with each changed offer of a session (RFC 3264 §8). Raises ValueError when `ip` is no
    address literal or `port` no port.
    """
    lines = _session_lines(ip, session_id, version, "0 0")
    lines += _audio_lines(port, "RTP/AVP", [(0, "PCMU"), (8, "PCMA")], DTMF_PAYLOAD_TYPE, "sendrecv")
    return _serialize(lines)


def answer(offer: bytes, ip: str, port: int, *, session_id: int, version: int) -> tuple[bytes, Agreed]:
    """Answer the first audio stream that can be carried; every other stream is refused with port 0, in order.

    The codec is the offerer's first one that we have. A call put on hold (sendonly, inactive, or the c=0.0.0.0 of
    RFC 2543) is answered in kind. Raises SdpError.
    """
    family = ipaddress.ip_address(ip).version
    session = _parse(offer)
    chosen: Agreed | None = None
    lines = _session_lines(ip, session_id, version, session.time)
    for media in session.media:
        agreed = _agree(media, family) if chosen is None else None
        if agreed is None:
            lines.append(f"m={media.kind} 0 {media.profile} {media.formats[0]}")
            continue
        chosen = agreed
        codec = (agreed.payload_type, agreed.codec)
        lines += _audio_lines(port, media.profile, [codec], agreed.dtmf_payload_type, agreed.direction)
    if chosen is None:
        raise SdpError(488, "no audio stream with a codec, profile and address that can be used")
    return _serialize(lines), chosen


def read_answer(body: bytes) -> Agreed:
    """What the peer made of `make_offer`. Raises SdpError; 488 when it refused the stream."""
    for media in _parse(body).media:
        agreed = _agree(media, None)
        if agreed is not None:
            return agreed
    raise SdpError(488, "the answer has no audio stream that was offered")


def _session_lines(ip: str, session_id: int, version: int, time: str) -> list[str]:
    address = _address(ip)
    return ["v=0", f"o=- {session_id:d} {version:d} IN {address}", "s=-", f"c=IN {address}", f"t={time}"]


def _address(ip: str) -> str:
    parsed = ipaddress.ip_address(ip)
    return f"IP{parsed.version} {parsed}"


def _audio_lines(
    port: int, profile: str, codecs: list[tuple[int, Codec]], dtmf: int | None, direction: Direction
) -> list[str]:
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    formats = [str(payload_type) for payload_type, _ in codecs]
    maps = [f"a=rtpmap:{payload_type} {codec}/8000" for payload_type, codec in codecs]
    if dtmf is not None:
        formats.append(str(dtmf))
        maps += [f"a=rtpmap:{dtmf} telephone-event/8000", f"a=fmtp:{dtmf} 0-15"]
    return [f"m=audio {port} {profile} {' '.join(formats)}", *maps, f"a=ptime:{PTIME_MS}", f"a={direction}"]


def _serialize(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _agree(media: _Media, family: int | None) -> Agreed | None:
    """What this stream can be used for; None when it has to be refused."""
    choice = _choose(media)
    if media.kind != "audio" or media.port == 0 or media.profile not in _PROFILES or choice is None:
        return None
    if media.connection is None:
        raise SdpError(400, "an audio stream without c= line")
    address = ipaddress.ip_address(media.connection)
    if family is not None and address.version != family:
        return None
    if address.is_multicast or media.connection == "255.255.255.255":
        return None
    # The hold of RFC 2543 (RFC 3264 §8.4): an unspecified address asks that nothing be sent.
    direction = "inactive" if address.is_unspecified else _MIRRORED[media.direction or "sendrecv"]
    rtcp = None if media.rtcp_port is None else (media.connection, media.rtcp_port)
    return Agreed((media.connection, media.port), *choice, direction, media.ptime_ms, rtcp)


def _choose(media: _Media) -> _Choice | None:
    codec: tuple[Codec, int] | None = None
    dtmf: int | None = None
    for text in media.formats:
        if not text.isdigit() or int(text) > 127:
            continue
        payload_type = int(text)
        name, rate_hz = media.rtpmap.get(payload_type, (_STATIC.get(payload_type, ""), 8000))
        if rate_hz != 8000:
            continue
        if codec is None and name in _OFFERED:
            codec = _OFFERED[name], payload_type
        if dtmf is None and name == "TELEPHONE-EVENT":
            dtmf = payload_type
    return None if codec is None else _Choice(*codec, dtmf)


def _parse(body: bytes) -> _Session:
    """Read a whole body. Lines that do not matter here are skipped (RFC 8866 §5), broken ones that do are refused."""
    lines = _lines(body)
    if not lines or lines[0] != ("v", "0"):
        raise SdpError(400, "does not begin with v=0")
    if not any(kind == "o" for kind, _ in lines):
        raise SdpError(400, "no o= line")
    time = "0 0"
    top = _Media("", 0, "", [])
    streams: list[_Media] = []
    for kind, value in lines[1:]:
        current = streams[-1] if streams else top
        if kind == "m":
            if len(streams) == MAX_MEDIA:
                raise SdpError(400, f"more than {MAX_MEDIA} streams")
            streams.append(_media(value))
        elif kind == "c":
            current.connection = _connection(value)
        elif kind == "a":
            _attribute(current, value)
        elif kind == "t" and not streams and _TIME.fullmatch(value):
            time = value
    for media in streams:
        media.connection = media.connection or top.connection
        media.direction = media.direction or top.direction
    return _Session(time, streams)


def _lines(body: bytes) -> list[tuple[str, str]]:
    if len(body) > MAX_BODY_BYTES:
        raise SdpError(400, f"longer than {MAX_BODY_BYTES} bytes")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise SdpError(400, "not UTF-8") from None
    if "\0" in text:
        raise SdpError(400, "a NUL character")
    rows = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(rows) > MAX_LINES:
        raise SdpError(400, f"more than {MAX_LINES} lines")
    lines = []
    for row in rows:
        match = _LINE.fullmatch(row.rstrip())
        if match is None:
            raise SdpError(400, "a line that is not <letter>=<value>")
        lines.append((match[1], match[2]))
    return lines


def _media(value: str) -> _Media:
    """``audio 49170/2 RTP/AVP 0 8`` (RFC 8866 §5.14)."""
    parts = value.split()
    if not 4 <= len(parts) <= 3 + MAX_FORMATS or not all(_TOKEN.fullmatch(part) for part in parts):
        raise SdpError(400, "a malformed m= line")
    kind, port, profile, *formats = parts
    number, _, count = port.partition("/")
    if not _NUMBER.fullmatch(number) or int(number) > 65535 or (count and not _NUMBER.fullmatch(count)):
        raise SdpError(400, "a malformed port")
    return _Media(kind, int(number), profile, formats)


def _connection(value: str) -> str:
    """``IN IP4 192.0.2.1``; the suffix of a multicast address is read over (RFC 8866 §5.7)."""
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError(400, "a malformed c= line")
    try:
        address = ipaddress.ip_address(parts[2].partition("/")[0].partition("%")[0])
    except ValueError:
        # A host name would be legal, but resolving what a stranger names is a way to make us ask around.
        raise SdpError(488, "a c= line without address literal") from None
    if f"IP{address.version}" != parts[1]:
        raise SdpError(400, "a c= line whose address is of another family")
    return str(address)


def _attribute(media: _Media, value: str) -> None:
    name, _, rest = value.partition(":")
    if name in _MIRRORED:
        media.direction = name
    elif name == "ptime":
        media.ptime_ms = int(rest) if _NUMBER.fullmatch(rest) and 0 < int(rest) <= 200 else PTIME_MS
    elif name == "rtpmap":
        match = _RTPMAP.fullmatch(rest.strip())
        if match is not None and int(match[1]) < 128:
            name = match[2].upper() if match[4] in (None, "1") else ""  # a stereo law is none of ours
            media.rtpmap[int(match[1])] = name, int(match[3])
    elif name == "rtcp":
        port = rest.split(" ", 1)[0]
        media.rtcp_port = int(port) if _NUMBER.fullmatch(port) and 0 < int(port) < 65536 else None
