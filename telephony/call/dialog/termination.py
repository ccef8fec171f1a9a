"""The end of a leg: told once to whoever waits for it, and in our BYE to the peer (RFC 3326)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...sip.reason_header import Reason

EXPIRED = "failed: session expired"
NORMAL = Reason("Q.850", 16, "Normal call clearing")
REPLACED = Reason("SIP", 200, "Replaced")
_KNOWN = {
    "no-media": Reason("Q.850", 102, "No media"),
    EXPIRED: Reason("SIP", 408, "Session expired"),
    "transferred": Reason("SIP", 200, "Transferred"),
}


def reason_of(why: str) -> Reason:
    """The Reason for what `Leg.closed` says; a failure without a number of its own says its words."""
    if why in _KNOWN:
        return _KNOWN[why]
    if why.startswith("failed: "):
        return Reason("SIP", 500, why.removeprefix("failed: "))
    return NORMAL


class Termination:
    """That a leg is over, and why."""

    def __init__(self) -> None:
        self.why = ""
        """Empty while the leg lives."""
        self._callbacks: list[Callable[[str], None]] = []
        self._future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def future(self) -> asyncio.Future[str]:
        """Gets the reason; a new one when somebody's time limit has cancelled the last."""
        if self._future.cancelled():
            self._future = asyncio.get_running_loop().create_future()
            if self.why:
                self._future.set_result(self.why)
        return self._future

    def add(self, callback: Callable[[str], None]) -> None:
        """Have it called with the reason, at once or when the time comes."""
        if self.why:
            callback(self.why)
        else:
            self._callbacks.append(callback)

    def tell(self, why: str) -> None:
        """It is over. Does nothing the second time."""
        if self.why:
            return
        self.why = why
        if not self.future.done():
            self.future.set_result(why)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(why)
