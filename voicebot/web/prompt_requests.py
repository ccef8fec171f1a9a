"""Requests have to come in promptly: whoever drips a header in, byte by byte, is cut off (aiohttp waits for ever)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web

HEAD_S = 4.5
"""From the first byte of a request to the end of its header."""


def make_room(connections: Iterable[object]) -> None:
    """Close what is idle of a server's connections: whoever asks next gets an answer, however many only connect."""
    for one in connections:
        if isinstance(one, PromptRequests) and one.idle:
            one.force_close()


class PromptRequests(web.RequestHandler):
    """The protocol of one connection, with a limit to how long a header may take."""

    __slots__ = ("_too_late",)

    _too_late: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._too_late = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        seen = self._request_count
        super().data_received(data)
        # Without a request in hand, and without one that is whole now, these bytes are a part of a header.
        if self._request_count > seen or self._current_request is not None or self._messages:
            self._whole()
        elif self._too_late is None and self._loop.is_running():
            self._too_late = self._loop.call_later(HEAD_S, self.force_close)

    @property
    def idle(self) -> bool:
        """No request is being answered, and none waits."""
        return self._current_request is None and not self._messages

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        self._whole()
        super().connection_lost(exc)

    def _whole(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
