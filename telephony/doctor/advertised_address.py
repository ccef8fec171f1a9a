"""Whether peers can reach the addresses that we tell them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from telephony.sip.listen_sockets import ListenConfig
from telephony.trunk.allowed_peer import Network
from telephony.trunk.model import Trunk

from .findings import Finding

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PUBLIC_REMEDY = (
    "set sip.advertise (or advertise in the trunk) to the public address that is forwarded to this machine; "
    "`voicebot trunk probe` says which one the peer sees"
)


def advertised(listening: ListenConfig, trunk: Trunk, hosts: list[str]) -> Iterator[Finding]:
    """Compare what we say with where the trunk's peers are.

    Args:
        listening: where we listen.
        trunk: whose peers are meant.
        hosts: addresses that its names have led to.
    """
    subject = f"trunk {trunk.name}"
    shown: list[str] = []
    for far in _examples(trunk, hosts):
        said, how = _said(listening, trunk, far)
        if said is None:
            words = f"peer {far} is IPv{far.version}, but we listen on no IPv{far.version} address"
            yield Finding("problem", subject, words, f"add an IPv{far.version} address to sip.listen")
            return
        finding = _judge(subject, said, how, far)
        if finding is not None:
            yield finding
            return
        shown.append(str(said))
    if shown:
        ours = ", ".join(dict.fromkeys(shown))
        yield Finding("ok", subject, f"its peers are told to reach us at {ours}, which fits as far as can be told")


def _judge(subject: str, said: Address | str, how: str, far: Address) -> Finding | None:
    if isinstance(said, str):
        return None  # a name: DNS has been asked
    if said.is_loopback and not far.is_loopback:
        words = f"peer {far} is told to reach us at {said} ({how}), which is its own machine"
        return Finding("problem", subject, words, "listen on 0.0.0.0 or on this machine's address, and set advertise")
    if said.is_unspecified:
        words = f"peer {far} is told to reach us at {said} ({how}), which is no address"
        return Finding("problem", subject, words, "set advertise to an address of this machine")
    if _public(far) and not _public(said):
        words = f"peer {far} is public, but it is told to reach us at the private {said} ({how})"
        return Finding("problem", subject, words, _PUBLIC_REMEDY)
    return None


def _public(address: Address) -> bool:
    return address.is_global


def _examples(trunk: Trunk, hosts: list[str]) -> list[Address]:
    """One address for each peer and server of the trunk."""
    found = [_first(peer.network) for peer in trunk.peers if peer.network is not None]
    found += [ipaddress.ip_address(host) for host in hosts]
    return list(dict.fromkeys(found))


def _first(network: Network) -> Address:
    return ipaddress.ip_address(int(network.network_address) + (network.num_addresses > 2))


def _said(listening: ListenConfig, trunk: Trunk, far: Address) -> tuple[Address | str | None, str]:
    """Our address as we tell that peer, and where it is from; None when we have none of its family."""
    for how, text in (("advertise of the trunk", trunk.advertise), ("sip.advertise", listening.advertise or "")):
        if text:
            address = _literal(text)
            if address is None or address.version == far.version or how != "sip.advertise":
                return address or text, how
    ours = [ipaddress.ip_address(host) for host in listening.hosts]
    same = [address for address in ours if address.version == far.version]
    if not same:
        return None, ""
    if not same[0].is_unspecified:
        return same[0], "sip.listen"
    return _towards(far), "the address of the interface that leads there"


def _literal(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _towards(far: Address) -> Address:
    """Which address of ours the routing table takes; nothing is sent."""
    family = socket.AF_INET6 if far.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        try:
            one.connect((str(far), 5060))
        except OSError:
            return ipaddress.ip_address("::" if far.version == 6 else "0.0.0.0")
        return ipaddress.ip_address(one.getsockname()[0])
