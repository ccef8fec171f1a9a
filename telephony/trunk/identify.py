"""Which trunk a request comes over, by where it comes from and what it says. No I/O.

In this order; the first that fits decides:

1. a device that is registered with us on a trunk (its address, port and transport);
2. our own Contact of a registration: ``;line=`` in the Request-URI, which only that provider knows;
3. `peers`: the longest mask, then an entry with a port, then one with a transport;
4. the addresses of a provider with whom we register; of several trunks there the one whose `contact_user` or `user` is
   the called one, else the first by name;
5. trunks with `users` and without `peers`: the one that has the user who answers a challenge, else the first by name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from ..sip.digest import parameters
from ..sip.hop import Hop
from ..sip.message import Request, SipError, parse_uri
from .model import Trunk
from .peer import Peer

MAX_CREDENTIALS = 4


def identify(
    trunks: Mapping[str, Trunk],
    source: Hop,
    request: Request,
    *,
    registered: str,
    lines: Mapping[str, str],
    addresses: Mapping[str, Mapping[str, frozenset[str]]],
) -> Trunk | None:
    """The trunk of a request, None for a stranger.

    Args:
        trunks: all by name, in order of names.
        registered: name of the trunk that a device at `source` is registered on, or empty.
        lines: token → trunk of our own registrations.
        addresses: trunk → host name → the addresses it has now.
    """
    name = registered or lines.get(request.uri.parameters.get("line") or "", "")
    if name in trunks:
        return trunks[name]
    return (
        _by_peer(trunks, source, addresses)
        or _by_provider(trunks, source, request, addresses)
        or _by_user(trunks, request)
    )


def _by_peer(
    trunks: Mapping[str, Trunk], source: Hop, addresses: Mapping[str, Mapping[str, frozenset[str]]]
) -> Trunk | None:
    best: tuple[tuple[int, bool, bool], Trunk] | None = None
    for trunk in trunks.values():
        for peer in trunk.peers:
            length = _matched(peer, source, addresses.get(trunk.name, {}))
            rank = (length, peer.port is not None, peer.transport is not None)
            if length >= 0 and (best is None or rank > best[0]):
                best = rank, trunk
    return best[1] if best else None


def _matched(peer: Peer, source: Hop, addresses: Mapping[str, frozenset[str]]) -> int:
    """Bits of the mask that matched, or -1."""
    if peer.transport not in (None, source.protocol) or peer.port not in (None, source.port):
        return -1
    address = ipaddress.ip_address(source.host.partition("%")[0])
    if peer.network is None:
        return address.max_prefixlen if source.host in addresses.get(peer.name, ()) else -1
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return peer.network.prefixlen if address in peer.network else -1


def _by_provider(
    trunks: Mapping[str, Trunk],
    source: Hop,
    request: Request,
    addresses: Mapping[str, Mapping[str, frozenset[str]]],
) -> Trunk | None:
    found = [
        trunk
        for trunk in trunks.values()
        if trunk.registration is not None
        and any(source.host in known for known in addresses.get(trunk.name, {}).values())
    ]
    if len(found) < 2:
        return found[0] if found else None
    called = {request.uri.user or "", _user_of(request.head.to.uri)} - {""}
    for trunk in found:
        registration = trunk.registration
        if registration is not None and called & {registration.contact_user or registration.user, registration.user}:
            return trunk
    return found[0]


def _by_user(trunks: Mapping[str, Trunk], request: Request) -> Trunk | None:
    open_ = [trunk for trunk in trunks.values() if trunk.users and not trunk.peers]
    names = set()
    for header in ("Authorization", "Proxy-Authorization"):
        for value in request.headers.getlist(header)[:MAX_CREDENTIALS]:
            try:
                names.add(parameters(value).get("username", ""))
            except ValueError:
                continue
    for trunk in open_:
        if names & trunk.users.keys():
            return trunk
    return open_[0] if open_ else None


def _user_of(uri: str) -> str:
    try:
        return parse_uri(uri).user or ""
    except SipError:
        return ""
