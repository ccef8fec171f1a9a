"""How many lines one address may hold or ask for, so that nobody can take them all. No I/O, no clock of its own."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from aiohttp import web

from telephony.sip.flood_guard import Key, source_key

MAX_UNCONNECTED = 4
"""Lines of one address that have no connection yet."""
OFFERS_PER_S = 1.0
"""Of one address, in the long run: each costs a certificate and a few sockets."""
OFFERS_BURST = 12
MAX_ADDRESSES = 4096
"""Addresses remembered at one time."""


class Caller:
    """What is known of one address."""

    __slots__ = ("at_s", "lines", "tokens", "unconnected")

    def __init__(self, now_s: float) -> None:
        self.at_s = now_s
        self.tokens = float(OFFERS_BURST)
        self.lines = 0
        self.unconnected = 0

    def connected(self) -> None:
        """One of its lines is connected now."""
        self.unconnected -= 1

    def release(self, *, connected: bool) -> None:
        """One of its lines is free again."""
        self.lines -= 1
        self.unconnected -= not connected


class OfferLimit:
    """Of one server. `max_lines`: that all of its callers may have together."""

    def __init__(self, max_lines: int) -> None:
        self._share = max(1, max_lines // 2)
        self._callers: OrderedDict[Key, Caller] = OrderedDict()

    def admit(self, address: str, now_s: float) -> Caller | None:
        """A line that is not connected yet for that address; None: it has or asked for too many."""
        key = source_key(address)
        caller = self._callers.get(key)
        if caller is None:
            caller = self._callers[key] = Caller(now_s)
            self._forget()
        self._callers.move_to_end(key)
        caller.tokens = min(OFFERS_BURST, caller.tokens + (now_s - caller.at_s) * OFFERS_PER_S)
        caller.at_s = now_s
        if caller.tokens < 1 or caller.lines >= self._share or caller.unconnected >= MAX_UNCONNECTED:
            return None
        caller.tokens -= 1
        caller.lines += 1
        caller.unconnected += 1
        return caller

    def _forget(self) -> None:
        """The address that was quiet for longest, of those without a line."""
        if len(self._callers) > MAX_ADDRESSES:
            quiet = next((key for key, caller in self._callers.items() if not caller.lines), None)
            if quiet is not None:
                del self._callers[quiet]


def address_of(request: web.Request) -> str:
    """Where a request comes from; behind a proxy on this machine, what that proxy saw.

    Of X-Forwarded-For only the last counts, which the proxy has written; what stands before it anybody can.
    """
    remote = request.remote or ""
    forwarded = request.headers.getall("X-Forwarded-For", [])
    if forwarded and _is_loopback(remote):
        last = forwarded[-1].rpartition(",")[2].strip().strip("[]")
        try:
            return str(ipaddress.ip_address(last))
        except ValueError:
            return remote
    return remote


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
