"""Which addresses backends may have: public ones, and what the actions file lists in ``allow``.

A flow's author, or somebody who controls a name in the DNS, must not turn voicebot into a way into the network behind
it (cloud metadata at 169.254.169.254, a router's page, the database next door). Names are therefore checked when they
are resolved for a connection, and the connection goes to exactly those addresses: a name that changes its answer
between check and use ("rebinding") gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from voicebot.actions.failure import TryFailed
from voicebot.actions.threads import Threads

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1


def address_of(host: str) -> Address | None:
    """The address that a URL's host spells out, or None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, NAT64), which is where packets end up."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def is_public(address: Address) -> bool:
    """Whether an address is an ordinary one of the internet (IANA special-purpose registries, RFC 6890)."""
    address = _inner(address)
    return address.is_global and not address.is_multicast


def _never_by_name(address: Address) -> bool:
    """Addresses that even a listed name may not stand for: cloud metadata lives there."""
    address = _inner(address)
    return address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved


@dataclass(frozen=True, slots=True)
class Allow:
    """The ``allow`` list: host (a name in lower case, or an address) and port."""

    entries: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, texts: list[str]) -> Allow:
        """Read ``host:port`` and ``[address]:port``. Raises ValueError for anything else."""
        return cls(frozenset(map(cls._entry, texts)))

    @staticmethod
    def _entry(text: str) -> tuple[str, int]:
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} must be host:port, such as 10.0.0.5:8443")
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, such as [fd00::5]:8443")
        return canonical(host), int(port)

    def lists(self, host: str, port: int) -> bool:
        return (canonical(host), port) in self.entries

    def permits(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection for `host`, as the URL has it, may go to `address`.

        A name must be listed itself: that its address is listed is not enough, or whoever controls the name could
        send a request that is meant for somebody else into a listed backend.
        """
        if is_public(address):
            return True
        return self.lists(host, port) and (address_of(host) is not None or not _never_by_name(address))


def canonical(host: str) -> str:
    """One spelling of a host: lower case, no final dot, addresses in their short form."""
    address = address_of(host)
    return str(address) if address else host.rstrip(".").lower()


LOOKUPS = 8
"""Names looked up at once."""


class SystemResolver(AbstractResolver):
    """The system's resolver, in threads of its own: a DNS that hangs takes no thread from the rest of the program."""

    def __init__(self) -> None:
        self._threads = Threads(LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a name. Raises OSError when it has none."""
        found = await self._threads.run(lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=numeric)
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


class GuardedResolver(AbstractResolver):
    """Resolves names as the system does and refuses those with an address that is not allowed.

    Args:
        allow: the actions file's list.
        resolver: asks the DNS; the system's by default.
    """

    def __init__(self, allow: Allow, resolver: AbstractResolver | None = None) -> None:
        self._allow = allow
        self._resolver = resolver or SystemResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses for one connection.

        Raises:
            TryFailed: ``refused``; any one of the name's addresses is not allowed.
            OSError: the name does not resolve.
        """
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            address = address_of(result["host"])
            if address is None or not self._allow.permits(host, port, address):
                raise TryFailed("refused", f"{host} has the address {result['host']}, which is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()
