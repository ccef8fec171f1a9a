"""Where a message comes from or goes to, and how the top Via says it (RFC 3261 section 18.2, RFC 3581)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Literal

from .grammar import Via
from .message import Request

DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061
MAX_UDP_BYTES = 1300
"""Larger requests go by TCP first (RFC 3261 section 18.1.1)."""

Route = tuple[str, str, int, str, str]
"""Protocol, host, port, name, profile: what has to be the same for one connection to serve two hops."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The other end of one transport."""

    protocol: Literal["udp", "tcp", "tls"]
    host: str
    """Address literal, without brackets."""
    port: int
    connection: int = 0
    """Number of the TCP or TLS connection, or the UDP socket, that a message came by; 0 for any."""
    name: str = ""
    """TLS: whom the certificate has to name (and SNI asks for); empty for `host`."""
    profile: str = ""
    """TLS: which set of certificates and authorities to use, see `Endpoint`; empty for the default one."""
    advertise: str = ""
    """Our address as this peer should see it, when it is not the endpoint's own."""

    @property
    def reliable(self) -> bool:
        """Whether the transport delivers by itself; retransmission timers rest then."""
        return self.protocol != "udp"

    @property
    def route(self) -> Route:
        """What connections are found by: one that was checked for another name is not ours to use."""
        return (self.protocol, self.host, self.port, self.name, self.profile)

    def __str__(self) -> str:
        return f"{self.protocol}:{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """An address as it stands in URIs and Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def with_room(hop: Hop, size: int) -> Hop:
    """The same place by a transport that carries a request of so many bytes (RFC 3261 section 18.1.1)."""
    return replace(hop, protocol="tcp", connection=0) if hop.protocol == "udp" and size > MAX_UDP_BYTES else hop


def stamp(request: Request, source: Hop) -> None:
    """Write down in the top Via where the request really came from (RFC 3261 section 18.2.1, RFC 3581 section 4)."""
    via = request.head.vias[0]
    params = dict(via.params)
    rport = "rport" in params
    if rport:
        params["rport"] = str(source.port)
    if rport or _bare(via.host) != source.host:
        params["received"] = source.host
    else:
        params.pop("received", None)
    if params != via.params:
        request.head.vias[0] = replace(via, params=params)
        request.headers.setlist("Via", [str(request.head.vias[0]), *request.headers.getlist("Via")[1:]])


def answer_hop(via: Via | None, source: Hop) -> Hop:
    """Where a response goes (RFC 3261 section 18.2.2): the source address always, never one that the Via names.

    `maddr` and a foreign sent-by are not followed: they would let a stranger aim our responses at others. A sender who
    names another address than the one it comes from is behind a NAT, where its own port means nothing: it is answered
    at the port that it came from, as if it had asked for that with `rport`.
    """
    if source.reliable or via is None or "rport" in via.params or _bare(via.host) != source.host:
        return source
    return replace(source, port=via.port or DEFAULT_PORT)


def _bare(host: str) -> str:
    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host
