"""The body of a SIP message: the session description in it, alone or among other parts (RFC 5621, RFC 2046).

Bytes in, bytes out, and nothing that a peer writes is followed: parts and their depth are bounded, all is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from sipmessage.message import COMPACT_FORMS

from .grammar import Params, unquote
from .message import Request, Response, SipError

SDP_TYPE = "application/sdp"
MAX_PARTS = 32
"""Of one message, those inside others included; the rest is read over."""
MAX_DEPTH = 4
"""Multiparts inside multiparts; deeper ones are parts that we do not understand."""

_PARAM = re.compile(r';\s*([^\s;="]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;]*))?', re.DOTALL)
_PART_HEADER = re.compile(r"([^\s:]{1,64})[ \t]*:[ \t]*(.*)", re.DOTALL)
_ENDED_HEADER = re.compile(rb"\r?\n[ \t]*\r?\n")
_UNPACKED = frozenset({"", "identity"})
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
"""Transfer encodings that leave the octets as they are (RFC 2045 section 6.2)."""
_OTHER_SESSIONS = frozenset({"early-session", "by-reference"})
"""Dispositions of a description that is not this session's: RFC 3959, RFC 5621 section 5."""

Header = Callable[[str], str]
"""Gives the value of a header by its name, empty where there is none."""


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part that is no multipart itself; or the whole body, where it has no parts."""

    kind: str
    """Its media type in lower case, without parameters; empty when nothing says it."""
    content: bytes
    disposition: str = ""
    """In lower case, without parameters; empty when nothing says it."""
    required: bool = True
    """Whoever does not understand it has to refuse the message (RFC 3261 section 20.11)."""
    encoding: str = ""
    """What was done to its octets, gzip or base64 for example; empty: nothing."""
    compressed: bool = False
    """`encoding` is one of Content-Encoding."""

    @property
    def is_session(self) -> bool:
        """Whether it is the description of this session, as it can be read."""
        return self.kind == SDP_TYPE and not self.encoding and self.disposition not in _OTHER_SESSIONS


def media_type(message: Request | Response) -> str:
    """The Content-Type without its parameters, in lower case; empty when there is none (RFC 3261 section 20.15)."""
    return _split(message.headers.get("Content-Type") or "")[0]


def sdp_of(message: Request | Response) -> bytes:
    """The session description that a message carries, wherever it stands; empty when it carries none.

    Raises nothing: whether the rest of the body may be passed over says `check_body`.
    """
    try:
        return next((part.content for part in _parts_of(message) if part.is_session), b"")
    except SipError:
        return b""


def check_body(request: Request) -> bytes:
    """The session description of a request, as `sdp_of`; a part that has to be understood and is not refuses it.

    Raises SipError: 415 with Accept or Accept-Encoding (RFC 3261 section 8.2.3, RFC 5621 section 8), 400 for a
    multipart that has no parts.
    """
    for part in _parts_of(request):
        if part.is_session or not part.required:
            continue
        if part.compressed:
            raise SipError(415, "Unsupported Content-Encoding", headers=[("Accept-Encoding", "identity")])
        what = "Transfer Encoding" if part.encoding else "Media Type"
        raise SipError(415, f"Unsupported {what}", headers=[("Accept", SDP_TYPE)])
    return sdp_of(request)


def _parts_of(message: Request | Response) -> list[BodyPart]:
    """All parts, those of inner multiparts in their place. Raises SipError 400."""
    if not message.body.strip(b" \t\r\n\0"):
        return []

    def header(name: str) -> str:
        return message.headers.get(name) or ""

    return list(islice(_walk(header, message.body, MAX_DEPTH, whole=True), MAX_PARTS))


def _walk(header: Header, content: bytes, depth: int, *, whole: bool, optional: bool = False) -> Iterator[BodyPart]:
    """The parts of a body or of one of its parts. `optional`: a multipart around it may be passed over."""
    kind, params = _split(header("Content-Type"))
    part = _part(header, kind, content, silent_is_required=whole)
    part = replace(part, required=part.required and not optional)
    boundary = (params.get("boundary") or "") if kind.startswith("multipart/") and not part.encoding and depth else ""
    pieces = list(_pieces(content, boundary)) if boundary else []
    if not pieces and whole and kind.startswith("multipart/") and not part.encoding:
        raise SipError(400, "A Multipart Body Without Parts")
    if not pieces:
        yield part
        return
    optional = optional or _handling(header) == "optional"
    inner = (
        found
        for headers, rest in map(_part_headers, pieces)
        for found in _walk(partial(_named, headers), rest, depth - 1, whole=False, optional=optional)
    )
    if kind == "multipart/alternative":  # the last that is understood is the best (RFC 2046 section 5.1.4)
        alternatives = list(islice(inner, MAX_PARTS))
        yield from [one for one in alternatives if one.is_session][-1:] or alternatives
    else:
        yield from inner


def _part(header: Header, kind: str, content: bytes, *, silent_is_required: bool) -> BodyPart:
    disposition, handling = _split(header("Content-Disposition"))[0], _handling(header)
    # Section 20.11 takes a missing parameter for "required"; what stands beside others and says nothing at all of
    # itself (a PIDF location, a picture) is read over, as every carrier does. What is referred to by a header matters
    # to those who know that header (RFC 5621 section 5.2).
    by_default = disposition != "by-reference" if disposition else silent_is_required
    required = handling == "required" or (handling != "optional" and by_default)
    packed = _coding(header("Content-Encoding"), _UNPACKED)
    moved = _coding(header("Content-Transfer-Encoding"), _PLAIN_ENCODINGS)
    return BodyPart(kind, content, disposition, required, packed or moved, bool(packed))


def _handling(header: Header) -> str:
    return (_split(header("Content-Disposition"))[1].get("handling") or "").strip().lower()


def _named(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name.lower(), "")


def _coding(value: str, plain: frozenset[str]) -> str:
    """The encodings of a header that are not `plain`, in lower case."""
    names = [name.strip().lower() for name in value.partition(";")[0].split(",")]
    return ", ".join(name for name in names if name not in plain)


def _split(value: str) -> tuple[str, Params]:
    """A value and its parameters, by lower-case name. Boundaries are often written without the quotes they need."""
    word, semicolon, rest = value.partition(";")
    params: Params = {}
    for match in _PARAM.finditer(semicolon + rest):
        text = match[2]
        params.setdefault(match[1].lower(), None if text is None else unquote(text.strip()))
    return "".join(word.split()).lower(), params


def _pieces(content: bytes, boundary: str) -> Iterator[bytes]:
    """What stands between the delimiter lines (RFC 2046 section 5.1.1); the last may lack its end.

    The line end before a delimiter belongs to the delimiter. A line that only begins like one is content: the
    delimiter of an outer multipart may be the beginning of an inner one's.
    """
    name = re.escape(boundary.encode("utf-8", "replace"))
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + name + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    began: int | None = None
    for match in delimiter.finditer(content):
        if began is not None:
            yield _without_line_end(content[began : match.start()])
        if match[1] is not None:
            return
        began = match.end()
    if began is not None:
        yield _without_line_end(content[began:])


def _without_line_end(piece: bytes) -> bytes:
    """Without the line end that ended the delimiter line before it."""
    return piece[2:] if piece.startswith(b"\r\n") else piece[1:] if piece.startswith(b"\n") else piece


def _part_headers(piece: bytes) -> tuple[Mapping[str, str], bytes]:
    """The headers of a part by lower-case name, and its content; a part may have no headers."""
    if piece.startswith((b"\r\n", b"\n")):
        return {}, _without_line_end(piece)
    end = _ENDED_HEADER.search(piece)
    head, content = (piece, b"") if end is None else (piece[: end.start()], piece[end.end() :])
    lines: list[str] = []
    for line in re.split(r"\r?\n", head.decode("utf-8", "replace")):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    headers: dict[str, str] = {}
    for line in lines:
        match = _PART_HEADER.fullmatch(line)
        if match is not None:
            name = COMPACT_FORMS.get(match[1].lower(), match[1]).lower()
            headers.setdefault(name, match[2].strip())
    return headers, content
