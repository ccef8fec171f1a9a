"""A call that rings here and has not been answered yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

from . import sdp
from .engine import MediaEngine, PortsExhausted
from .leg import LegError
from .negotiation import Negotiation
from .sip.dialog import Dialog
from .sip.endpoint import RETRY_AFTER_S, Endpoint
from .sip.message import REASONS, Request, respond
from .sip.transaction import Transaction
from .sipleg import SipLeg
from .terms import Terms

log = logging.getLogger(__name__)


class FirstValues(Mapping[str, str]):
    """Headers of a request: the first value of each name, in any case."""

    def __init__(self, request: Request) -> None:
        names = request.headers.keys()
        self._values = {name.lower(): request.headers[name] for name in names}
        self._names = {name.lower(): name for name in names}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._values)


class IncomingCall:
    """An INVITE to be answered or rejected, once. All its texts are the caller's: hostile.

    Args:
        endpoint: the SIP port.
        engine: opens the media.
        transaction: of the INVITE.
        dialog: what a 2xx will make; its local tag goes into every response.
        on_answered, on_refused: tell the agent which way it went.
        on_over: goes to the leg.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        engine: MediaEngine,
        transaction: Transaction,
        dialog: Dialog,
        on_answered: Callable[[IncomingCall, SipLeg], None],
        on_refused: Callable[[IncomingCall], None],
        on_over: Callable[[SipLeg], None],
    ) -> None:
        request = transaction.request
        self.id = request.head.call_id
        self.from_uri = request.head.from_.uri
        self.from_name = request.head.from_.name
        self.to_uri = request.head.to.uri
        self.headers: Mapping[str, str] = FirstValues(request)
        self.cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the caller gave up before an answer."""
        self.transaction = transaction
        self.dialog = dialog
        self.decided = False
        self._endpoint = endpoint
        self._engine = engine
        self._on_answered = on_answered
        self._on_refused = on_refused
        self._on_over = on_over

    def ring(self) -> None:
        """Send 180."""
        if not self.decided:
            headers = [("Contact", self._endpoint.contact(self.dialog.hop))]
            headers += [("Record-Route", value) for value in self.transaction.request.headers.getlist("Record-Route")]
            response = respond(self.transaction.request, 180, tag=self.dialog.local_tag, headers=headers)
            self._endpoint.respond(self.transaction, response)

    async def answer(self) -> SipLeg:
        """Send 200 and return at once; the caller's ACK is awaited in the background.

        Raises LegError: 487 the caller gave up, 488 or 400 no usable offer, 503 no media port free (all sent already).
        """
        if self.decided:
            raise LegError(487, "Request Terminated")
        try:
            media = self._engine.open()
        except PortsExhausted:
            self.reject(503, retry_after_s=RETRY_AFTER_S)
            raise LegError(503, "No Media Port Free") from None
        terms, hop = Terms(), self.dialog.hop
        negotiation = Negotiation(media, self._endpoint.local_host(hop), terms, hop.host)
        leg = SipLeg(self._endpoint, self.dialog, negotiation, terms, self.from_uri, self._on_over)
        self._on_answered(self, leg)
        try:
            leg.answer(self.transaction, self.transaction.request)
        except sdp.SdpError as error:
            leg.drop()
            self.reject(error.status, REASONS[error.status])
            raise LegError(error.status, str(error)) from error
        self.decided = True
        return leg

    def reject(self, status: int, reason: str = "", retry_after_s: int | None = None) -> None:
        """Send a final refusal, 300 to 699. Does nothing when the call was decided before."""
        if not 300 <= status <= 699:
            raise ValueError(f"{status} does not refuse a call")
        if self.decided:
            return
        self.decided = True
        headers = [] if retry_after_s is None else [("Retry-After", str(retry_after_s))]
        request = self.transaction.request
        self._endpoint.respond(
            self.transaction, respond(request, status, reason, tag=self.dialog.local_tag, headers=headers)
        )
        self._on_refused(self)

    def cancel(self) -> None:
        """The caller gave up: 487."""
        if not self.decided:
            self.reject(487)
            self.cancelled.set_result(None)
