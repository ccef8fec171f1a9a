"""Which address of ours a peer sees before there is a connection: one we listen on, or what the routing table says."""

from __future__ import annotations

import socket
import time
from collections import OrderedDict

from .listen_sockets import family_of, is_any

KNOWN_S = 10.0
"""How long an answer of the routing table is believed."""
MAX_KNOWN = 1024
_DISCARD_PORT = 9


class OwnAddresses:
    """Of the hosts that we listen on."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self._hosts = hosts
        self._routed: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def towards(self, host: str) -> str:
        """Our address on the way to that literal. One of ours that does not lead there when none does."""
        hosts = [own for own in self._hosts if family_of(own) == family_of(host)]
        if len(hosts) == 1 and not is_any(hosts[0]):
            return hosts[0]
        routed = self._ask(host)
        if routed and (routed in hosts or any(map(is_any, hosts))):
            return routed
        return (hosts or self._hosts)[0]

    def _ask(self, host: str) -> str:
        """Which address the system would use; empty when it knows no way."""
        now_s = time.monotonic()
        known = self._routed.get(host)
        if known is not None and known[0] > now_s:
            return known[1]
        with socket.socket(family_of(host), socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((host, _DISCARD_PORT))  # sends nothing
                found = str(probe.getsockname()[0])
            except OSError:
                found = ""
        self._routed[host] = (now_s + KNOWN_S, found)
        self._routed.move_to_end(host)
        if len(self._routed) > MAX_KNOWN:
            self._routed.popitem(last=False)
        return found
