"""Under which names this server answers: a page of another site whose name was made to point here gets nothing.

A browser lets a page talk to its own host freely, and who owns a name says where it points. So a stranger's page may
become one of "our own origin" (DNS rebinding) unless we know our names. An address cannot be made to point elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from voicebot import log
from voicebot.web.security import Handler, same_origin

MAX_TOLD = 64
"""Foreign names that are logged, each once."""
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})(?:%25[\w.~-]{1,16})?\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?", re.ASCII
)

_log = log.get(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def bare_host(text: str) -> str:
    """The value of a Host header without port, brackets, zone, capitals and last dot. Raises ValueError for no host."""
    match = _HOST.fullmatch(text)
    if match is None or (match[3] and not 0 < int(match[3]) < 65536):
        raise ValueError("no host")
    return (match[1] or match[2]).lower().removesuffix(".")


class OwnHosts:
    """The names and addresses of one web server.

    Args:
        listen: the address that it listens on; an unspecified one stands for all of this machine's.
        hosts: more names and addresses, from the configuration.
    """

    def __init__(self, listen: str, hosts: Iterable[str] = ()) -> None:
        self._names = {"localhost", *(host.strip("[]").lower().removesuffix(".") for host in hosts)}
        self._any = listen in ("", "0.0.0.0", "::")
        if not self._any:
            self._names.add(listen.lower())
        self._addresses = {address for name in self._names if (address := _address(name)) is not None}
        self._told: set[str] = set()

    def knows(self, host: str) -> bool:
        """Whether the value of a Host header is one of ours, with any port: somebody may forward another one."""
        try:
            name = bare_host(host)
        except ValueError:
            return False
        address = _address(name)
        if address is None:
            return name in self._names
        return address in self._addresses or (self._any and _is_local(address))

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer nothing, whatever is asked for, to another name; and no web socket to a page of another origin.

        Raises HTTPBadRequest, HTTPMisdirectedRequest, HTTPForbidden.
        """
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1:  # RFC 9112 section 3.2
            raise web.HTTPBadRequest(text="A request needs one Host header.\n")
        named = hosts[0] if "://" not in request.raw_path else urlsplit(request.raw_path).netloc
        for host in {hosts[0], named}:
            if not self.knows(host):
                self._tell(host, request.remote)
                raise web.HTTPMisdirectedRequest(
                    text="This server does not answer to that name. Call it by its address, or have its operator list "
                    "the name under `http: hosts:` in voicebot.yaml.\n"
                )
        # Browsers open web sockets for any page. What may be posted each handler says, in its own words.
        if hdrs.UPGRADE in request.headers and hdrs.ORIGIN in request.headers and not same_origin(request):
            raise web.HTTPForbidden(text="Pages of other sites may not do this.\n")
        return await handler(request)

    def _tell(self, host: str, peer: str | None) -> None:
        shown = host[:100]
        if shown not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(shown)
            _log.warning(
                "a request for a host that is not ours; `http: hosts:` lists more", extra={"host": shown, "peer": peer}
            )


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_local(address: Address) -> bool:
    """Whether it is one of this machine's: only then can a socket be bound to it."""
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        # A link-local address needs its zone to be bound, which no Host header has to say.
        return False
    return True
