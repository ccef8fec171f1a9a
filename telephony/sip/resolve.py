"""Where a URI leads (RFC 3263): NAPTR, SRV and addresses, in order of preference, over any look-up."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import dns.name
from sipmessage import URI

from .dns_client import DnsClient, Kind, Lookup, literal
from .hop import DEFAULT_PORT, DEFAULT_TLS_PORT, Hop
from .listen_sockets import family_of

__all__ = ["DnsClient", "Kind", "Lookup", "ResolveTarget", "Resolver"]

TOTAL_S = 6.0
"""One resolution, all its questions together."""
MAX_HOPS = 16
MAX_RECORDS = 10
"""NAPTR or SRV records of one answer that are followed."""
Protocol = Literal["udp", "tcp", "tls"]

_SERVICES: dict[str, Protocol] = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
_SRV: dict[Protocol, str] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


@dataclass(frozen=True, slots=True)
class ResolveTarget:
    """What a URI asks for, before any look-up."""

    host: str
    """Lower case, without brackets."""
    port: int | None
    protocols: tuple[Protocol, ...]
    """Those allowed; several when the peer's DNS is to choose."""
    chosen: bool
    """Whether the URI itself says the transport."""

    @classmethod
    def of(cls, uri: URI) -> ResolveTarget:
        """Read it. Raises OSError for a URI that we have no transport for."""
        wanted = (uri.parameters.get("transport") or "").lower()
        host = (uri.parameters.get("maddr") or uri.host).strip("[]").rstrip(".").lower()
        secure = uri.scheme == "sips"
        if uri.scheme not in ("sip", "sips") or not host:
            raise OSError(f"{uri.scheme}: URIs lead to no server by themselves; a trunk has to be chosen")
        if wanted not in ("", "udp", "tcp", "tls") or (secure and wanted == "udp"):
            raise OSError(f"no transport for {uri}")
        if secure or wanted == "tls":  # RFC 5630 section 3.1: sips is TLS on every hop, whatever transport= says
            return cls(host, uri.port, ("tls",), bool(wanted))
        if wanted:
            return cls(host, uri.port, ("tcp",) if wanted == "tcp" else ("udp",), True)
        return cls(host, uri.port, ("udp", "tcp", "tls"), False)


class Resolver:
    """Decides by RFC 3263 section 4 with the answers of `lookup`.

    Args:
        lookup: asks the DNS.
        families: those that we can reach, the preferred one first.
        chance: for the weights of RFC 2782.
    """

    def __init__(
        self, lookup: Lookup, families: Iterable[socket.AddressFamily], chance: random.Random | None = None
    ) -> None:
        self._lookup = lookup
        self._families = tuple(families)
        self._chance = chance or random.Random()

    async def hops(self, uri: URI, profile: str = "", name: str = "") -> list[Hop]:
        """Where requests for `uri` may go, best first, at most `MAX_HOPS`, at least one.

        Args:
            uri: ``sip:`` or ``sips:``; the latter gives TLS hops only.
            profile: TLS profile of the hops.
            name: whom a TLS certificate has to name, instead of the URI's host (RFC 5922 section 4).

        Raises OSError with words.
        """
        target = ResolveTarget.of(uri)
        try:
            async with asyncio.timeout(TOTAL_S):
                found = await self._find(target)
        except TimeoutError:
            raise OSError(f"the DNS gave no answer for {target.host} within {TOTAL_S:g} s") from None
        unique = dict.fromkeys(
            Hop(protocol, host, port, name=name or _named(target.host), profile=profile)
            if protocol == "tls"
            else Hop(protocol, host, port)
            for protocol, host, port in found
        )
        if not unique:
            raise OSError(f"{target.host} has no address that we can reach")
        return list(unique)[:MAX_HOPS]

    async def _find(self, target: ResolveTarget) -> list[tuple[Protocol, str, int]]:
        plain = target.protocols[0]
        default = DEFAULT_TLS_PORT if plain == "tls" else DEFAULT_PORT
        if literal(target.host):
            return [(plain, host, target.port or default) for host in await self._addresses(target.host)]
        if target.port is None:
            services = await self._services(target)
            if services:
                return await self._follow(services)
        return [(plain, host, target.port or default) for host in await self._addresses(target.host)]

    async def _services(self, target: ResolveTarget) -> list[tuple[Protocol, Any]]:
        """SRV records with their transports, in order: those that NAPTR names, else those of the usual names."""
        names: list[tuple[Protocol, str]] = []
        if not target.chosen:
            names = await self._naptr(target)
        found = await self._srv(names)
        if found:
            return found
        usual = [one for one in target.protocols if one != "tls" or target.protocols == ("tls",)]
        return await self._srv([(protocol, f"{_SRV[protocol]}.{target.host}") for protocol in usual])

    async def _naptr(self, target: ResolveTarget) -> list[tuple[Protocol, str]]:
        try:
            records = await self._lookup(target.host, "NAPTR")
        except OSError:
            return []  # many a forwarder does not know NAPTR; SRV will say
        names: list[tuple[Protocol, str]] = []
        for record in sorted(records, key=lambda r: (r.order, r.preference)):
            protocol = _SERVICES.get(record.service.decode("latin-1").upper())
            if protocol in target.protocols and record.flags.lower() == b"s" and not record.regexp:
                names.append((protocol, record.replacement.to_text(omit_final_dot=True)))
        return names[:MAX_RECORDS]

    async def _srv(self, names: list[tuple[Protocol, str]]) -> list[tuple[Protocol, Any]]:
        answers = await asyncio.gather(*(self._lookup(name, "SRV") for _, name in names), return_exceptions=True)
        found: list[tuple[Protocol, Any]] = []
        problem: BaseException | None = None
        for (protocol, name), records in zip(names, answers, strict=True):
            if isinstance(records, BaseException):
                problem = records
                continue
            if len(records) == 1 and records[0].target == dns.name.root:
                if len(names) == 1:
                    raise OSError(f"{name} says that there is no such service")  # RFC 2782
                continue
            found += [(protocol, record) for record in by_weight(records, self._chance)]
        if not found and problem is not None:
            raise problem  # the address of the bare name could be a web server's
        return found[:MAX_RECORDS]

    async def _follow(self, services: list[tuple[Protocol, Any]]) -> list[tuple[Protocol, str, int]]:
        targets = [record.target.to_text(omit_final_dot=True) for _, record in services]
        answers = await asyncio.gather(*(self._addresses(name) for name in targets), return_exceptions=True)
        found: list[tuple[Protocol, str, int]] = []
        problem: BaseException | None = None
        for (protocol, record), hosts in zip(services, answers, strict=True):
            if isinstance(hosts, BaseException):
                problem = hosts
            elif record.port:
                found += [(protocol, host, record.port) for host in hosts]
        if not found and problem is not None:
            raise problem
        return found

    async def _addresses(self, host: str) -> list[str]:
        """Addresses of the families that we listen on. Raises OSError when none could be asked for."""
        address = literal(host)
        if address:
            return [address] if family_of(address) in self._families else []
        kinds: list[Kind] = ["AAAA" if family == socket.AF_INET6 else "A" for family in self._families]
        answers = await asyncio.gather(*(self._lookup(host, kind) for kind in kinds), return_exceptions=True)
        found: list[str] = []
        problem: BaseException | None = None
        for records in answers:
            if isinstance(records, BaseException):
                problem = records
            else:
                found += [record.address for record in records]
        if not found and problem is not None:
            raise problem
        return found


def by_weight(records: list[Any], chance: random.Random) -> list[Any]:
    """SRV records in the order in which they are to be tried (RFC 2782): by priority, then drawn by weight."""
    ordered: list[Any] = []
    for priority in sorted({record.priority for record in records}):
        left = [record for record in records if record.priority == priority]
        while left:
            # weight 0 has a small chance too
            drawn = chance.choices(left, [record.weight or 0.01 for record in left])[0]
            ordered.append(drawn)
            left.remove(drawn)
    return ordered


def _named(host: str) -> str:
    """Whom a certificate has to name: the domain of the URI, not what its SRV records lead to (RFC 5922 section 4)."""
    return "" if literal(host) else host
