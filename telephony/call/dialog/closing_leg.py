"""The part of a leg that is its end: BYE either way, and who is told when nothing more can come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from ...media.session import MediaSession
from ...sip.endpoint import Endpoint
from ...sip.message import Request, Response
from ...sip.reason_header import Reason
from ...sip.reason_header import read as read_reasons
from ...sip.transaction import Transaction
from .media_leg import MediaLeg
from .termination import CALLER, LOCAL, TRANSFERRED, EndReason, Termination, ended_here
from .usage import InviteUsage

BYE_PATIENCE_S = 2.0
"""How long `hang_up` waits for the peer to confirm; the BYE is retransmitted longer than that by itself."""
MAX_REASONS = 4

log = logging.getLogger(__name__)


class ClosingLeg(MediaLeg):
    """See `telephony.leg.Leg`.

    Args:
        media: an open session.
        leg_id: for logs.
        endpoint: the SIP port.
        on_over: called when nothing more can come for this dialog.
    """

    _usage: InviteUsage
    """Of the dialog that the leg is in now."""

    def __init__(self, media: MediaSession, leg_id: str, endpoint: Endpoint, on_over: Callable[[], None]) -> None:
        super().__init__(media, leg_id, endpoint)
        self.ended_by = ""
        """When closed: why, in words, with what the peer's BYE said (``caller: Q.850 16 Normal call clearing``)."""
        self.reasons: list[Reason] = []
        """Those of the peer's BYE (RFC 3326); its words are hostile text."""
        self._ending = Termination()
        self._told = asyncio.get_running_loop().create_future()
        self._over = False
        self._on_over = on_over

    @property
    def closed(self) -> asyncio.Future[str]:
        """See `Leg`."""
        return self._ending.future

    def when_closed(self, callback: Callable[[EndReason], None]) -> None:
        """Have it called with the reason when the leg is closed; unlike `closed`, nobody can cancel that."""
        self._ending.add(callback)

    @property
    def _ended(self) -> bool:
        return self._ending.reason is not None

    async def hang_up(self, reason: str = "local") -> None:
        """Send BYE; returns when the peer has confirmed it, or after `BYE_PATIENCE_S`."""
        await self._hang_up(ended_here(reason))

    async def _hang_up(self, reason: EndReason) -> None:
        self.end(reason)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._told), BYE_PATIENCE_S)

    def end(self, reason: EndReason = LOCAL) -> None:
        """End the call from our side; the BYE waits for the ACK of the first 2xx (RFC 3261 section 15)."""
        if self._ended:
            return
        self._finish(reason)
        if self._usage.offers.confirmed:
            self._usage.offers.stop()
        if not self._usage.offers.unacknowledged:
            self._send_bye()

    def drop(self) -> None:
        """Stop all timers; the endpoint is closing."""
        self._finish(LOCAL)
        self._usage.offers.stop()
        self._done()

    def fail(self, reason: EndReason) -> None:
        """A 2xx was never acknowledged, or its ACK brought no usable answer."""
        if not self._ended:
            self.end(reason)
        elif not self._usage.offers.unacknowledged:
            self._send_bye()

    def _on_bye(self, transaction: Transaction, request: Request) -> None:
        self._usage.requests.reply(transaction, 200)
        self.reasons = self.reasons or read_reasons(request.headers.getlist("Reason"))[:MAX_REASONS]
        self._finish(TRANSFERRED if self._usage.transfers.accepted else CALLER)
        self._usage.offers.stop()
        self._done()

    def _finish(self, reason: EndReason) -> None:
        if self._ended:
            return
        words = ", ".join(one.words for one in self.reasons)
        self.ended_by = f"{reason.text}: {words}" if words else reason.text
        self.media.close()
        self._usage.leave(ended=True)
        log.info("leg closed", extra={"sip_call_id": self.id, "why": self.ended_by})
        self._ending.tell(reason)

    def _send_bye(self) -> None:
        reason = self._ending.reason or LOCAL
        self._usage.requests.send("BYE", self._on_bye_answered, [("Reason", str(reason.header))])

    def _on_bye_answered(self, event: Response | int) -> None:
        if isinstance(event, int) or event.code >= 200:
            self._done()

    def _done(self) -> None:
        if not self._told.done():
            self._told.set_result(None)
        if not self._over:
            self._over = True
            self._on_over()
