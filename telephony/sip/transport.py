"""The sockets of one endpoint, UDP, TCP and TLS: bytes of whole messages in and out (RFC 3261 section 18).

Nothing that arrives here can stop it: a bad stream closes its own connection, a bad datagram is the parser's business,
a TLS handshake that does not end is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Literal

from .. import descriptors
from ..clock import now_s
from . import tls
from .connection import MAX_UNSENT_BYTES, SipConnection
from .connection_pool import ConnectionPool
from .datagrams import Datagrams
from .framing import PING
from .hop import Hop, Route
from .listen_sockets import ListenConfig, family_of, is_any, open_sockets
from .own_addresses import OwnAddresses
from .tls import ShownCertificate, TlsClient, TlsError, TlsSession
from .tls_stream import TlsStream

CONNECT_S = 4.0
"""Our own connection, TLS handshake included."""
MAX_FAILURES = 256
SWEEP_S = 0.5
SOON_DAYS = 14
"""A certificate of ours that is good for less is worth a warning."""
BREATH_S = 0.1
"""Pause of accepting when the system is out of descriptors."""

log = logging.getLogger(__name__)

Stream = Literal["tcp", "tls"]


class Transport:
    """Owns the sockets of a `ListenConfig`.

    Args:
        listening: where.
        on_message: gets each message's bytes and where it came from.
        on_lost: gets a hop that was not reached or whose connection is gone, and the beginning of the datagram that
            ICMP quotes (None: the hop as a whole).
        admits: asked for the address and bytes of each message, and with none for each connection, before anything else
            is done with it.
        on_certificate: gets the certificate that callers by TLS are shown, at the start and when it was renewed.
    """

    def __init__(
        self,
        listening: ListenConfig,
        on_message: Callable[[bytes, Hop], None],
        on_lost: Callable[[Hop, bytes | None], None],
        admits: Callable[[str, bytes], bool],
        on_certificate: Callable[[ShownCertificate], None],
    ) -> None:
        self.listening = listening
        self.port = listening.port
        self.tls_port = listening.tls_port if listening.tls is not None else 0
        self.profiles: dict[str, TlsClient] = {}
        self._on_message = on_message
        self._on_lost = on_lost
        self._admits = admits
        self._on_certificate = on_certificate
        self._serving = tls.ReloadingContext(listening.tls) if listening.tls is not None else None
        self._contexts: dict[TlsClient, tls.ReloadingContext] = {}
        self._udp: dict[int, Datagrams] = {}
        self._listeners: list[socket.socket] = []
        self._pool = ConnectionPool()
        self._dialling: dict[Route, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: OrderedDict[Route, str] = OrderedDict()
        self._own = OwnAddresses(listening.hosts)
        self._numbers = count(1)
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open all sockets. Raises OSError with words when a port is taken or our certificate cannot be used."""
        loop = asyncio.get_running_loop()
        if self._serving is not None:
            await asyncio.to_thread(self._serving.get, loop.time())
        sockets = open_sockets(self.listening)
        self.port = sockets.udp[0].getsockname()[1]
        if sockets.tls:
            self.tls_port = sockets.tls[0].getsockname()[1]
        for one in sockets.udp:
            number = next(self._numbers)
            self._udp[number] = Datagrams(one, number, self._datagram, self._unreachable)
        self._listeners = [*sockets.tcp, *sockets.tls]
        for one in sockets.tcp:
            self._spawn(self._accept(one, "tcp"))
        for one in sockets.tls:
            self._spawn(self._accept(one, "tls"))
        self._sweep = loop.call_later(SWEEP_S, self._swept)
        if self._serving is not None:
            self._show(self._serving.shown)
            self._spawn(self._watch_certificate(self._serving))

    async def close(self) -> None:
        """Close everything; returns when it is closed. Nobody is told of what is lost by it."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        for datagrams in self._udp.values():
            datagrams.close()
        self._udp.clear()
        await self._pool.close()

    # ── going out ──

    def send(self, data: bytes, hop: Hop) -> None:
        """Send one message. TCP and TLS: over the connection of `hop`, another one of its route, or a new one."""
        if hop.protocol == "udp":
            datagrams = self._socket_for(hop)
            if datagrams is not None:
                datagrams.send(data, hop)
            elif not self._closed:
                family = "IPv6" if ":" in hop.host else "IPv4"
                self._later_lost(hop, f"we have no {family} address to send from")
            return
        connection = self.connection_of(hop)
        if connection is not None:
            connection.write(data)
        else:
            self._queue(data, hop)

    def ping(self, hop: Hop) -> None:
        """Send a keepalive (RFC 5626 section 3.5.1); opens the connection where there is none."""
        connection = self.connection_of(hop)
        if connection is not None:
            connection.ping()
        else:
            self.send(PING, hop)

    def connection_of(self, hop: Hop) -> SipConnection | None:
        """The connection that a message to `hop` takes, if it is up."""
        return self._pool.find(hop) if hop.reliable else None

    def secured(self, hop: Hop) -> TlsSession | None:
        """Who is at the other end of a TLS connection that is up. None for others. Raises TlsError."""
        connection = self.connection_of(hop)
        return connection.tls_stream.secured() if connection is not None and connection.tls_stream is not None else None

    def why(self, hop: Hop) -> str:
        """Why `hop` was not reached or lost the last time; empty when nothing is known against it."""
        return self._failures.get(hop.route, "")

    def _queue(self, data: bytes, hop: Hop) -> None:
        waiting = self._dialling.get(hop.route)
        if self._closed:
            return
        if waiting is None:
            self._dialling[hop.route] = [data]
            self._spawn(self._dial(hop))
        elif sum(map(len, waiting)) + len(data) <= MAX_UNSENT_BYTES:
            waiting.append(data)

    async def _dial(self, hop: Hop) -> None:
        try:
            connection = await self._connect(hop)
        except OSError as error:
            words = tls.why(error)
            log.info("SIP connection failed", extra={"peer": str(hop), "why": words})
            self._later_lost(hop, words)
            return
        finally:
            waiting = self._dialling.pop(hop.route)
        connection.useful = True
        self.note_success(hop)
        for data in waiting:
            if data == PING:
                connection.ping()
            else:
                connection.write(data)

    async def _connect(self, hop: Hop) -> SipConnection:
        """A connection that can be used. Raises OSError, TlsError when the peer is not who was asked for."""
        stream = TlsStream(await self._client_context(hop), hop.name or hop.host) if hop.protocol == "tls" else None
        connection: SipConnection | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: SipConnection(self, hop, stream), hop.host, hop.port, local_addr=self._local_end(hop)
                )
                await connection.ready
            if connection.hop is None:
                raise connection.failure or ConnectionResetError()
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
        return connection

    async def _client_context(self, hop: Hop) -> ssl.SSLContext:
        profile = self.profiles.get(hop.profile)
        if profile is None:
            if hop.profile:
                raise TlsError(f"there is no TLS profile {hop.profile!r}")
            profile = TlsClient()
        context = self._contexts.setdefault(profile, tls.ReloadingContext(profile))
        return await asyncio.to_thread(context.get, now_s())

    def _later_lost(self, hop: Hop, words: str, quoted: bytes | None = None) -> None:
        self.note_failure(hop, words)
        asyncio.get_running_loop().call_soon(self._on_lost, hop, quoted)

    def note_success(self, hop: Hop) -> None:
        """Nothing is known against `hop` any more."""
        self._failures.pop(hop.route, None)

    def note_failure(self, hop: Hop, words: str) -> None:
        """Keep the reason for `why`."""
        self._failures[hop.route] = words
        self._failures.move_to_end(hop.route)
        if len(self._failures) > MAX_FAILURES:
            self._failures.popitem(last=False)

    # ── our addresses ──

    def local_host(self, hop: Hop) -> str:
        """The address that packets to that peer come from."""
        connection = self.connection_of(hop)
        if connection is not None and connection.local_host:
            return connection.local_host
        datagrams = self._udp.get(hop.connection) if hop.protocol == "udp" else None
        if datagrams is not None and not is_any(datagrams.host):
            return datagrams.host
        return self._own.towards(hop.host)

    def _local_end(self, hop: Hop) -> tuple[str, int] | None:
        """What a new connection is bound to: peers know us by the address that we listen on."""
        host = self.local_host(hop)
        return (host, 0) if host in self.listening.hosts and not is_any(host) else None

    def _socket_for(self, hop: Hop) -> Datagrams | None:
        family = family_of(hop.host)
        own = self._udp.get(hop.connection)
        if own is not None and own.family == family:
            return own
        fitting = [one for one in self._udp.values() if one.family == family]
        if len(fitting) > 1:
            local = self.local_host(hop)
            return next((one for one in fitting if one.host == local), fitting[0])
        return fitting[0] if fitting else None

    # ── coming in ──

    def _datagram(self, data: bytes, hop: Hop) -> None:
        if self._admits(hop.host, data):
            self._on_message(data, hop)

    def _unreachable(self, hop: Hop, quoted: bytes | None, words: str) -> None:
        self.note_failure(hop, words)
        self._on_lost(hop, quoted)

    async def _accept(self, listener: socket.socket, protocol: Stream) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                if descriptors.is_exhaustion(error):
                    descriptors.tell()
                else:
                    log.warning("a SIP connection could not be accepted", extra={"why": str(error)})
                await asyncio.sleep(BREATH_S)
                continue
            await asyncio.sleep(0)  # sock_accept does not wait while others are in the queue
            if not self._admits(address[0], b""):
                sock.close()
                continue
            if descriptors.is_kept(sock.fileno()):
                descriptors.tell()
                sock.close()
                continue
            try:
                stream = self._callers_tls() if protocol == "tls" else None
                connection = SipConnection(self, None, stream)
                await loop.connect_accepted_socket(lambda one=connection: one, sock)  # type: ignore[misc]
            except OSError as error:
                sock.close()
                log.info("a SIP connection ended at once", extra={"peer": address[0], "why": tls.why(error)})

    def _callers_tls(self) -> TlsStream | None:
        if self._serving is None:
            return None
        return TlsStream(self._serving.current, None)

    async def _watch_certificate(self, serving: tls.ReloadingContext) -> None:
        """Renewed files are read in a thread: a slow disk holds up no call."""
        while True:
            await asyncio.sleep(tls.RECHECK_S)
            before = serving.shown
            await asyncio.to_thread(serving.get, now_s())
            if serving.shown is not before:
                self._show(serving.shown)

    def _show(self, certificate: ShownCertificate | None) -> None:
        if certificate is None:
            return
        days = round(certificate.days_left, 1)
        more = {"file": certificate.file, "names": ", ".join(certificate.names[:5]), "days_left": days}
        if days < SOON_DAYS:
            log.warning("a certificate of ours expires soon, or has", extra=more)
        else:
            log.info("callers by TLS are shown this certificate", extra=more)
        self._on_certificate(certificate)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── connection.Owner ──

    def made(self, connection: SipConnection) -> None:
        """TCP is up; TLS may have to come yet."""
        if connection.tls_stream is not None:
            self._pool.shake(connection)

    def joined(self, connection: SipConnection) -> Hop:
        """A connection can be used."""
        return self._pool.add(connection, next(self._numbers))

    def arrived(self, data: bytes, hop: Hop) -> bool:
        """A whole message came by a connection. Returns False when its sender is to be turned away."""
        if not self._admits(hop.host, data):
            return False
        self._on_message(data, hop)
        return True

    def parted(self, connection: SipConnection) -> None:
        """A connection is gone; requests that wait on it fail."""
        hop = connection.hop
        if not self._pool.remove(connection) or hop is None or self._closed:
            return
        if connection.asked is not None:
            failure = connection.failure
            self.note_failure(hop, tls.why(failure) if failure else "the peer closed the connection")
        self._on_lost(hop, None)

    def _swept(self) -> None:
        loop = asyncio.get_running_loop()
        self._pool.sweep(loop.time())
        self._sweep = loop.call_later(SWEEP_S, self._swept)
