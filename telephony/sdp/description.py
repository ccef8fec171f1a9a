"""What a peer's SDP says, checked line by line (RFC 8866). What it means for us `agreement` says.

Bytes in, a `Description` out. What a peer sent is hostile: the only exception that leaves this file is `SdpError`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..sip.grammar import quote

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["actpass", "active", "passive"]

MAX_BODY_BYTES = 16_384
MAX_LINES = 500
MAX_STREAMS = 16
MAX_FORMATS = 64
MAX_SECRETS = 16
"""Of crypto lines and of fingerprints, each; those after it are read over."""

DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUPS: dict[str, Setup] = {"actpass": "actpass", "active": "active", "passive": "passive"}

_LINE = re.compile(r"([vosiuepcbtrzkam])[ \t]*=(.*)", re.ASCII)
"""The letters of RFC 8866 section 9. Everything else means nothing, to anybody."""
_LINE_END = re.compile(r"\r\n|\n|\r")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?", re.ASCII)
_BLANK = " \t\0\ufeff"
"""Around a line and its value: without meaning, though some end their bodies with a NUL."""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_TIME = re.compile(r"[0-9]{1,19} [0-9]{1,19}", re.ASCII)
_RTPMAP = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9._-]{1,32})/([0-9]{1,6})(?:/([0-9]{1,3}))?", re.ASCII)
_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16}) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,63})", re.ASCII)


MISCELLANEOUS, NETWORK_PROTOCOL, ADDRESS_FORMAT = 399, 300, 301
"""Codes of a Warning (RFC 3261 section 27.2)."""


class SdpError(Exception):
    """A body cannot be used.

    Attributes:
        status: the SIP status that answers it: 400 (malformed) or 488 (well-formed, nothing in common).
        headers: of that answer: Warning with the reason (RFC 3261 section 20.43).
    """

    def __init__(self, status: Literal[400, 488], reason: str, warning: int = MISCELLANEOUS) -> None:
        super().__init__(reason)
        self.status: Literal[400, 488] = status
        self.headers = [("Warning", f"{warning} voicebot {quote(reason)}")]


class Mapped(NamedTuple):
    """What a payload type stands for (rtpmap)."""

    name: str
    """In capitals."""
    clock_hz: int
    channels: int


@dataclass(slots=True)
class MediaDescription:
    """One m= line and what belongs to it."""

    kind: str
    port: int
    profile: str
    formats: list[str]
    connection: str | None = None
    """Address literal, checked; None when no c= line covers this stream, or it has a name instead."""
    host_name: str = ""
    """What the c= line has instead of an address, for people."""
    direction: Direction | None = None
    ptime_ms: int | None = None
    maxptime_ms: int | None = None
    rtpmap: dict[int, Mapped] = field(default_factory=dict)
    rtcp_port: int | None = None
    rtcp_mux: bool = False
    crypto: list[str] = field(default_factory=list)
    """Values of ``a=crypto``, unchecked (see `telephony.media.srtp.read_crypto`)."""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    """(hash function in lower case, colon-separated hex in capitals) (RFC 8122)."""
    setup: Setup | None = None
    """Who opens the DTLS connection (RFC 4145)."""


class Description(NamedTuple):
    """A whole body."""

    origin: str
    """Of the o= line: changes with every new version (RFC 3264 section 8)."""
    time: str
    streams: list[MediaDescription]


def parse(body: bytes) -> Description:
    """Read a whole body. Lines that mean nothing are skipped, wherever they stand, broken ones that matter are refused.

    Raises SdpError.
    """
    lines = _lines(body)
    if not lines or lines[0] != ("v", "0"):
        raise SdpError(400, "does not begin with v=0")
    origin = next((value for kind, value in lines if kind == "o"), None)
    if origin is None:
        raise SdpError(400, "no o= line")
    time = "0 0"
    top = MediaDescription("", 0, "", [])
    streams: list[MediaDescription] = []
    for kind, value in lines[1:]:
        current = streams[-1] if streams else top
        if kind == "m":
            if len(streams) == MAX_STREAMS:
                raise SdpError(400, f"more than {MAX_STREAMS} streams")
            streams.append(_stream(value))
        elif kind == "c":
            current.connection, current.host_name = _connection(value)
        elif kind == "a":
            _attribute(current, value)
        elif kind == "t" and not streams and _TIME.fullmatch(value):
            time = value
    for stream in streams:
        if stream.connection is None and not stream.host_name:
            stream.connection, stream.host_name = top.connection, top.host_name
        stream.direction = stream.direction or top.direction
        stream.fingerprints = stream.fingerprints or top.fingerprints
        stream.setup = stream.setup or top.setup
    return Description(origin, time, streams)


def _lines(body: bytes) -> list[tuple[str, str]]:
    if len(body) > MAX_BODY_BYTES:
        raise SdpError(400, f"longer than {MAX_BODY_BYTES} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # names that old gateways write; what matters here is ASCII
    rows = _LINE_END.split(text.strip(_BLANK))
    if len(rows) > MAX_LINES:
        raise SdpError(400, f"more than {MAX_LINES} lines")
    matches = (_LINE.fullmatch(row.strip(_BLANK)) for row in rows)
    return [(match[1], match[2].strip(_BLANK)) for match in matches if match is not None]


def _words(value: str) -> list[str]:
    """Parted by blanks; other white space, of which Unicode has much, parts nothing."""
    return [word for word in re.split(r"[ \t]+", value) if word]


def _stream(value: str) -> MediaDescription:
    """``audio 49170/2 RTP/AVP 0 8`` (RFC 8866 §5.14)."""
    parts = _words(value)
    if not 4 <= len(parts) <= 3 + MAX_FORMATS or not all(_TOKEN.fullmatch(part) for part in parts):
        raise SdpError(400, "a malformed m= line")
    kind, port, profile, *formats = parts
    number, _, count = port.partition("/")
    if not _NUMBER.fullmatch(number) or int(number) > 65535 or (count and not _NUMBER.fullmatch(count)):
        raise SdpError(400, "a malformed port")
    return MediaDescription(kind, int(number), profile, formats)


def _connection(value: str) -> tuple[str | None, str]:
    """``IN IP4 192.0.2.1``: the address, or the name that stands in its place.

    The suffix of a multicast address is read over (RFC 8866 §5.7).
    """
    parts = _words(value)
    if len(parts) != 3:
        raise SdpError(400, "a malformed c= line")
    network, family, host = parts[0].upper(), parts[1].upper(), parts[2]
    if network != "IN" or family not in ("IP4", "IP6"):
        raise SdpError(488, "a c= line of a network that is neither IPv4 nor IPv6", NETWORK_PROTOCOL)
    try:
        address = ipaddress.ip_address(host.partition("/")[0].partition("%")[0].strip("[]"))
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise SdpError(400, "a c= line with neither address nor host name") from None
        return None, host
    if f"IP{address.version}" != family:
        raise SdpError(400, "a c= line whose address is of another family")
    return str(address), ""


# ── attributes: what is not understood, or not understandable, is as if it were not there ──


def _attribute(stream: MediaDescription, value: str) -> None:
    name, _, rest = value.partition(":")
    read = _READERS.get(name)
    if read is not None:
        read(stream, rest.strip())
    for direction in DIRECTIONS:
        if name == direction:
            stream.direction = direction


def _packet_time(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and 0 < int(text) <= 200 else None


def _read_ptime(stream: MediaDescription, rest: str) -> None:
    stream.ptime_ms = _packet_time(rest)


def _read_maxptime(stream: MediaDescription, rest: str) -> None:
    stream.maxptime_ms = _packet_time(rest)


def _read_rtpmap(stream: MediaDescription, rest: str) -> None:
    match = _RTPMAP.fullmatch(rest)
    if match is not None and int(match[1]) < 128:
        stream.rtpmap[int(match[1])] = Mapped(match[2].upper(), int(match[3]), int(match[4] or 1))


def _read_rtcp(stream: MediaDescription, rest: str) -> None:
    """RFC 3605; an address of its own is read over, as only the media's host is heard."""
    port = rest.split(" ", 1)[0]
    stream.rtcp_port = int(port) if _NUMBER.fullmatch(port) and 0 < int(port) < 65536 else None


def _read_rtcp_mux(stream: MediaDescription, _: str) -> None:
    stream.rtcp_mux = True


def _read_crypto(stream: MediaDescription, rest: str) -> None:
    if len(stream.crypto) < MAX_SECRETS:
        stream.crypto.append(rest)


def _read_fingerprint(stream: MediaDescription, rest: str) -> None:
    match = _FINGERPRINT.fullmatch(rest)
    if match is not None and len(stream.fingerprints) < MAX_SECRETS:
        stream.fingerprints.append((match[1].lower(), match[2].upper()))


def _read_setup(stream: MediaDescription, rest: str) -> None:
    stream.setup = _SETUPS.get(rest)


_READERS: dict[str, Callable[[MediaDescription, str], None]] = {
    "ptime": _read_ptime,
    "maxptime": _read_maxptime,
    "rtpmap": _read_rtpmap,
    "rtcp": _read_rtcp,
    "rtcp-mux": _read_rtcp_mux,
    "crypto": _read_crypto,
    "fingerprint": _read_fingerprint,
    "setup": _read_setup,
}
