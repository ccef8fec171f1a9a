"""One TCP or TLS connection: a stream cut into messages, its keepalives, and the times after which it is given up."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Protocol, cast

from . import tls
from .framing import PING, PONG, Framer, FramingError
from .hop import Hop
from .tls_stream import TlsStream

MAX_UNSENT_BYTES = 1 << 20
"""A peer that takes nothing any more is cut off."""
HANDSHAKE_S = 4.0
"""A TLS handshake must be through within this time."""
HEADER_S = 4.0
"""The header of a begun message, or the TLS record that it begins in, must be whole within this time. It is looked at
twice a second, so whoever sends two bytes a second is gone within five."""
STALLED_S = 4.0
"""A begun message must go on within this time."""
SLOWEST_S = 15.0
"""A begun message must be whole within this time: 64 KiB over the slowest line that carries a call."""
QUIET_S = 7200.0
"""A connection without any traffic is closed; calls are quiet for their whole length."""
PONG_S = 10.0
"""A peer that has answered keepalives before must answer the next within this time (RFC 5626 section 4.4.1)."""
UNACKNOWLEDGED_MS = 20_000
"""Bytes that the peer's machine does not acknowledge for this long end the connection (tcp(7) TCP_USER_TIMEOUT)."""
IDLE_S, PROBE_S, PROBES = 60, 10, 3
"""The kernel's own keepalives: quiet time before the first, between them, and how many may fail."""

log = logging.getLogger(__name__)


class ConnectionOwner(Protocol):
    """What a connection tells the transport."""

    def made(self, connection: SipConnection) -> None:
        """TCP is up; TLS may have to come yet."""

    def joined(self, connection: SipConnection) -> Hop:
        """It can be used. Returns the hop of its messages."""

    def arrived(self, data: bytes, hop: Hop) -> bool:
        """A whole message came. Returns False when its sender is to be turned away."""

    def parted(self, connection: SipConnection) -> None:
        """It is gone; `SipConnection.failure` says why, None when the peer just closed it."""


class SipConnection(asyncio.Protocol):
    """Belongs to the loop that runs it.

    Args:
        owner: see there.
        asked: the hop that it was opened for; None when the peer opened it.
        tls_stream: the TLS inside; None: plain TCP.
    """

    def __init__(self, owner: ConnectionOwner, asked: Hop | None = None, tls_stream: TlsStream | None = None) -> None:
        self.asked = asked
        self.tls_stream = tls_stream
        self.hop: Hop | None = None
        """Once it can be used."""
        self.peer = ("", 0)
        """Address and port of the other end."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it can be used, or gone; then `hop` is None and `failure` may say why."""
        self.failure: Exception | None = None
        self.useful = False
        """Whether it ever brought a message, or was opened by us."""
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()
        self._loop = asyncio.get_running_loop()
        self.last_s = self._loop.time()
        self._made_s = self.last_s
        self._begun_s: float | None = None
        self._pinged_s: float | None = None
        self._pongs = False

    @property
    def protocol(self) -> str:
        """``tcp`` or ``tls``."""
        return "tcp" if self.tls_stream is None else "tls"

    @property
    def closing(self) -> bool:
        """Nothing more can be sent."""
        return self._transport is None or self._transport.is_closing()

    @property
    def local_host(self) -> str:
        """Our address on it."""
        address = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return str(address[0]) if address else ""

    # ── asyncio.Protocol ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        if not address:  # gone before it was taken in
            self._transport.abort()
            return
        self.peer = (address[0], address[1])
        self._watch_over(transport.get_extra_info("socket"))
        self._owner.made(self)
        if self.tls_stream is None:
            self._join()
        else:
            self._decrypt(b"")

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        self.last_s = self._loop.time()
        plain = data if self.tls_stream is None else self._decrypt(data)
        if self.hop is not None:
            arrived = self._read(plain, self.hop) if plain else False
            self._note_begun(arrived)
        if self.tls_stream is not None and self.tls_stream.ended:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.failure = self.failure or exc
        self._owner.parted(self)
        if not self.ready.done():
            self.ready.set_result(None)

    # ── for the transport ──

    def write(self, data: bytes) -> None:
        """Send, unless it is closing; a peer that takes nothing loses the connection."""
        if self._transport is None or self.closing:
            return
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort("the peer takes nothing any more")
        elif self.tls_stream is None:
            self._transport.write(data)
        else:
            try:
                self.tls_stream.send(data)
            except ssl.SSLError as error:
                self.abort(tls.why(error))
                return
            self._transport.write(self.tls_stream.outgoing())

    def ping(self) -> None:
        """Send a keepalive; see `PONG_S`."""
        self._pinged_s = self._pinged_s or self._loop.time()
        self.write(PING)

    def close(self) -> None:
        """Close it when all is sent."""
        if self._transport is None or self.closing:
            return
        if self.tls_stream is not None:
            self.tls_stream.close()
            self._transport.write(self.tls_stream.outgoing())
        self._transport.close()

    def abort(self, why: str = "") -> None:
        """Close it now, whatever is unsent; with a reason it is a failure."""
        if why and self.failure is None:
            log.info("closing a SIP connection", extra={"peer": self.peer[0], "why": why})
            self.failure = ConnectionError(why)
        if self._transport is not None:
            self._transport.abort()

    def overdue(self, now_s: float) -> str:
        """Why it is to be closed; empty when it is not."""
        quiet_s = now_s - self.last_s
        if self.hop is None:
            return "the TLS handshake did not end in time" if now_s - self._made_s > HANDSHAKE_S else ""
        if self._begun_s is not None:
            begun_s = now_s - self._begun_s
            late = quiet_s > STALLED_S or begun_s > (HEADER_S if self._in_header else SLOWEST_S)
            return "a message was begun and not ended" if late else ""
        if self._pongs and self._pinged_s is not None and now_s - self._pinged_s > PONG_S:
            return "keepalives are not answered any more"
        return "nothing was said for two hours" if quiet_s > QUIET_S else ""

    # ── inside ──

    def _join(self) -> None:
        self.hop = self._owner.joined(self)
        if not self.ready.done():
            self.ready.set_result(None)

    def _decrypt(self, data: bytes) -> bytes:
        """Take bytes of the wire; what is inside comes out, once the handshake is through."""
        if self.tls_stream is None or self._transport is None:
            return b""
        try:
            plain = self.tls_stream.receive(data)
        except OSError as error:  # ssl.SSLError is one
            self.failure = error
            log.info("TLS failed", extra={"peer": self.peer[0], "why": tls.why(error)})
            self._transport.write(self.tls_stream.outgoing())  # the alert
            self._transport.close()
            return b""
        self._transport.write(self.tls_stream.outgoing())
        if self.tls_stream.finished and self.hop is None:
            self._join()
        return plain

    @property
    def _in_header(self) -> bool:
        """What has come last has not even a whole header: of a message, or of the TLS record around it."""
        return self._framer.in_header or not self._framer.partial

    def _note_begun(self, arrived: bool) -> None:
        """Since when a message, or the TLS record around its beginning, is not whole. `arrived`: one has just ended."""
        begun = self._framer.partial or (self.tls_stream is not None and self.tls_stream.partial)
        if not begun:
            self._begun_s = None
        elif arrived or self._begun_s is None:
            self._begun_s = self.last_s

    def _read(self, data: bytes, hop: Hop) -> bool:
        """Returns whether a message, or a keepalive, has come whole."""
        pinged, self._pinged_s = self._pinged_s is not None, None  # whatever comes, the flow is alive
        if pinged and data == PONG and not self._framer.partial:
            self._pongs = True
            return True
        try:
            messages = self._framer.feed(data)
        except FramingError as error:
            self.abort(str(error))
            return False
        for message in messages:
            if message == PING:
                self.write(PONG)
            elif not self._owner.arrived(message, hop):
                self.abort("its sender is turned away")
                return False
            else:
                self.useful = True
        return bool(messages)

    @staticmethod
    def _watch_over(sock: socket.socket) -> None:
        """Let the kernel find out that the other end is gone; a call may be silent for an hour."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
