"""One TCP or TLS connection: a stream cut into messages, its keepalives, and the times after which it is given up."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Protocol, cast

from .framing import PING, PONG, Framer, FramingError
from .hop import Hop
from .tls import TlsError

MAX_UNSENT_BYTES = 1 << 20
"""A peer that takes nothing any more is cut off."""
STALLED_S = 5.0
"""A begun message must go on within this time."""
SLOWEST_S = 30.0
"""A begun message must be whole within this time."""
QUIET_S = 7200.0
"""A connection without any traffic is closed; calls are quiet for their whole length."""
PONG_S = 10.0
"""A peer that has answered keepalives before must answer the next within this time (RFC 5626 section 4.4.1)."""

UNACKNOWLEDGED_MS = 20_000
"""Bytes that the peer's machine does not acknowledge for this long end the connection (tcp(7) TCP_USER_TIMEOUT)."""
IDLE_S, PROBE_S, PROBES = 60, 10, 3
"""The kernel's own keepalives: quiet time before the first, between them, and how many may fail."""

log = logging.getLogger(__name__)


class Owner(Protocol):
    """What a connection tells the transport."""

    def joined(self, connection: Connection) -> Hop:
        """It is up. Returns the hop of its messages; raises TlsError when the peer is not who was asked for."""

    def arrived(self, data: bytes, hop: Hop) -> bool:
        """A whole message came. Returns False when its sender is to be turned away."""

    def parted(self, connection: Connection, error: Exception | None) -> None:
        """It is gone."""


class Connection(asyncio.Protocol):
    """Belongs to the loop that runs it; `asked` is the hop that it was opened for, None when the peer opened it."""

    def __init__(self, owner: Owner, protocol: str, asked: Hop | None = None) -> None:
        self.protocol = protocol
        self.asked = asked
        self.hop: Hop | None = None
        self.transport: asyncio.Transport | None = None
        self.failure: OSError | None = None
        self.useful = False
        """Whether it ever brought a message, or was opened by us."""
        self._owner = owner
        self._framer = Framer()
        self._loop = asyncio.get_running_loop()
        self.last_s = self._loop.time()
        self._begun_s: float | None = None
        self._pinged_s: float | None = None
        self._pongs = False

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the other end."""
        address = self.transport.get_extra_info("peername") if self.transport is not None else None
        return (address[0], address[1]) if address else ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if not self.peer[1]:  # gone before it was taken in
            self.failure = ConnectionResetError("gone at once")
            self.transport.abort()
            return
        try:
            self.hop = self._owner.joined(self)
        except TlsError as error:
            self.failure = error
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.hop is None or self.transport is None or self.transport.is_closing():
            return
        self.last_s = self._loop.time()
        if self._pinged_s is not None and data == PONG and not self._framer.partial:
            self._pongs, self._pinged_s = True, None
            return
        try:
            messages = self._framer.feed(data)
        except FramingError as error:
            self.abort(str(error))
            return
        self._begun_s = (self._begun_s or self.last_s) if self._framer.partial and not messages else None
        for message in messages:
            if message == PING:
                self.write(PONG)
            elif not self._owner.arrived(message, self.hop):
                self.abort("its sender is turned away")
                return
            else:
                self.useful = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.parted(self, exc)

    def write(self, data: bytes) -> None:
        """Send, unless it is closing; a peer that takes nothing loses the connection."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort("the peer takes nothing any more")
            return
        self.transport.write(data)

    def ping(self) -> None:
        """Send a keepalive; see `PONG_S`."""
        self._pinged_s = self._loop.time()
        self.write(PING)

    def abort(self, why: str = "") -> None:
        """Close it now, whatever is unsent; with a reason it is a failure."""
        if why:
            log.info("closing a SIP connection", extra={"peer": str(self.hop), "why": why})
            self.failure = ConnectionError(why)
        if self.transport is not None:
            self.transport.abort()

    def watch_over(self) -> None:
        """Let the kernel find out that the other end is gone; a call may be silent for an hour."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is None:
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)

    def overdue(self, now_s: float) -> str:
        """Why it is to be closed; empty when it is not."""
        quiet_s = now_s - self.last_s
        if self._framer.partial:
            late = quiet_s > STALLED_S or now_s - (self._begun_s or now_s) > SLOWEST_S
            return "a message was begun and not ended" if late else ""
        if self._pongs and self._pinged_s is not None and min(now_s - self._pinged_s, quiet_s) > PONG_S:
            return "keepalives are not answered any more"
        return "nothing was said for two hours" if quiet_s > QUIET_S else ""
