"""A call that rings here and has not been answered yet: ringing, early media, the answer, and the caller's CANCEL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sipmessage import URI

from ...call_policy import Terms
from ...clock import now_s
from ...leg import LegError
from ...media.engine import MediaEngine, MediaSession, PortsExhausted
from ...sdp.negotiation import Negotiation, SdpError
from ...sip.body import SDP_TYPE, sdp_of
from ...sip.dialog import Dialog
from ...sip.endpoint import RETRY_AFTER_S, Endpoint
from ...sip.message import REASONS, Request, SipError, respond
from ...sip.reason_header import Reason
from ...sip.reason_header import read as read_reasons
from ...sip.transaction import Transaction
from ...sip.trusted_headers import HeaderView, without_verstat
from ...trunk.model import Trunk
from ..capabilities import Headers, capabilities
from ..dialog.early import EarlyDialog
from ..dialog.reliable_provisional import EXTENSION, ReliableSender, has_tag
from ..dialog.sipleg import SipLeg

log = logging.getLogger(__name__)


class IncomingCallOwner(Protocol):
    """Whoever keeps account of a call until it is answered or refused: the agent."""

    def on_answered(self, incoming: IncomingCall, leg: SipLeg) -> None:
        """It is about to be answered."""

    def on_refused(self, incoming: IncomingCall, status: int) -> None:
        """It was refused, or the caller gave up."""

    def on_over(self, leg: SipLeg) -> None:
        """Nothing more can come for that leg."""

    def elsewhere(self, trunk: str, uri: URI) -> URI | None:
        """Where the leg's peer may be sent, see `SipLeg`."""


@dataclass(frozen=True, slots=True)
class IdentifiedCaller:
    """On what footing a request was let in."""

    trunk: Trunk | None = None
    terms: Terms = field(default_factory=Terms)
    user: str = ""
    """As whom the caller has proved himself by digest; empty when nobody asked."""


class IncomingCall:
    """An INVITE to be answered or refused, once. All its texts are the caller's: hostile.

    Args:
        endpoint: the SIP port.
        engine: opens the media.
        transaction: of the INVITE.
        dialog: what our responses make; its local tag goes into every one.
        caller: who may call, and on what terms.
        owner: is told which way it went.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        engine: MediaEngine,
        transaction: Transaction,
        dialog: Dialog,
        caller: IdentifiedCaller,
        owner: IncomingCallOwner,
    ) -> None:
        request = transaction.request
        loop = asyncio.get_running_loop()
        self.id = request.head.call_id
        self.trunk = caller.trunk
        self.terms = caller.terms
        self.user = caller.user
        """As whom the caller has proved himself; empty when nobody asked."""
        self.trusted = caller.trunk is not None and caller.trunk.trusted
        """Whether the peer is believed what it says of the caller. `headers` and `from_uri` lack it otherwise."""
        self.headers = HeaderView(request, trusted=self.trusted)
        """All values of each header."""
        self.from_uri = request.head.from_.uri if self.trusted else without_verstat(request.head.from_.uri)
        self.from_name = request.head.from_.name
        self.to_uri = request.head.to.uri
        self.request_uri = str(request.uri)
        """What was dialled, where To is what the caller wrote first."""
        self.cancelled: asyncio.Future[None] = loop.create_future()
        """Done when the caller gave up before an answer."""
        self.reasons: list[Reason] = []
        """Why he gave up, where his CANCEL says it (RFC 3326): answered elsewhere, for example."""
        self.transaction = transaction
        self.dialog = dialog
        self.decided = False
        self._endpoint = endpoint
        self._engine = engine
        self._owner = owner
        self._media: MediaSession | None = None
        self._negotiation: Negotiation | None = None
        self.early = EarlyDialog(endpoint, dialog, None, self._on_prack, self.cancel)
        """Takes the caller's requests until the call is decided."""
        self._early_body = b""
        self._said = False
        """A description of ours has gone out for certain; the 200 needs none."""
        self._reliable = ReliableSender()
        self._settled = asyncio.Event()
        self._settled.set()
        self._timer: asyncio.TimerHandle | None = None

    # ── before the answer ──

    def ring(self) -> None:
        """Send 180."""
        self._progress(180)

    async def early_media(self) -> MediaSession | None:
        """Send 183 with a session description and let audio pass both ways before the answer.

        Returns the session to play into and to listen to, which the leg takes over with `answer`; None when the caller
        left the offer to us and cannot take it reliably (100rel). Raises LegError: 487 the caller gave up, 488 or 400
        his offer cannot be used, 503 no media port is free (all sent already).
        """
        if self.decided:
            raise LegError(487, REASONS[487])
        offer = sdp_of(self.transaction.request)
        if self._early_body:
            return self._media
        if not offer and not self._caller_knows_100rel:
            self._progress(183)
            return None
        try:
            negotiation = self._open()
            self._early_body = negotiation.answer(offer) if offer else negotiation.offer()
        except SdpError as error:
            self.reject(error.status, REASONS[error.status], headers=error.headers)
            raise LegError(error.status, str(error)) from error
        self._progress(183, self._early_body)
        return self._media

    def _progress(self, status: int, body: bytes = b"") -> None:
        """Send a provisional response, reliably where the caller wants it or it matters (RFC 3262 section 3)."""
        if self.decided:
            return
        request = self.transaction.request
        dialog = self.dialog
        contact = self._endpoint.contact(dialog.hop, dialog.user, secure=dialog.secure)
        headers: Headers = [("Contact", contact), *capabilities()]
        headers += [("Record-Route", value) for value in request.headers.getlist("Record-Route")]
        if body:
            headers.append(("Content-Type", SDP_TYPE))
        response = respond(request, status, tag=dialog.local_tag, headers=headers, body=body)
        if self._wants_100rel or (body and self._caller_knows_100rel):
            now = self._reliable.push(response, now_s())
            self._said = self._said or bool(body)
            self._set_timer()
            if now is None:
                return
            response = now
        self._endpoint.respond(self.transaction, response)

    @property
    def _caller_knows_100rel(self) -> bool:
        headers = self.transaction.request.headers
        known = headers.getlist("Supported") + headers.getlist("Require")
        return self.terms.reliable != "off" and has_tag(list(known), EXTENSION)

    @property
    def _wants_100rel(self) -> bool:
        """Every provisional response has to be reliable."""
        demanded = has_tag(list(self.transaction.request.headers.getlist("Require")), EXTENSION)
        return demanded or self.terms.reliable == "required"

    def _open(self) -> Negotiation:
        """The media, opened on first use. Raises LegError when there is no port (503 has been sent)."""
        if self._negotiation is None:
            try:
                self._media = self._engine.open()
            except PortsExhausted as error:
                self.reject(503, error.reason, retry_after_s=RETRY_AFTER_S)
                raise LegError(503, error.reason) from None
            hop = self.dialog.hop
            self._negotiation = Negotiation(self._media, self._endpoint.local_host(hop), self.terms, hop.host)
            self.early.negotiation = self._negotiation
        return self._negotiation

    def _on_prack(self, prack: Request) -> bool:
        meant, following = self._reliable.acknowledge(prack, self.transaction.request.head.seq, now_s())
        if following is not None:
            self._endpoint.respond(self.transaction, following)
        self._set_timer()
        return meant

    def _set_timer(self) -> None:
        """Set the timer of the response that waits for its PRACK."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._reliable.due_s
        if due_s is not None:
            self._settled.clear()
            self._timer = asyncio.get_running_loop().call_at(due_s, self._repeat)
        else:
            self._settled.set()

    def _repeat(self) -> None:
        response = self._reliable.poll(now_s())
        if response is not None:
            self._endpoint.respond(self.transaction, response)
        if self._reliable.expired:
            self.reject(504)
        self._set_timer()

    # ── the decision ──

    async def answer(self, headers: Sequence[tuple[str, str]] = ()) -> SipLeg:
        """Send 200; the caller's ACK is awaited in the background.

        Waits only where a reliable response still has to be acknowledged (RFC 3262 section 3). Raises LegError: 487 the
        caller gave up, 488 or 400 no usable offer, 503 no media port free, 504 no PRACK came (all sent already).
        """
        await self._settled.wait()
        if self.decided:
            raise LegError(487, REASONS[487])
        request = self.transaction.request
        negotiation = self._open()
        body = b"" if self._said else self._early_body or None
        owner, peer = self._owner, self.from_uri
        leg = SipLeg(self._endpoint, self.dialog, negotiation, self.terms, peer, owner.on_over, owner.elsewhere)
        self._stop_repeating()
        self._owner.on_answered(self, leg)
        try:
            leg.answer(self.transaction, request, body, headers)
        except (SdpError, SipError) as error:
            leg.drop()
            status = error.status
            self.reject(status, REASONS.get(status, ""), headers=error.headers)
            raise LegError(status, str(error)) from error
        self.decided = True
        return leg

    def reject(
        self,
        status: int,
        reason: str = "",
        retry_after_s: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Send a final refusal, 300 to 699. Does nothing when the call was decided before."""
        if not 300 <= status <= 699:
            raise ValueError(f"{status} does not refuse a call")
        if self.decided:
            return
        self.decided = True
        more = [*headers] if retry_after_s is None else [*headers, ("Retry-After", str(retry_after_s))]
        request = self.transaction.request
        self._endpoint.respond(
            self.transaction, respond(request, status, reason, tag=self.dialog.local_tag, headers=more)
        )
        self._stop_repeating()
        if self._media is not None:
            self._media.close()
        self._owner.on_refused(self, status)

    def redirect(self, uris: Sequence[str]) -> None:
        """Send the caller elsewhere: 302 with these URIs, the preferred first. Raises ValueError without any."""
        if not uris:
            raise ValueError("nowhere to redirect to")
        step = 1 / len(uris)
        contacts = [f"<{uri}>;q={1 - number * step:.2f}" for number, uri in enumerate(uris)]
        self.reject(302, headers=[("Contact", contact) for contact in contacts])

    def cancel(self, request: Request | None = None) -> None:
        """The caller gave up: 487. `request` is his CANCEL or BYE."""
        if not self.decided:
            if request is not None:
                self.reasons = read_reasons(list(request.headers.getlist("Reason")))
            self.reject(487)
            self.cancelled.set_result(None)

    def _stop_repeating(self) -> None:
        self._reliable.stop()
        self._set_timer()
