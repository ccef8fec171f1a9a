"""An answered SIP call as a `telephony.leg.Leg`: its dialog, its media, and what either side does to it.

What happens inside the dialog is done by the parts of an `InviteUsage`: `requests` sends and answers requests,
`offer_answer` does re-INVITE and UPDATE, `session_timer` knows when to refresh, `dtmf_info` presses keys, `refer_out`
and `refer_in` send somebody elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, cast

from sipmessage import URI

from ...call_policy import Terms
from ...clock import now_s
from ...leg import Leg, LegError
from ...media.rtp_capture import captured_packets
from ...media.session import MediaSession
from ...sdp.negotiation import Negotiation, SdpError
from ...sip.body import sdp_of
from ...sip.dialog import Dialog, key_of
from ...sip.digest import DigestClient
from ...sip.endpoint import Endpoint
from ...sip.grammar import is_token
from ...sip.hop import Hop
from ...sip.message import Request, Response, SipError
from ...sip.transaction import Transaction
from ...sip_trace import TraceEntry
from .closing_leg import ClosingLeg
from .offer_answer import Method
from .refer_in import OnRefer
from .refer_out import NOTIFY_PATIENCE_S, OnProgress, TransferResult, destination
from .requests import DialogRequests
from .session_timer import SessionTimer
from .termination import NO_MEDIA, REPLACED, TRANSFERRED, failed
from .usage import InviteUsage

_OWN_METHODS = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "PRACK"})

log = logging.getLogger(__name__)

TransferTarget = Callable[[str, URI], URI | None]
"""Where the peer on the trunk of that name ("" for none) may be sent, see `Trunks.elsewhere`."""


class SipLeg(ClosingLeg):
    """See `telephony.leg.Leg`. Made by the agent, for calls either way.

    Args:
        endpoint: the SIP port.
        dialog: already made.
        negotiation: the dialog's media; the leg closes its session.
        terms: of the call.
        peer: for people.
        on_over: called when nothing more can come for this dialog.
        elsewhere: says where the peer may be sent with `transfer`.
        called: what our INVITE called; None: the peer called us.
        login: answers challenges to our requests.
        timer: the session timer that our INVITE asked for; a new one otherwise.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        negotiation: Negotiation,
        terms: Terms,
        peer: str,
        on_over: Callable[[SipLeg], None],
        elsewhere: TransferTarget,
        *,
        called: URI | None = None,
        login: DigestClient | None = None,
        timer: SessionTimer | None = None,
    ) -> None:
        super().__init__(cast("MediaSession", negotiation.media), dialog.call_id, endpoint, lambda: on_over(self))
        self.peer = peer
        self.terms = terms
        self.called = called
        self._elsewhere = elsewhere
        self.on_refer: OnRefer | None = None
        """Asked when the peer sends us elsewhere, where the terms allow that; None refuses."""
        self._ack: tuple[DialogRequests, Request] | None = None
        self._enter(dialog, negotiation, login, timer or SessionTimer(terms.timer))
        self.media.on_timeout = self._on_no_media

    def _enter(self, dialog: Dialog, negotiation: Negotiation, login: DigestClient | None, timer: SessionTimer) -> None:
        """Take up a dialog, the first one or a later one."""
        self.dialog = dialog
        self.negotiation = negotiation
        self.timer = timer
        self._usage = InviteUsage(self.endpoint, dialog, negotiation, timer, login, self, self.media.send_dtmf)

    def _on_no_media(self) -> None:
        why, source = self.media.refused_security, self.media.refused_source
        if source is not None:
            log.warning(
                "RTP came from another host than was agreed, and was not believed",
                extra={
                    "sip_call_id": self.id,
                    "source": f"{source[0]}:{source[1]}",
                    "remedy": "if it was the caller, say `symmetric: true` in the file of its trunk",
                },
            )
        self.end(failed(f"no SRTP ({why})") if why else NO_MEDIA)

    # ── Leg ──

    def send_dtmf(self, keys: str) -> None:
        """Press keys, as the terms say. Raises ValueError for characters that are none."""
        if self.terms.keys != "info":
            self.media.send_dtmf(keys)
        elif not self._ended:
            self._usage.keys.press(keys)

    async def connect_to(self, other: Leg) -> bool:
        """See `Leg`: by REFER with Replaces, between two SIP legs."""
        if not isinstance(other, SipLeg):
            return False
        try:
            await self.transfer(replaces=other)
        except ValueError as error:  # what the other peer calls itself
            raise LegError(416, str(error)) from error
        return True

    def captured(self) -> list[TraceEntry] | None:
        """See `Leg`."""
        if self.media.capture is None:
            return None
        return captured_packets(self.media, self.endpoint.local_host(self.dialog.hop))

    # ── what SIP can do beyond that ──

    @property
    def state(self) -> Literal["answered", "confirmed", "closed"]:
        """``answered`` until the ACK."""
        return "closed" if self._ended else "confirmed" if self._usage.offers.confirmed else "answered"

    @property
    def held(self) -> bool:
        """The peer does not want to hear us now."""
        return self.negotiation.held

    @property
    def holding(self) -> bool:
        """We do not want to hear the peer now."""
        return self.negotiation.holding

    async def hold(self, *, silent: bool = False, method: Method = "INVITE") -> None:
        """Put the peer on hold: it hears what we play (``sendonly``), or nothing when `silent` (``inactive``).

        What the peer holds at the same time does not matter (RFC 6337 section 5.3): each side says what it wants.
        UPDATE is quicker, for peers that know it; a human there cannot be asked (RFC 3311 section 5.1).
        Raises LegError when the peer refuses; the call goes on as it was.
        """
        await self._usage.offers.change("inactive" if silent else "sendonly", method)

    async def resume(self, *, method: Method = "INVITE") -> None:
        """Talk again; the peer may still hold us. Raises LegError as `hold` does."""
        if self.holding:
            await self._usage.offers.change("sendrecv", method)

    async def refresh(self) -> None:
        """Say that the call is still on (UPDATE, or re-INVITE that changes nothing). Raises LegError."""
        await self._usage.offers.refresh()

    async def request(
        self,
        method: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str = "application/octet-stream",
    ) -> Response:
        """Send any request inside the dialog and wait for its final response, whatever that says.

        Raises LegError: 408 no answer (the call ends), 503 unreachable, 481 the call is over; ValueError for the
        methods that the leg sends by itself.
        """
        if method in _OWN_METHODS or not is_token(method):
            raise ValueError(f"{method} cannot be sent this way")
        return await self._usage.requests.request(method, headers, body, content_type)

    async def transfer(
        self,
        uri: str = "",
        replaces: SipLeg | None = None,
        *,
        on_progress: OnProgress | None = None,
        subscribe: bool = True,
        patience_s: float = NOTIFY_PATIENCE_S,
    ) -> TransferResult:
        """Have the peer call somebody else (REFER), and leave the call when it has.

        `replaces` is our leg with the target, for an attended transfer; `uri` may be left out then: the target's
        Contact is meant, or, where the peer may not be sent to that, what we called it by. The rest is as in
        `ReferSender.refer`.

        A peer on a trunk is sent only where that trunk may be used to call: LegError 403 otherwise, and nothing is
        sent. A peer without a trunk is sent wherever the caller of this method says; a URI that somebody else had a
        hand in is his to check. Raises LegError when the transfer did not work: the call goes on; ValueError for a URI
        that cannot be called.
        """
        other = None if replaces is None else replaces.dialog
        candidates = [uri]
        if not uri and replaces is not None:
            called = [] if replaces.called is None else [str(replaces.called)]
            candidates = [str(replaces.dialog.target), *called]
        target = destination(candidates, lambda to: self._elsewhere(self.terms.trunk, to))
        with self.silence_excused():
            result = await self._usage.transfers.refer(
                target, other, on_progress=on_progress, subscribe=subscribe, patience_s=patience_s
            )
        await self._hang_up(TRANSFERRED)
        return result

    # ── called by the agent ──

    def answer(
        self,
        transaction: Transaction,
        request: Request,
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer the INVITE that made this dialog with 200, see `OfferAnswer.answer`. Raises SdpError."""
        self._usage.offers.answer(transaction, request, body, headers)

    def answered(self, response: Response, invite: Request | None = None) -> None:
        """The peer took our INVITE: acknowledge (with the INVITE's credentials), and talk on the terms of its answer.

        An offer in the response (to an INVITE without one) is answered in the ACK. Raises SdpError when the body
        cannot be used: the ACK has gone, and the call ends.
        """
        negotiation = self.negotiation
        body, problem = b"", None
        try:
            if negotiation.offering:
                negotiation.accept(sdp_of(response))
            elif negotiation.agreed is None:
                body = negotiation.answer(sdp_of(response))
        except SdpError as error:
            problem = error
        self._confirm(response, invite, body)
        if problem is not None:
            self.end(failed(str(problem)))
            raise problem

    def acknowledge(self) -> None:
        """The 2xx to our INVITE came again: so does the ACK (RFC 3261 section 13.2.2.4)."""
        if self._ack is not None:
            requests, ack = self._ack
            requests.ack_again(ack)

    def _confirm(self, response: Response, invite: Request | None, body: bytes = b"") -> None:
        self._ack = self._usage.requests, self._usage.requests.ack(response.head.seq, body, invite)
        self._usage.offers.confirmed = True
        self.timer.answered(response, now_s())
        self._usage.refresher.set()

    def adopt(
        self,
        transaction: Transaction,
        request: Request,
        dialog: Dialog,
        negotiation: Negotiation,
        *,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Go on with another party, whose INVITE replaces this dialog (RFC 3891): same leg, same media session.

        `negotiation` is new and has this leg's session. The INVITE is answered with 200 and the old dialog gets BYE.
        Raises SdpError when the offer cannot be answered, LegError 481 when the call is over; all is as it was then.
        """
        if self._ended:
            raise LegError(481, "The Call Is Over")
        offer = sdp_of(request)
        body = negotiation.answer(offer) if offer else None
        left = self._usage.requests
        self._usage.leave()
        self.terms = negotiation.terms
        self._enter(dialog, negotiation, None, SessionTimer(self.terms.timer))
        self._usage.offers.answer(transaction, request, body, headers)
        self.peer = request.head.from_.uri
        left.send("BYE", _ignore, [("Reason", str(REPLACED))])

    def on_ack(self, request: Request) -> None:
        """The ACK to a 2xx of ours."""
        waited = self._usage.offers.unacknowledged
        if key_of(request) == self.dialog.key:
            self._usage.offers.on_ack(request)
        if waited and self._ended and not self._usage.offers.unacknowledged:
            self._send_bye()

    def on_request(self, transaction: Transaction, request: Request, source: Hop) -> None:
        """A request inside this dialog, or inside one that `adopt` has left."""
        if key_of(request) != self.dialog.key:
            self._usage.requests.reply(transaction, 200 if request.method == "BYE" else 481)
            return
        try:
            self._usage.admit(request, source, ended=self._ended)
            if request.method == "BYE":
                self._on_bye(transaction, request)
            else:
                self._usage.do(transaction, request, source)
        except SipError as error:
            self._usage.requests.reply(transaction, error.status, error.reason, error.headers)


def _ignore(event: Response | int) -> None:
    """Nothing hangs on the answer."""
