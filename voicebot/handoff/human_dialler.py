"""The second leg: an outbound call to a configured target, or the reason why nobody came to the phone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from telephony.leg import Leg, LegError
from voicebot import log
from voicebot.config import HandoverSettings
from voicebot.errors import VoicebotError

Why = Literal["busy", "no-answer", "declined", "unreachable"]
Dial = Callable[[str, float], Awaitable[Leg]]
"""Places a call: SIP URI and seconds that it may ring. Raises LegError."""

AGAIN_S = 5.0
"""A queued caller's target is called again after this long."""

_log = log.get(__name__)
_BUSY = {486, 600}
_DECLINED = {603}
_NO_ANSWER = {408, 480, 487}


class NotReached(VoicebotError):
    """No human answered; `why` is what the caller can be told about it."""

    def __init__(self, why: Why, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.why: Why = why
        self.status = status


def why_of(status: int) -> Why:
    """What a final SIP status means to the caller who waits (RFC 3261 section 21)."""
    if status in _BUSY:
        return "busy"
    if status in _DECLINED:
        return "declined"
    return "no-answer" if status in _NO_ANSWER else "unreachable"


class HumanDialler:
    """Knows the targets and places calls to them; nothing else can be dialled.

    Args:
        config: targets by name and how long each may ring.
        dial: places the outbound call.
    """

    def __init__(self, config: HandoverSettings, dial: Dial) -> None:
        self._config = config
        self._dial = dial

    def targets(self) -> frozenset[str]:
        """Names that a flow may hand over to."""
        return frozenset(self._config.targets)

    async def reach(self, target: str, queue: bool = False) -> Leg:
        """Ring a target until a human answers.

        Args:
            target: a name from the configuration. A name that is not there is never dialled.
            queue: call again while it is busy or does not answer, for `HandoverSettings.queue_s` in all.

        Returns:
            The answered leg.

        Raises:
            NotReached: busy, no answer within `HandoverSettings.ring_s`, or no way to get there.
        """
        uri = self._config.targets.get(target)
        if uri is None:
            _log.error("handover target is not configured", extra={"target": target})
            raise NotReached("unreachable", 404, f"no target {target!r} in the configuration")
        loop = asyncio.get_running_loop()
        until_s = loop.time() + (self._config.queue_s if queue else 0.0)
        while True:
            try:
                return await self._dial(uri, self._config.ring_s)
            except LegError as error:
                _log.warning("handover not reached", extra={"target": target, "status": error.status})
                why = why_of(error.status)
                if why == "unreachable" or loop.time() + AGAIN_S > until_s:
                    raise NotReached(why, error.status, error.reason) from error
            await asyncio.sleep(AGAIN_S)
