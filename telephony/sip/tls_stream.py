"""One TLS connection without I/O: bytes of the wire go in and come out (asyncio's own TLS sends no alerts)."""

from __future__ import annotations

import contextlib
import ssl

from .tls import TlsError, TlsSession

CHUNK_BYTES = 65_536


RECORD_HEADER_BYTES = 5
"""Type, version, and the length of what follows in the last two (RFC 8446 section 5.1)."""


class _RecordCount:
    """Where in the stream one record ends and the next begins. OpenSSL knows, but does not tell."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._left = 0

    @property
    def partial(self) -> bool:
        return bool(self._header) or self._left > 0

    def count(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if not self._left:
                piece = data[at : at + RECORD_HEADER_BYTES - len(self._header)]
                self._header += piece
                at += len(piece)
                if len(self._header) == RECORD_HEADER_BYTES:
                    self._left = int.from_bytes(self._header[3:], "big")
                    self._header.clear()
            else:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken


class TlsStream:
    """Either end of a TLS connection.

    After every call `outgoing` has what is to be sent: after an error too, which is the alert that tells the peer why.

    Args:
        context: a client's or server's.
        wanted: client: whom the certificate has to name, a domain or an address; None: we are the server.

    Raises TlsError when `wanted` can be nobody's name.
    """

    def __init__(self, context: ssl.SSLContext, wanted: str | None) -> None:
        self.finished = False
        """Whether the handshake is through."""
        self.ended = False
        """Whether the peer has said that nothing more will come."""
        self._wanted = wanted
        self._records = _RecordCount()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._in, self._out, wanted is None, wanted)
        except (ValueError, TypeError) as error:  # what cannot be written as a host name for SNI
            raise TlsError(f"no certificate can be for {wanted!r}") from error

    def outgoing(self) -> bytes:
        """Bytes for the wire."""
        return self._out.read()

    def start(self) -> None:
        """Begin; a client says hello."""
        self.receive(b"")

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the wire. Returns what the peer says inside.

        Raises ssl.SSLError for anything that breaks the connection, TlsError when a client's peer is somebody else.
        """
        self._records.count(data)
        self._in.write(data)
        try:
            if not self.finished:
                self._tls.do_handshake()
                self._check_name()
                self.finished = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""

    def send(self, data: bytes) -> None:
        """Say something to the peer, once the handshake is through. Raises ssl.SSLError."""
        self._tls.write(data)

    @property
    def partial(self) -> bool:
        """Whether a record has begun and not ended: of its bytes nothing comes out until then."""
        return self._records.partial

    def close(self) -> None:
        """Tell the peer that nothing more will come."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()

    def secured(self) -> TlsSession:
        """What was agreed, and who the peer is. Raises TlsError."""
        return TlsSession.of(self._tls)

    def _read(self) -> bytes:
        found = bytearray()
        try:
            while True:
                piece = self._tls.read(CHUNK_BYTES)
                if not piece:
                    self.ended = True
                    return bytes(found)
                found += piece
        except ssl.SSLWantReadError:
            return bytes(found)
        except ssl.SSLZeroReturnError:
            self.ended = True
            return bytes(found)
        except ssl.SSLError:
            if found:  # a break that comes with the last words is met again without them
                return bytes(found)
            raise

    def _check_name(self) -> None:
        if self._wanted is None or self._tls.context.verify_mode == ssl.CERT_NONE:
            return
        secured = self.secured()
        if not secured.speaks_for(self._wanted):
            named = ", ".join(secured.names[:5]) or "nobody"
            raise TlsError(f"its certificate is for {named}, not for {self._wanted}")
