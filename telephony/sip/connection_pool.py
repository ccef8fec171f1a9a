"""The connections of one endpoint: found by number and by route, counted by source, and room made for new ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from .connection import SipConnection
from .hop import Hop, Route

MAX_CONNECTIONS = 1024
"""Above it the connection that was quiet for longest is closed, one that never brought a message first."""
MAX_PER_SOURCE = 512
"""Of them from one address: above it this source's own quietest is closed."""
MAX_HANDSHAKES = 128
"""TLS handshakes of callers at one time; above it the oldest of the source that has most of them is cut off."""
CLOSING_S = 1.0


class ConnectionPool:
    """Those that can be used, and those whose TLS handshake is not through."""

    def __init__(self) -> None:
        self.up: dict[int, SipConnection] = {}
        """By number."""
        self.shaking: dict[SipConnection, None] = {}
        """In the order in which they began."""
        self._by_route: dict[Route, int] = {}
        self._sources: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()

    def __iter__(self) -> Iterator[SipConnection]:
        return iter([*self.up.values(), *self.shaking])

    def find(self, hop: Hop) -> SipConnection | None:
        """The connection that a message to `hop` takes: its own, or another one of its route."""
        own = self.up.get(hop.connection)
        if own is None or own.protocol != hop.protocol or own.closing:
            own = self.up.get(self._by_route.get(hop.route, 0))
        return own if own is not None and not own.closing else None

    def shake(self, connection: SipConnection) -> None:
        """Its TLS handshake begins."""
        self._empty.clear()
        self.shaking[connection] = None
        callers = [one for one in self.shaking if one.asked is None]
        if len(callers) > MAX_HANDSHAKES:
            busiest, _ = Counter(one.peer[0] for one in callers).most_common(1)[0]
            oldest = next(one for one in callers if one.peer[0] == busiest)
            del self.shaking[oldest]
            oldest.abort("too many TLS handshakes at one time")

    def add(self, connection: SipConnection, number: int) -> Hop:
        """A connection can be used. Returns the hop of its messages."""
        self.shaking.pop(connection, None)
        if connection.asked is not None:
            hop = replace(connection.asked, connection=number)
        else:
            hop = Hop("tls" if connection.tls_stream is not None else "tcp", *connection.peer, number)
        self.up[number] = connection
        self._empty.clear()
        self._sources[hop.host] += 1
        if connection.asked is not None or connection.tls_stream is None:  # whoever calls by TLS may be anybody
            self._by_route[hop.route] = number
        self._make_room(connection, hop.host)
        return hop

    def _make_room(self, newcomer: SipConnection, host: str) -> None:
        if self._sources[host] > MAX_PER_SOURCE:
            others = [c for c in self.up.values() if c is not newcomer and c.hop and c.hop.host == host]
        elif len(self.up) > MAX_CONNECTIONS:
            others = [c for c in self.up.values() if c is not newcomer]
        else:
            return
        min(others, key=lambda c: (c.useful, c.last_s)).abort()

    def remove(self, connection: SipConnection) -> bool:
        """It is gone. Returns whether it could be used before."""
        self.shaking.pop(connection, None)
        hop = connection.hop
        was_up = hop is not None and self.up.pop(hop.connection, None) is not None
        if hop is not None and was_up:
            self._sources[hop.host] -= 1
            if not self._sources[hop.host]:
                del self._sources[hop.host]
            if self._by_route.get(hop.route) == hop.connection:
                del self._by_route[hop.route]
        if not self.up and not self.shaking:
            self._empty.set()
        return was_up

    def sweep(self, now_s: float) -> None:
        """Close those whose time is up."""
        for connection in self:
            why = connection.overdue(now_s)
            if why:
                connection.abort(why)

    async def close(self) -> None:
        """Close all; returns when they are gone, or after `CLOSING_S`."""
        everyone = list(self)
        for connection in everyone:
            connection.close()
        await asyncio.sleep(0)  # what was written goes out in the next round of the loop
        for connection in everyone:
            connection.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await self._empty.wait()
        await asyncio.sleep(0)  # and the sockets of the last ones
