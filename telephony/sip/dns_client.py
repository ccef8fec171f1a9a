"""Questions to the DNS: bounded in time, kept as long as their TTL says, with the hosts file before them."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

QUESTION_S = 2.5
"""One question, all nameservers together; one nameserver gets half of it."""
CACHED_ANSWERS = 2048
UNANSWERED_S = 300.0
"""How long a NAPTR question that got no answer is not asked again."""
MAX_UNANSWERED = 256
HOSTS_FILE = Path("/etc/hosts")
MAX_HOSTS_BYTES = 1 << 20

Kind = Literal["NAPTR", "SRV", "A", "AAAA"]
Lookup = Callable[[str, Kind], Awaitable[list[Any]]]
"""Records of a name, [] when there are none. Raises OSError when the question was not answered."""

_SERVICE = re.compile(r"^_\w+\._\w+\.")


def literal(host: str) -> str:
    """The address that `host` is, in its usual spelling; empty for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


class DnsClient:
    """The look-up of the real DNS: the system's nameservers or our own, answers kept as long as their TTL says.

    A name in /etc/hosts has the addresses given there, and no services, when the system's nameservers are used.

    Args:
        nameservers: ``host``, ``host:port`` or ``[v6]:port``; empty for the system's. Raises ValueError for others.
    """

    def __init__(self, nameservers: Iterable[str] = ()) -> None:
        own = [_nameserver(text) for text in nameservers]
        self._use_hosts = not own
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not own)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
        if own:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in own]
        self._resolver.lifetime = QUESTION_S
        self._resolver.timeout = QUESTION_S / 2
        self._resolver.cache = dns.resolver.LRUCache(CACHED_ANSWERS)
        self._unanswered_until_s: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, name: str, kind: Kind) -> list[Any]:
        """Records of a name; see `Lookup`."""
        if self._use_hosts:
            listed = _listed(_SERVICE.sub("", name), kind)
            if listed is not None:
                return listed
        if kind == "NAPTR" and self._unanswered_until_s.get(name, 0) > time.monotonic():
            return []
        try:
            answer = await self._resolver.resolve(name, kind, search="." not in name)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.NoNameservers as error:
            raise OSError(f"no nameserver answers for {name} ({kind}): {error}") from error
        except dns.resolver.LifetimeTimeout as error:
            if kind == "NAPTR":
                self._leave_alone(name)
            raise OSError(f"no nameserver answered for {name} ({kind}) within {QUESTION_S:g} s") from error
        except dns.exception.DNSException as error:
            raise OSError(f"{name} ({kind}) cannot be looked up: {error}") from error
        return list(answer)

    def _leave_alone(self, name: str) -> None:
        """Some forwarders drop what they do not know; no call is to wait for that twice."""
        self._unanswered_until_s[name] = time.monotonic() + UNANSWERED_S
        if len(self._unanswered_until_s) > MAX_UNANSWERED:
            self._unanswered_until_s.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Address:
    """A line of the hosts file as if it were a record."""

    address: str


def _listed(name: str, kind: Kind) -> list[Any] | None:
    """Addresses of a name in the hosts file, [] for records of other kinds; None when it is not there."""
    try:
        with HOSTS_FILE.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_HOSTS_BYTES).splitlines()
    except OSError:
        return None
    entries = [line.partition("#")[0].split() for line in lines]
    addresses = [entry[0] for entry in entries if name.lower().rstrip(".") in map(str.lower, entry[1:])]
    if not addresses:
        return None
    wanted = {"A": False, "AAAA": True}.get(kind)
    return [_Address(address) for address in filter(literal, addresses) if (":" in address) is wanted]


def _nameserver(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    v6 = text.count(":") > 1
    if not colon or (v6 and not text.startswith("[")) or text.endswith("]"):
        host, port = text, "53"
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
        if not 0 < number < 65536:
            raise ValueError
    except ValueError:
        raise ValueError(f"{text!r} is no nameserver; write its address, with :port if it is not 53") from None
    return host, number
