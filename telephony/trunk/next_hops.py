"""Where a call over a trunk goes: Request-URI, next server, and Route. No I/O but the look-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sipmessage import URI

from ..sip.grammar import NameAddr
from ..sip.hop import Hop
from ..sip.message import SipError, parse_uri
from .model import Trunk

Resolve = Callable[[URI, str, str], Awaitable[list[Hop]]]
"""As `Endpoint.resolve`."""


@dataclass(frozen=True, slots=True)
class NextHop:
    """One way to reach a called party."""

    uri: URI
    """Request-URI and To."""
    hop: Hop
    """Where the request is sent."""
    routes: tuple[str, ...] = ()
    """Route values."""


class NotRegistered(OSError):
    """The called one is a phone that is not registered now: 480 to whoever wants it."""


def with_transport(trunk: Trunk, text: str) -> URI:
    """A URI of the trunk file with the trunk's transport, where it names none itself."""
    uri = URI.parse(text)
    if trunk.transport is None or "transport" in uri.parameters or uri.scheme == "sips":
        return uri
    return replace(uri, parameters=uri.parameters.replace(transport=trunk.transport))


def request_uri(trunk: Trunk, target: URI, uri: URI) -> URI:
    """What the called number is called at the trunk's peer.

    A number, and a URI whose host is the trunk's name, get the peer's host; any other URI stays as it is.
    """
    if uri.scheme != "tel" and uri.host.lower() != trunk.name:
        return uri
    if trunk.domain and target.host.lower() != trunk.domain.lower():
        return URI(target.scheme, trunk.domain, uri.user)
    return URI(target.scheme, target.host, uri.user, port=target.port, parameters=uri.parameters)


async def find_next_hops(
    trunk: Trunk, uri: URI, resolve: Resolve, service_route: tuple[str, ...] = ()
) -> tuple[list[NextHop], OSError | None]:
    """The ways to a URI by all targets of the trunk, in their order, and what was wrong with those left out.

    An outbound proxy is the next server always; without one the first Service-Route of the registration is (RFC 3608).
    """
    next_hops: list[NextHop] = []
    problem: OSError | None = None
    for text in trunk.targets:
        target = with_transport(trunk, text)
        routes = service_route
        following = _uri_of(routes[0]) if routes else target
        if trunk.outbound_proxy is not None:
            following = with_transport(trunk, trunk.outbound_proxy)
            if "lr" in following.parameters:
                routes = (f"<{trunk.outbound_proxy}>", *routes)
        try:
            hops = await resolve(following, trunk.name, trunk.tls.name)
        except OSError as error:
            problem = error
            continue
        next_hops += [NextHop(request_uri(trunk, target, uri), settled(trunk, hop), routes) for hop in hops]
    unique: dict[object, NextHop] = {}
    for next_hop in next_hops:
        unique.setdefault((str(next_hop.uri), next_hop.hop.route), next_hop)
    return list(unique.values()), problem


def settled(trunk: Trunk, hop: Hop) -> Hop:
    """A hop of the trunk's with what the trunk says of it."""
    return replace(hop, advertise=trunk.advertise)


def _uri_of(route: str) -> URI:
    try:
        return parse_uri(NameAddr.parse(route).uri)
    except (ValueError, SipError) as error:
        raise OSError(f"the provider's Service-Route {route} cannot be used") from error
