"""Where we listen, and the sockets of it: UDP and TCP on one number on every address, TLS on another."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from .tls import TlsServer

BIND_TRIES = 20
RECEIVE_BUFFER_BYTES = 1 << 20
BACKLOG = 256


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """Where an endpoint listens."""

    hosts: tuple[str, ...] = ("127.0.0.1",)
    """Address literals, IPv4 and IPv6 as wished. The first one's family is preferred where a name has both."""
    port: int = 5060
    """Of UDP and TCP; 0 for one that is free for both on all hosts."""
    advertise: str | None = None
    """Our address as peers see it (behind NAT): a literal, used towards peers of its family, or a name, for all."""
    tls: TlsServer | None = None
    """Our certificate; None: no TLS port (we can still be a client)."""
    tls_port: int = 5061
    """0 for any free one."""
    nameservers: tuple[str, ...] = ()
    """``host``, ``host:port`` or ``[v6]:port``; empty for the system's."""

    @property
    def families(self) -> tuple[socket.AddressFamily, ...]:
        """Of `hosts`, in their order, each once."""
        return tuple(dict.fromkeys(family_of(host) for host in self.hosts))


@dataclass(slots=True)
class Sockets:
    """Bound sockets; those for streams listen."""

    udp: list[socket.socket] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)
    tls: list[socket.socket] = field(default_factory=list)

    def close(self) -> None:
        """Close them all."""
        for one in (*self.udp, *self.tcp, *self.tls):
            one.close()


def family_of(host: str) -> socket.AddressFamily:
    """Of an address literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@lru_cache(256)
def is_any(host: str) -> bool:
    """Whether a literal stands for all addresses of its family."""
    return ipaddress.ip_address(host).is_unspecified


def open_sockets(listening: ListenConfig) -> Sockets:
    """Bind everything. Raises OSError with words when an address is no literal or a port is taken."""
    for host in listening.hosts:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise OSError(errno.EINVAL, f"{host!r} is no address to listen on") from None
    sockets = Sockets()
    try:
        for _ in range(BIND_TRIES):
            if _pairs(sockets, listening.hosts, listening.port):
                break
        else:
            raise OSError(errno.EADDRINUSE, f"no SIP port is free for both UDP and TCP on {listening.hosts}")
        if listening.tls is not None:
            port = listening.tls_port
            for host in dict.fromkeys(listening.hosts):
                sockets.tls.append(_bound(host, port, "TLS"))
                port = port or sockets.tls[0].getsockname()[1]
        for one in (*sockets.tcp, *sockets.tls):
            one.listen(BACKLOG)
    except OSError:
        sockets.close()
        raise
    return sockets


def refused_sockets(listening: ListenConfig) -> Iterator[tuple[str, OSError]]:
    """What of it cannot be opened now: UDP, TCP or TLS, and why in words. Ports that may be any are passed over."""
    wanted = [("UDP", listening.port), ("TCP", listening.port)]
    if listening.tls is not None:
        wanted.append(("TLS", listening.tls_port))
    for host in dict.fromkeys(listening.hosts):
        for kind, port in wanted:
            try:
                if port:
                    _bound(host, port, kind).close()
            except OSError as error:
                yield kind, error


def _pairs(sockets: Sockets, hosts: tuple[str, ...], port: int) -> bool:
    """UDP and TCP on all hosts. Returns False when a number that was free for the first is taken for another."""
    number = port
    try:
        for host in dict.fromkeys(hosts):
            sockets.udp.append(_bound(host, number, "UDP"))
            number = sockets.udp[0].getsockname()[1]
            sockets.tcp.append(_bound(host, number, "TCP"))
    except OSError as error:
        sockets.close()
        sockets.udp, sockets.tcp = [], []
        if port == 0 and error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def _bound(host: str, port: int, kind: str) -> socket.socket:
    family = family_of(host)
    one = socket.socket(family, socket.SOCK_DGRAM if kind == "UDP" else socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        if kind == "UDP":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        else:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, port))
    except OSError as error:
        one.close()
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be opened ({error.strerror})"
        raise OSError(error.errno, f"SIP port {port} ({kind}) on {host} {why}") from error
    return one
