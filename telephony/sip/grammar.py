"""The pieces of header values that decide where a message goes: lists, parameters, addresses and Via hops.

sipmessage reads these with expressions in which a quoted string may swallow the rest of the line; a peer could move
the border between two addresses that way, or make matching take exponential time. These are linear and strict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TOKEN_ONLY = re.compile(_TOKEN)
_PARAM = re.compile(rf"\s*;\s*({_TOKEN})(?:\s*=\s*({_QUOTED}|[^\s;,\"=<>]+))?", re.DOTALL)
_NAME_ADDR = re.compile(rf"\s*(?:({_QUOTED})|([^\"<>]*))\s*<([^<>]*)>", re.DOTALL)
_ADDR_SPEC = re.compile(r"\s*([^\s;<>\",?]+)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,31}:[^\s<>\"\x00-\x20\x7f]+")
_NO_URI = re.compile(r"[^\s<>\",;?\\\x00-\x20\x7f]{1,256}|\+?[0-9(][0-9 ().\-/]{0,40}")
"""What callers write in the place of a URI: ``anonymous``, ``+4930123``, ``ann@example.com``."""
_VIA = re.compile(
    rf"\s*SIP\s*/\s*2\.0\s*/\s*({_TOKEN})\s+([A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:.]+\])(?:\s*:\s*([0-9]{{1,9}}))?",
    re.IGNORECASE,
)
_PIECES = re.compile(rf"{_QUOTED}|<[^<>]*>|[^\"<>,]+|,", re.DOTALL)

Params = dict[str, str | None]
"""Parameters by lower-case name; the first of a name counts. Values keep their quotes off."""


def is_token(text: str) -> bool:
    """Whether `text` is a token of RFC 3261 section 25.1."""
    return _TOKEN_ONLY.fullmatch(text) is not None


def unquote(text: str) -> str:
    """A quoted string without quotes and escapes; anything else as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def quote(text: str) -> str:
    """A quoted string (RFC 3261 section 25.1). Control characters become spaces: none can end the header."""
    plain = "".join(" " if ord(ch) < 32 or ord(ch) == 127 else ch for ch in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_list(value: str) -> list[str]:
    """Split a comma-separated header value; commas in quotes and angle brackets do not count. Raises ValueError."""
    items: list[str] = []
    current = ""
    position = 0
    while position < len(value):
        match = _PIECES.match(value, position)
        if match is None:
            raise ValueError("unbalanced quotes or brackets")
        position = match.end()
        if match[0] == ",":
            items.append(current.strip())
            current = ""
        else:
            current += match[0]
    items.append(current.strip())
    if not all(items):
        raise ValueError("an empty list element")
    return items


def parse_params(text: str) -> Params:
    """Read ``;name=value;flag``. Raises ValueError for anything else."""
    params: Params = {}
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _PARAM.match(text, position)
        if match is None:
            raise ValueError("malformed parameters")
        params.setdefault(match[1].lower(), None if match[2] is None else unquote(match[2]))
        position = match.end()
    return params


@dataclass(frozen=True, slots=True)
class NameAddr:
    """From, To, Contact, Route: a name, a URI and parameters (RFC 3261 section 20.10)."""

    uri: str
    """As written, without angle brackets; where `parse` was told to take any, perhaps without a scheme."""
    name: str = ""
    params: Params = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The tag, empty without one."""
        return self.params.get("tag") or ""

    @classmethod
    def parse(cls, value: str, *, any_name: bool = False) -> NameAddr:
        """Read one address. Raises ValueError.

        `any_name`: whoever it is for follows no URI, so a word without scheme is taken as it stands.
        """
        match = _NAME_ADDR.match(value)
        if match is not None:
            name = unquote(match[1]) if match[1] is not None else match[2].strip()
            uri = match[3]
        else:
            match = _ADDR_SPEC.match(value)
            if match is None:
                raise ValueError("no address")
            name, uri = "", match[1]
        if _URI.fullmatch(uri) is None and not (any_name and _NO_URI.fullmatch(uri)):
            raise ValueError("a malformed URI")
        return cls(uri, name, parse_params(value[match.end() :]))


@dataclass(frozen=True, slots=True)
class Via:
    """One hop that a request came by (RFC 3261 section 20.42)."""

    transport: str
    """Upper case: UDP, TCP …"""
    host: str
    port: int | None
    params: Params = field(default_factory=dict)

    @property
    def branch(self) -> str:
        """The branch, empty without one."""
        return self.params.get("branch") or ""

    @classmethod
    def parse(cls, value: str) -> Via:
        """Read one hop. Raises ValueError."""
        match = _VIA.match(value)
        if match is None:
            raise ValueError("a malformed Via")
        port = int(match[3]) if match[3] else None
        if port is not None and not 0 < port < 65536:
            raise ValueError("a Via port out of range")
        return cls(match[1].upper(), match[2].lower(), port, parse_params(value[match.end() :]))

    def __str__(self) -> str:
        where = self.host if self.port is None else f"{self.host}:{self.port}"
        tail = "".join(f";{k}" if v is None else f";{k}={_value(v)}" for k, v in self.params.items())
        return f"SIP/2.0/{self.transport} {where}{tail}"


def _value(text: str) -> str:
    return text if re.fullmatch(r"[^\s;,\"=<>]+", text) else quote(text)
