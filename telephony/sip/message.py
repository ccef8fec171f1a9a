"""Bytes to SIP messages and back, strictly (RFC 3261 section 7, RFC 4475).

SipError                      carries the status that answers it, and what could be read of the request
The containers are sipmessage's; what is checked here is what it lets through: folding, white space before colons,
counts and sizes, mandatory headers, ranges, and CR or LF in values.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sipmessage
from sipmessage import URI, Headers
from sipmessage.message import COMPACT_FORMS

from .grammar import NameAddr, Via, is_token, split_list

MAX_HEADER_BYTES = 65_536
MAX_BODY_BYTES = 65_536
MAX_HEADERS = 256
MAX_VIAS = 70
MAX_SEQ = 2**31 - 1
MAGIC = "z9hG4bK"
"""Begins every branch that is unique in itself (RFC 3261 section 8.1.1.7)."""

REASONS: Mapping[int, str] = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large",
    414: "Request-URI Too Long", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief",
    433: "Anonymity Disallowed", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
    505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip

_ONCE = frozenset({"call-id", "from", "to", "cseq", "max-forwards", "content-length", "content-type"})
_MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")
_REQUEST_LINE = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]{1,64}) (\S+) SIP/([0-9]+)\.([0-9]+)", re.ASCII | re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2}) ?(.*)", re.IGNORECASE | re.DOTALL)
_VERSION = re.compile(r"SIP/([0-9]+\.[0-9]+)\s*$", re.ASCII | re.IGNORECASE)
_LOOKS_LIKE_REQUEST = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]{1,64})\s.*SIP/[0-9]", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_CSEQ = re.compile(r"([0-9]{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]{1,64})", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NOWHERE = URI("sip", "invalid.invalid")


@dataclass(slots=True)
class Head:
    """The headers that every message has, read."""

    vias: list[Via]
    from_: NameAddr
    to: NameAddr
    call_id: str
    seq: int
    method: str
    """Of CSeq."""


class Request(sipmessage.Request):
    """A checked request; `head` holds what routing and matching need."""

    head: Head


class Response(sipmessage.Response):
    """A checked response."""

    head: Head


class SipError(Exception):
    """A message that cannot be used.

    Attributes:
        status: the SIP status that answers it.
        reason: why, in words for the peer.
        request: enough of the request to answer it (its raw Via, From, To, Call-ID, CSeq), or None: be silent.
        headers: of the answer: what would be taken instead, or what is wrong.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        request: sipmessage.Request | None = None,
        *,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.request = request
        self.headers = list(headers)


def parse(data: bytes) -> Request | Response:
    """Read one message: a datagram, or what `framing` cut out of a stream.

    Octets behind Content-Length are dropped (RFC 3261 section 18.3). Raises SipError and nothing else.
    """
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if len(head) > MAX_HEADER_BYTES:
        raise SipError(513, "Header Too Large")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        text = head.decode("latin-1")  # old gateways write names that way; no octet is lost
    start, *lines = _unfold(text)
    status = _STATUS_LINE.fullmatch(start)
    if status is not None:
        response = Response(int(status[1]), status[2])
        _complete(response, lines, separator, body)
        return response
    line = _LOOKS_LIKE_REQUEST.match(start)
    if line is None:
        raise SipError(400, "Neither Request Nor Response")
    request = Request(line[1], _NOWHERE)
    try:
        _complete(request, lines, separator, body)
        _read_request_line(request, start)
    except SipError as error:
        error.request = answerable(request)
        foreign = _VERSION.search(start)
        if foreign is not None and foreign[1] != "2.0":  # what else looks wrong may be right in that version
            raise SipError(505, "Version Not Supported", error.request) from None
        raise
    return request


def _unfold(text: str) -> list[str]:
    """Lines, with continuation lines joined by one space (RFC 3261 section 7.3.1)."""
    lines: list[str] = []
    for line in text.split("\r\n"):
        if line[:1] in (" ", "\t") and len(lines) > 1:
            lines[-1] += " " + line.strip(" \t")
        else:
            lines.append(line)
    return lines


def _complete(message: Request | Response, lines: list[str], separator: bytes, body: bytes) -> None:
    _read_headers(message.headers, lines)
    message.head = read_head(message.headers)
    if not separator:
        raise SipError(400, "No End Of Header")
    message.body = _cut_body(message.headers, body)
    _check_ranges(message.headers)


def _read_headers(headers: Headers, lines: list[str]) -> None:
    error: SipError | None = None
    values: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for line in lines[:MAX_HEADERS]:
        match = _HEADER.fullmatch(line)
        if match is None or "\r" in line or "\n" in line:
            error = error or SipError(400, "Malformed Header")
            continue
        name = COMPACT_FORMS.get(match[1].lower(), match[1])
        key = name.lower()
        names.setdefault(key, name)
        values.setdefault(key, []).append(match[2].rstrip(" \t"))
    for key, found in values.items():
        if len(found) > 1 and key in _ONCE and not (key == "content-length" and len(set(found)) == 1):
            error = error or SipError(400, f"More Than One {names[key]}")
        headers.setlist(names[key], found)
    if len(lines) > MAX_HEADERS:
        raise SipError(513, "Too Many Headers")
    if error is not None:
        raise error


def read_head(headers: Headers) -> Head:
    """Read the mandatory headers and write Via as one hop a line. Raises SipError 400."""
    for name in _MANDATORY:
        if not headers.get(name):
            raise SipError(400, f"Missing {name}")
    cseq = _CSEQ.fullmatch(headers["CSeq"])
    if cseq is None or int(cseq[1]) > MAX_SEQ:
        raise SipError(400, "Malformed CSeq")
    try:
        raw = [hop for value in headers.getlist("Via") for hop in split_list(value)]
        if len(raw) > MAX_VIAS:
            raise SipError(483, "Too Many Hops")
        vias = [Via.parse(raw[0])]
    except ValueError:
        raise SipError(400, "Malformed Via") from None
    headers.setlist("Via", raw)
    from_, to = _address(headers, "From"), _address(headers, "To")
    return Head(vias, from_, to, headers["Call-ID"], int(cseq[1]), cseq[2])


def _address(headers: Headers, name: str) -> NameAddr:
    """From or To: its tag says which dialog is meant, and nothing is sent to its URI, which many leave incomplete."""
    try:
        return NameAddr.parse(headers[name], any_name=True)
    except ValueError:
        raise SipError(400, f"Malformed {name}") from None


def _cut_body(headers: Headers, body: bytes) -> bytes:
    length = headers.get("Content-Length")
    if length is None:
        wanted = len(body)
    elif not (length.isascii() and length.isdigit()) or len(length) > 10:
        raise SipError(400, "Malformed Content-Length")
    else:
        wanted = int(length)
    if wanted > MAX_BODY_BYTES:
        raise SipError(413, "Request Entity Too Large")
    if wanted > len(body):
        raise SipError(400, "Body Shorter Than Content-Length")
    return body[:wanted]


def _check_ranges(headers: Headers) -> None:
    hops = headers.get("Max-Forwards")
    if hops is not None and (not (hops.isascii() and hops.isdigit()) or len(hops) > 10 or int(hops) > 255):
        raise SipError(400, "Malformed Max-Forwards")


def _read_request_line(request: Request, start: str) -> None:
    match = _REQUEST_LINE.fullmatch(start)
    if match is None:
        raise SipError(400, "Malformed Request-Line")
    if (int(match[3][:9]), int(match[4][:9])) != (2, 0):
        raise SipError(505, "Version Not Supported")
    if request.head.method != request.method:
        raise SipError(400, "CSeq Method Does Not Match")
    request.uri = parse_uri(match[2])


def parse_uri(text: str) -> URI:
    """Read a SIP, SIPS or TEL URI to be addressed. Raises SipError 416 for other schemes, 400 for broken ones."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise SipError(400, "Malformed URI")
    if scheme[1].lower() not in ("sip", "sips", "tel"):
        raise SipError(416, "Unsupported URI Scheme")
    try:
        uri = URI.parse(scheme[1].lower() + text[scheme.end(1) :])
    except (ValueError, TypeError, KeyError):
        raise SipError(400, "Malformed URI") from None
    if uri.port is not None and not 0 < uri.port < 65536:
        raise SipError(400, "URI Port Out Of Range")
    return uri


def answerable(request: sipmessage.Request) -> sipmessage.Request | None:
    """The request itself when a response can be addressed by its Via, else None; an ACK is never answered."""
    return request if request.method != "ACK" and request.headers.get("Via") else None


def respond(
    request: sipmessage.Request,
    status: int,
    reason: str = "",
    *,
    tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """A response (RFC 3261 section 8.2.6) to a request, which may be one that came in `SipError.request`.

    `tag` becomes the To tag where the request has none (100 needs none).
    """
    response = Response(status, reason or REASONS.get(status, "Unknown"), body)
    response.headers.setlist("Via", list(request.headers.getlist("Via")))
    for name in ("From", "To", "Call-ID", "CSeq"):
        value = request.headers.get(name)
        if value is not None:  # a 400 to a request that lacks one lacks it too (RFC 4475 section 3.3.1)
            response.headers.set(name, value)
    to = request.headers.get("To")
    if (
        tag
        and to is not None
        and not (request.head.to.tag if hasattr(request, "head") else re.search(r";\s*tag\s*=", to, re.IGNORECASE))
    ):
        response.headers.set("To", f"{to};tag={tag}")
    for name, value in headers:
        response.headers.add(name, value)
    if isinstance(request, Request) and hasattr(request, "head"):
        head = request.head
        response.head = Head(head.vias, head.from_, head.to, head.call_id, head.seq, head.method)
    return response


def encode(message: sipmessage.Request | sipmessage.Response) -> bytes:
    """Write a message. Control characters in values become spaces, so no value can make a header or end one; from the
    Request-URI they go, and blanks too.

    Content-Length is set. Raises ValueError for a header name that is no token (a mistake of ours).
    """
    if isinstance(message, sipmessage.Request):
        lines = [f"{message.method} {_BLANK.sub('', str(message.uri))} SIP/2.0"]
    else:
        lines = [f"SIP/2.0 {message.code} {_CONTROL.sub(' ', message.phrase)}"]
    for name in message.headers.keys():  # noqa: SIM118 - not a mapping
        if name.lower() == "content-length":
            continue
        if not is_token(name):
            raise ValueError(f"{name!r} is no header name")
        lines += [f"{name}: {_CONTROL.sub(' ', value)}" for value in message.headers.getlist(name)]
    lines.append(f"Content-Length: {len(message.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace") + message.body


def new_branch() -> str:
    """A branch no one else has (RFC 3261 section 8.1.1.7)."""
    return MAGIC + secrets.token_hex(10)


def new_tag() -> str:
    """A tag with 64 random bits (RFC 3261 section 19.3)."""
    return secrets.token_hex(8)
