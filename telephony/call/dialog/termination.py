"""The end of a leg: told once to whoever waits for it, and in our BYE to the peer (RFC 3326)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ...leg import EndCause
from ...sip.reason_header import Reason

NORMAL = Reason("Q.850", 16, "Normal call clearing")
REPLACED = Reason("SIP", 200, "Replaced")


@dataclass(frozen=True, slots=True)
class EndReason:
    """Why a leg is over."""

    cause: EndCause
    text: str
    """What `Leg.closed` gives, for people."""
    header: Reason = NORMAL
    """What our BYE says to the peer."""


CALLER = EndReason("caller", "caller")
LOCAL = EndReason("local", "local")
NO_MEDIA = EndReason("no-media", "no-media", Reason("Q.850", 102, "No media"))
TRANSFERRED = EndReason("transferred", "transferred", Reason("SIP", 200, "Transferred"))
EXPIRED = EndReason("failed", "failed: session expired", Reason("SIP", 408, "Session expired"))


def failed(words: str) -> EndReason:
    """The call could not go on; the peer is told why in the same words."""
    return EndReason("failed", f"failed: {words}", Reason("SIP", 500, words))


def ended_here(text: str) -> EndReason:
    """The application has hung up, and says why in its own words."""
    return EndReason("local", text)


class Termination:
    """That a leg is over, and why."""

    def __init__(self) -> None:
        self.reason: EndReason | None = None
        """None while the leg lives."""
        self._callbacks: list[Callable[[EndReason], None]] = []
        self._future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def future(self) -> asyncio.Future[str]:
        """Gets the reason's text; a new one when somebody's time limit has cancelled the last."""
        if self._future.cancelled():
            self._future = asyncio.get_running_loop().create_future()
            if self.reason is not None:
                self._future.set_result(self.reason.text)
        return self._future

    def add(self, callback: Callable[[EndReason], None]) -> None:
        """Have it called with the reason, at once or when the time comes."""
        if self.reason is not None:
            callback(self.reason)
        else:
            self._callbacks.append(callback)

    def tell(self, reason: EndReason) -> None:
        """It is over. Does nothing the second time."""
        if self.reason is not None:
            return
        self.reason = reason
        if not self.future.done():
            self.future.set_result(reason.text)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(reason)
