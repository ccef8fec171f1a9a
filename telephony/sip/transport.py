"""UDP and TCP sockets of one endpoint: bytes of whole messages in and out (RFC 3261 section 18).

Nothing that arrives here can stop it: a bad stream closes its own connection, a bad datagram is the parser's business.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import cast

from .framing import PING, PONG, Framer, FramingError
from .hop import Hop

MAX_CONNECTIONS = 1024
"""Above it the connection that was quiet for longest is closed, one that never brought a message first."""
MAX_UNSENT_BYTES = 1 << 20
"""A peer that takes nothing any more is cut off."""
STALLED_S = 5.0
"""A begun message must go on within this time."""
SLOWEST_S = 30.0
"""A begun message must be whole within this time."""
QUIET_S = 7200.0
"""A connection without any traffic is closed; calls are quiet for their whole length."""
CONNECT_S = 4.0
SWEEP_S = 1.0
BIND_TRIES = 20
RECEIVE_BUFFER_BYTES = 1 << 20

log = logging.getLogger(__name__)

OnMessage = Callable[[bytes, Hop], None]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, owner: Transport) -> None:
        self._owner = owner

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) > 4 and addr[1]:  # shorter is a keep-alive of some NAT
            self._owner.on_message(data, Hop("udp", addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        log.debug("ICMP error on the SIP socket", extra={"error": str(exc)})


class _Connection(asyncio.Protocol):
    def __init__(self, owner: Transport, hop: Hop | None = None) -> None:
        self._owner = owner
        self._framer = Framer()
        self._loop = asyncio.get_running_loop()
        self.hop = hop
        self.transport: asyncio.Transport | None = None
        self.useful = False
        self.last_s = self._loop.time()
        self._begun_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not peer:  # gone before it was taken in
            self.transport.abort()
            return
        self.hop = self._owner.joined(self, peer[0], peer[1])

    def data_received(self, data: bytes) -> None:
        self.last_s = self._loop.time()
        try:
            messages = self._framer.feed(data)
        except FramingError as error:
            log.info("closing a SIP connection", extra={"peer": str(self.hop), "why": str(error)})
            self.abort()
            return
        self._begun_s = (self._begun_s or self.last_s) if self._framer.partial and not messages else None
        for message in messages:
            if message == PING:
                self.write(PONG)
            elif self.hop is not None:
                self.useful = True
                self._owner.on_message(message, self.hop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.parted(self)

    def write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()
            return
        self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def overdue(self, now_s: float) -> bool:
        quiet_s = now_s - self.last_s
        if self._framer.partial:
            return quiet_s > STALLED_S or now_s - (self._begun_s or now_s) > SLOWEST_S
        return quiet_s > QUIET_S


class Transport:
    """The sockets. `on_message` gets each message's bytes and where it came from, `on_lost` a hop not reached."""

    def __init__(self, listen: str, port: int, on_message: OnMessage, on_lost: Callable[[Hop], None]) -> None:
        self.listen = listen
        self.port = port
        self.on_message = on_message
        self._on_lost = on_lost
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[int, _Connection] = {}
        self._by_peer: dict[tuple[str, int], int] = {}
        self._dialling: dict[tuple[str, int], list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 1
        self._sweep: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open both sockets on one number. Raises OSError with words when it is taken."""
        loop = asyncio.get_running_loop()
        bound = None
        for _ in range(BIND_TRIES):
            bound = bound or self._bind()
        if bound is None:
            raise OSError(errno.EADDRINUSE, f"no SIP port is free for both UDP and TCP on {self.listen}")
        udp, tcp = bound
        self.port = udp.getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._server = await loop.create_server(lambda: _Connection(self), sock=tcp, backlog=256)
        self._sweep = loop.call_later(SWEEP_S, self._swept)

    def _bind(self) -> tuple[socket.socket, socket.socket] | None:
        """Both sockets; None when a free UDP port was found and its number is taken for TCP."""
        family = socket.AF_INET6 if ":" in self.listen else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM)
        kind = "UDP"
        try:
            udp.setblocking(False)
            tcp.setblocking(False)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind((self.listen, self.port))
            kind = "TCP"
            tcp.bind((self.listen, udp.getsockname()[1]))
        except OSError as error:
            udp.close()
            tcp.close()
            if self.port == 0 and error.errno == errno.EADDRINUSE:
                return None
            why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error})"
            raise OSError(error.errno, f"SIP port {self.port} ({kind}) on {self.listen} {why}") from error
        return udp, tcp

    async def close(self) -> None:
        """Close everything; returns when it is closed."""
        if self._sweep is not None:
            self._sweep.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._udp is not None:
            self._udp.close()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)  # transports close their sockets in the next round of the loop
        for connection in list(self._connections.values()):
            connection.abort()
        await asyncio.sleep(0)

    def send(self, data: bytes, hop: Hop) -> None:
        """Send one message. TCP: over the connection of `hop`, another one to the same peer, or a new one."""
        if hop.protocol == "udp":
            if self._udp is not None and not self._udp.is_closing():
                self._udp.sendto(data, (hop.host, hop.port))
            return
        peer = (hop.host, hop.port)
        connection = self._connections.get(hop.connection) or self._connections.get(self._by_peer.get(peer, 0))
        if connection is not None:
            connection.write(data)
        elif peer in self._dialling:
            self._dialling[peer].append(data)
        else:
            self._dialling[peer] = [data]
            task = asyncio.get_running_loop().create_task(self._dial(hop))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _dial(self, hop: Hop) -> None:
        loop = asyncio.get_running_loop()
        peer = (hop.host, hop.port)
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await loop.create_connection(lambda: _Connection(self), hop.host, hop.port)
        except (OSError, TimeoutError) as error:
            log.info("SIP connection failed", extra={"peer": f"{hop.host}:{hop.port}", "error": str(error)})
            del self._dialling[peer]
            self._on_lost(hop)
            return
        connection.useful = True
        for data in self._dialling.pop(peer):
            connection.write(data)

    # ── called by connections ──

    def joined(self, connection: _Connection, host: str, port: int) -> Hop:
        """A connection is up. Returns the hop that its messages come from."""
        number, self._next = self._next, self._next + 1
        self._connections[number] = connection
        self._by_peer[(host, port)] = number
        if len(self._connections) > MAX_CONNECTIONS:
            others = (c for c in self._connections.values() if c is not connection)
            min(others, key=lambda c: (c.useful, c.last_s)).abort()
        return Hop("tcp", host, port, number)

    def parted(self, connection: _Connection) -> None:
        """A connection is gone; requests that wait on it fail."""
        hop = connection.hop
        if hop is None or self._connections.pop(hop.connection, None) is None:
            return
        if self._by_peer.get((hop.host, hop.port)) == hop.connection:
            del self._by_peer[(hop.host, hop.port)]
        self._on_lost(hop)

    def _swept(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in list(self._connections.values()):
            if connection.overdue(loop.time()):
                connection.abort()
        self._sweep = loop.call_later(SWEEP_S, self._swept)
