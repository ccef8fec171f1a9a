"""Which trunk a request comes over, by where it comes from and what it says. No I/O.

In this order; the first that fits decides:

1. a device that is registered with us on a trunk (its address, port and transport);
2. our own Contact of a registration: ``;line=`` in the Request-URI, which only that provider knows;
3. `peers`: the longest mask, then an entry with a port, then one with a transport;
4. the addresses of a provider with whom we register; of several trunks there the one whose `contact_user` or `user` is
   the called one, else the first by name;
5. trunks with `users` and without `peers`: the one that has the user who answers a challenge, else the first by name.

Asked for every call that comes, so the time does not grow with the number of trunks.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..sip.digest import parameters
from ..sip.hop import Hop
from ..sip.message import Request, SipError, parse_uri
from .allowed_peer import AllowedPeer
from .model import Trunk

MAX_CREDENTIALS = 4

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class _ListedPeer:
    """One of a trunk's peers, at one network."""

    peer: AllowedPeer
    trunk: Trunk

    def fits(self, source: Hop) -> bool:
        return self.peer.transport in (None, source.protocol) and self.peer.port in (None, source.port)

    @property
    def rank(self) -> tuple[bool, bool]:
        return (self.peer.port is not None, self.peer.transport is not None)


class TrunkMatcher:
    """Who may call over which trunk; made anew when a file changes. Of equals the first in `trunks` wins."""

    def __init__(self, trunks: Mapping[str, Trunk]) -> None:
        self._trunks = trunks
        self._lines = {token_of(trunk): trunk for trunk in trunks.values() if trunk.registration is not None}
        self._open = [trunk for trunk in trunks.values() if trunk.users and not trunk.peers]
        self._users: dict[str, Trunk] = {}
        for trunk in self._open:
            for user in trunk.users:
                self._users.setdefault(user, trunk)
        self._networks: dict[tuple[int, int], dict[int, list[_ListedPeer]]] = {}
        """IP version and mask length → network → those who listed it."""
        self._names: dict[str, list[_ListedPeer]] = {}
        for trunk in trunks.values():
            for peer in trunk.peers:
                self._add(_ListedPeer(peer, trunk))
        self._lengths = sorted(self._networks, reverse=True)
        self._addresses: dict[str, Mapping[str, frozenset[str]]] = {}
        self._named: dict[str, list[_ListedPeer]] = {}
        self._providers: dict[str, list[Trunk]] = {}

    def _add(self, entry: _ListedPeer) -> None:
        network = entry.peer.network
        if network is None:
            self._names.setdefault(entry.peer.name, []).append(entry)
            return
        place = self._networks.setdefault((network.version, network.prefixlen), {})
        place.setdefault(int(network.network_address), []).append(entry)

    def learn(self, trunk: str, addresses: Mapping[str, frozenset[str]]) -> None:
        """The names in a trunk's file have these addresses now."""
        self._addresses[trunk] = addresses
        self._named, self._providers = {}, {}
        for name, one in self._trunks.items():
            for host, known in self._addresses.get(name, {}).items():
                for address in sorted(known):
                    listed = [entry for entry in self._names.get(host, ()) if entry.trunk is one]
                    self._named.setdefault(address, []).extend(listed)
                    if one.registration is not None and one not in self._providers.setdefault(address, []):
                        self._providers[address].append(one)

    def find(self, source: Hop, request: Request, registered: str = "") -> Trunk | None:
        """The trunk of a request, None for a stranger. `registered` is the trunk of a device at `source`."""
        return (
            self._trunks.get(registered)
            or self._lines.get(request.uri.parameters.get("line") or "")
            or self._by_peer(source)
            or self._by_provider(source, request)
            or self._by_user(request)
        )

    def _by_peer(self, source: Hop) -> Trunk | None:
        address = _address(source.host)
        best = _best(entry for entry in self._named.get(str(address), ()) if entry.fits(source))
        if best is not None:
            return best
        for version, length in self._lengths:
            if version == address.version:
                network = int(address) >> (address.max_prefixlen - length) << (address.max_prefixlen - length)
                listed = self._networks[(version, length)].get(network, ())
                best = _best(entry for entry in listed if entry.fits(source))
                if best is not None:
                    return best
        return None

    def _by_provider(self, source: Hop, request: Request) -> Trunk | None:
        found = self._providers.get(str(_address(source.host)), [])
        if len(found) < 2:
            return found[0] if found else None
        called = {request.uri.user or "", _user_of(request.head.to.uri)} - {""}
        for trunk in found:
            registration = trunk.registration
            if registration is not None and called & {registration.contact_user, registration.user}:
                return trunk
        return found[0]

    def _by_user(self, request: Request) -> Trunk | None:
        if not self._open:
            return None
        for header in ("Authorization", "Proxy-Authorization"):
            for value in request.headers.getlist(header)[:MAX_CREDENTIALS]:
                try:
                    trunk = self._users.get(parameters(value).get("username", ""))
                except ValueError:
                    continue
                if trunk is not None:
                    return trunk
        return self._open[0]


def token_of(trunk: Trunk) -> str:
    """What names us in our Contact: the same after a restart, so that no second binding is left, and known to nobody
    else, because the password is in it."""
    if trunk.registration is None:
        return ""
    key = hashlib.sha256(trunk.registration.password.reveal().encode()).digest()
    return hashlib.blake2s(trunk.name.encode(), key=key, digest_size=8).hexdigest()


def _best(entries: Iterable[_ListedPeer]) -> Trunk | None:
    best = max(entries, key=lambda entry: entry.rank, default=None)
    return best.trunk if best is not None else None


def _address(host: str) -> Address:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _user_of(uri: str) -> str:
    try:
        return parse_uri(uri).user or ""
    except SipError:
        return ""
