"""Keeps a session alive, or ends it: a session timer on the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from ...leg import LegError
from .session_timer import SessionTimer

log = logging.getLogger(__name__)


class SessionRefresher:
    """Of one dialog.

    Args:
        timer: says what is due when.
        refresh: sends UPDATE or re-INVITE; raises LegError.
        on_expired: called when the peer has not refreshed in time, or could not be refreshed.
        call_id: of the dialog, for logs.
    """

    def __init__(
        self,
        timer: SessionTimer,
        refresh: Callable[[], Awaitable[None]],
        on_expired: Callable[[], None],
        call_id: str = "",
    ) -> None:
        self._call_id = call_id
        self._timer = timer
        self._refresh = refresh
        self._on_expired = on_expired
        self._alarm: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def set(self) -> None:
        """The timer was settled anew."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._timer.due()
        if due is not None and not self._stopped:
            self._alarm = asyncio.get_running_loop().call_at(due[0], self._wake, due[1])

    def stop(self) -> None:
        """The dialog is over."""
        self._stopped = True
        self.set()
        if self._task is not None:
            self._task.cancel()

    def _wake(self, what: Literal["refresh", "expire"]) -> None:
        if what == "expire":
            self._on_expired()
            return
        loop = asyncio.get_running_loop()
        self._timer.refreshing(loop.time())
        self.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._refresh()
        except LegError as error:  # the next try, or the end, is set already
            log.warning("the session could not be refreshed", extra={"sip_call_id": self._call_id, "why": str(error)})
