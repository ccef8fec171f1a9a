"""Cutting a TCP stream into messages (RFC 3261 section 18.3), and the keep-alive of RFC 5626 section 3.5.1."""

from __future__ import annotations

import re

from .message import MAX_BODY_BYTES, MAX_HEADER_BYTES

PING = b"\r\n\r\n"
PONG = b"\r\n"

_LENGTH = re.compile(rb"(?:^|\r\n)(?:content-length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*([^\r\n]*)", re.IGNORECASE)


class FramingError(Exception):
    """The stream cannot be followed any more: the connection has to be closed."""


class Framer:
    """Bytes of one connection in, whole messages out; knows nothing of sockets."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._needed: int | None = None
        """Length of the message at the front, once its header is whole."""

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended. What may still become a keepalive is none, blanks are."""
        return not PING.startswith(bytes(self._buffer[: len(PING) + 1]))

    @property
    def in_header(self) -> bool:
        """Whether the header of that message is not whole yet."""
        return self.partial and self._needed is None

    def feed(self, data: bytes) -> list[bytes]:
        """Take in bytes. Returns whole messages in order, and `PING` for each keep-alive, which wants a `PONG`.

        Raises FramingError: header over 64 KiB, no Content-Length, one that is no number, or a body over 64 KiB.
        """
        self._buffer += data
        found: list[bytes] = []
        while self._buffer:
            if self._needed is None and not self._find_end(found):
                break
            if self._needed is None or len(self._buffer) < self._needed:
                break
            found.append(bytes(self._buffer[: self._needed]))
            del self._buffer[: self._needed]
            self._needed, self._searched = None, 0
        return found

    def _find_end(self, found: list[bytes]) -> bool:
        """Skip keep-alives and look for the end of the header. Returns whether it is there."""
        while self._buffer[:2] == b"\r\n":
            if len(self._buffer) == 2 or self._buffer[2:] == b"\r":
                return False  # half a ping, perhaps
            if self._buffer[:4] == PING:
                found.append(PING)
                del self._buffer[:4]
            else:
                del self._buffer[:2]
            self._searched = 0
        if self._buffer == b"\r" or not self._buffer:
            return False
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        self._searched = len(self._buffer)
        if (end if end >= 0 else len(self._buffer)) > MAX_HEADER_BYTES:
            raise FramingError("header over 64 KiB")
        if end < 0:
            return False
        self._needed = end + 4 + _content_length(bytes(self._buffer[:end]))
        return True


def _content_length(header: bytes) -> int:
    lengths = {match[1].strip() for match in _LENGTH.finditer(header)}
    if len(lengths) != 1:
        raise FramingError("no Content-Length, or several" if not lengths else "conflicting Content-Length")
    text = lengths.pop()
    if not text.isdigit() or len(text) > 10 or int(text) > MAX_BODY_BYTES:
        raise FramingError("Content-Length out of range")
    return int(text)
