"""One INVITE of ours to one hop: digest, CANCEL in every state, and the 2xx that may cross it or come from a fork.

RFC 3261 sections 9, 13.2 and 22. What happens before the answer is in `forking`, which hop comes next in `hunt`.
"""

from __future__ import annotations

import asyncio

from ...call_policy import Terms
from ...clock import now_s
from ...leg import LegError
from ...sdp.negotiation import Negotiation, SdpError
from ...sip.body import SDP_TYPE, sdp_of
from ...sip.dialog import Dialog, cancel_of
from ...sip.digest import DigestClient
from ...sip.hop import with_room
from ...sip.message import Request, Response, SipError, encode, new_branch, read_head
from ...sip.reason_header import Reason
from ...sip.transaction import Transaction
from ...sip.transaction_state_tables import TIMEOUT_S
from ...trunk.caller_id import OutgoingIdentity
from ...trunk.next_hops import NextHop
from ..capabilities import capabilities
from ..dialog.reliable_provisional import EXTENSION
from ..dialog.session_timer import SessionTimer
from ..dialog.sipleg import SipLeg
from .call_request import CallFailed, CallRequest
from .forking import MAX_BRANCHES, EarlyDialogs
from .unwanted_answer import UnwantedAnswer

MAX_TRIES = 6
"""INVITEs to one hop: challenges by server and proxy, a session interval, the change of transport."""
LAST_COPY_S = 4.0
"""An INVITE that nobody wants any more is repeated until so long after the first one. CANCEL has to wait for a response
(RFC 3261 section 9.1): a peer that rings, but whose response was lost, answers a copy with another. One that has heard
nothing so far shall not begin to ring when it wakes up half a minute later. What it says is waited for as ever."""
ELSEWHERE = Reason("SIP", 200, "Call completed elsewhere")


class InviteAttempt:
    """One INVITE to one hop, sent anew for challenges. `result` gets the leg, or a CallFailed.

    Args:
        call: what is wanted.
        next_hop: where it goes.
        identity: From and what else the trunk says.
        login: answers challenges.
    """

    def __init__(
        self, call: CallRequest, next_hop: NextHop, identity: OutgoingIdentity, login: DigestClient | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.result: asyncio.Future[SipLeg] = loop.create_future()
        self.heard: asyncio.Future[None] = loop.create_future()
        """Done with the first response."""
        self.alerted = False
        """A called party was reached: another hop would only ring it twice."""
        self._call = call
        self._next_hop = next_hop
        self._hop = next_hop.hop
        self._identity = identity
        self._login = login
        self._negotiation = Negotiation(
            call.media, call.endpoint.local_host(next_hop.hop), call.terms, source_host=next_hop.hop.host
        )
        self._ringing = EarlyDialogs(call, self._negotiation, self._pick_up)
        self._timer = SessionTimer(call.terms.timer)
        self._no_tcp = False
        self._tries = 0
        self._began_s = 0.0
        self._invite: Request | None = None
        self._transaction: Transaction | None = None
        self._proceeding = False
        self._given_up: Reason | None = None
        self._cancelled = False
        self._leg: SipLeg | None = None
        self._leg_tag = ""
        self._unwanted: dict[str, UnwantedAnswer] = {}

    def start(self) -> None:
        """Send the INVITE."""
        offer = b"" if self._call.late_offer else self._negotiation.offer()
        self._began_s = now_s()
        self._send(self._make(offer))

    async def run(self, patience_s: float | None) -> SipLeg:
        """Wait for the answer. Raises CallFailed, 408 when nothing at all was heard in `patience_s`.

        Whoever cancels this gives the call up, also when it is being answered at that moment.
        """
        try:
            self.start()
            if patience_s is not None:
                first: set[asyncio.Future[object]] = {self.heard, self.result}  # type: ignore[arg-type]
                await asyncio.wait(first, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if not self.heard.done() and not self.result.done():
                    self._call.endpoint.penalise(self._hop)
                    raise CallFailed(408, f"{self._hop.host} does not answer")
            return await asyncio.shield(self.result)
        except (asyncio.CancelledError, CallFailed):
            self.give_up()
            raise

    def give_up(self, reason: Reason | None = None) -> None:
        """Nobody wants the call any more: CANCEL as soon as that is allowed, BYE when it has just been answered."""
        if self._leg is not None:
            self._leg.end()
        if self._given_up is not None:
            return
        self._given_up = reason or Reason("SIP", 487, "Request Terminated")
        if self._leg is None and self._proceeding:
            self._cancel()
        elif self._leg is None and self._transaction is not None:
            left_s = max(0.0, self._began_s + LAST_COPY_S - now_s())
            asyncio.get_running_loop().call_later(left_s, self._call.endpoint.hush, self._transaction)
        self._fail(CallFailed(487, "Request Terminated"))

    def _make(self, body: bytes) -> Request:
        call = self._call
        call.seq += 1
        request = Request("INVITE", self._next_hop.uri, body)
        headers = request.headers
        self._address(request)
        headers.set("Max-Forwards", "70")
        if self._next_hop.routes:
            headers.setlist("Route", list(self._next_hop.routes))
        headers.set("From", f"{self._identity.from_};tag={call.tag}")
        call.to = call.to or f"<{self._next_hop.uri}>"
        headers.set("To", call.to)
        headers.set("Call-ID", call.call_id)
        headers.set("CSeq", f"{call.seq} INVITE")
        for name, value in [*capabilities(), *self._timer.request_headers(), *self._identity.headers, *call.headers]:
            headers.add(name, value)
        if call.terms.reliable == "required":
            headers.add("Require", EXTENSION)
        elif call.terms.reliable == "off":
            headers.set("Supported", ", ".join(_without(headers.get("Supported") or "", EXTENSION)))
        if body:
            headers.set("Content-Type", SDP_TYPE)
        request.head = read_head(headers)
        return request

    def _address(self, request: Request) -> None:
        """Say by which transport it goes."""
        endpoint, hop = self._call.endpoint, self._hop
        request.headers.set("Via", f"SIP/2.0/{endpoint.via(hop)};rport;branch={new_branch()}")
        secure = self._next_hop.uri.scheme == "sips"
        request.headers.set("Contact", endpoint.contact(hop, self._identity.contact_user, secure=secure))

    def _send(self, invite: Request, *, authorized: bool = False) -> None:
        if self._login is not None and not authorized:
            self._login.add_credentials(invite)
        roomy = with_room(self._hop, len(encode(invite)))
        if roomy != self._hop and not self._no_tcp:
            self._hop = roomy
            self._address(invite)
            invite.head = read_head(invite.headers)
        self._invite = invite
        self._tries += 1
        self._proceeding = False
        self._transaction = self._call.endpoint.request(invite, self._hop, lambda event: self._on_event(invite, event))

    def _again(self, response: Response | None = None) -> bool:
        """Another try, with the next number; after a challenge with its answer. False: it makes no sense."""
        if self._tries >= MAX_TRIES or self._given_up is not None or self._invite is None:
            return False
        invite = self._make(self._invite.body)
        if response is not None and (self._login is None or not self._login.answer(response, invite)):
            return False
        self._ringing.forget()
        self._ringing = EarlyDialogs(self._call, self._negotiation, self._pick_up)
        self._send(invite, authorized=response is not None)
        return True

    # ── what comes back ──

    def _on_event(self, invite: Request, event: Response | int) -> None:
        if not self.heard.done() and isinstance(event, Response):
            self.heard.set_result(None)
        if isinstance(event, Response) and 200 <= event.code < 300:
            self._on_answered(invite, event)
        elif invite is not self._invite or self._leg is not None:
            return
        elif isinstance(event, int):
            self._on_silence(event)
        elif event.code < 200:
            self._on_progress(invite, event)
        else:
            self._on_refused(event)

    def _on_silence(self, status: int) -> None:
        if status == 503 and self._hop != self._next_hop.hop:
            self._hop, self._no_tcp = self._next_hop.hop, True  # it was TCP only for its size
            if self._again():
                return
        why = self._call.endpoint.why(self._hop) or f"{self._hop} cannot be reached"
        self._fail(CallFailed(status, "No Answer" if status == 408 else why))

    def _on_refused(self, response: Response) -> None:
        self._proceeding = False
        if response.code in (401, 407) and self._again(response):
            return
        if response.code == 422 and self._timer.raised(response) and self._again():
            return
        self._fail(CallFailed(response.code, response.phrase, response))

    def _on_progress(self, invite: Request, response: Response) -> None:
        self._proceeding = True
        if self._given_up is not None:
            self._cancel()
        elif response.code > 100:
            self.alerted = True
            self._ringing.on_progress(invite, self._hop, response)

    def _on_answered(self, invite: Request, response: Response) -> None:
        tag = response.head.to.tag
        if self._leg is not None and tag == self._leg_tag:
            self._leg.acknowledge()
            return
        if tag in self._unwanted:
            self._unwanted[tag].again()
            return
        try:
            dialog = Dialog.as_client(invite, response, self._hop)
        except SipError as error:
            self._fail(CallFailed(500, error.reason, response))
            return
        self._ringing.count(dialog)
        if self._given_up is not None or self._leg is not None or self.result.done():
            self._refuse(dialog, invite, response, self._given_up or ELSEWHERE)
            return
        negotiation = self._ringing.answered(dialog, response)
        self._proceeding = False
        call = self._call
        leg = SipLeg(
            call.endpoint,
            dialog,
            negotiation,
            call.terms,
            str(call.uri),
            call.on_over,
            call.elsewhere,
            called=invite.uri,
            login=self._login,
            timer=self._timer,
        )
        self._leg, self._leg_tag = leg, tag
        call.dialogs.add(leg)
        try:
            leg.answered(response, invite)
        except SdpError as error:
            self._fail(CallFailed(error.status, str(error), response))
            return
        self.result.set_result(leg)

    def _pick_up(self, transaction: Transaction, request: Request, dialog: Dialog, terms: Terms) -> None:
        """Somebody else takes the call while it rings (RFC 3891 section 3): he is answered, the rest is cancelled."""
        call = self._call
        if self._given_up is not None or self.result.done():
            raise LegError(481, "The Call Is Decided")
        negotiation = Negotiation(call.media, call.endpoint.local_host(dialog.hop), terms, dialog.hop.host)
        offer = sdp_of(request)
        body = negotiation.answer(offer) if offer else None
        leg = SipLeg(call.endpoint, dialog, negotiation, terms, request.head.from_.uri, call.on_over, call.elsewhere)
        call.dialogs.add(leg)
        leg.answer(transaction, request, body)
        self._leg, self._given_up = leg, ELSEWHERE
        self._ringing.forget()
        if self._proceeding:
            self._cancel()
        self.result.set_result(leg)

    def _refuse(self, dialog: Dialog, invite: Request, response: Response, reason: Reason) -> None:
        if len(self._unwanted) >= MAX_BRANCHES:
            return
        body = b""
        if self._call.late_offer and sdp_of(response):
            with_offer = Negotiation(_NoMedia(self._call.media.port), self._negotiation.ip, self._call.terms)
            try:
                body = with_offer.answer(sdp_of(response))
            except SdpError:
                body = b""
        self._unwanted[dialog.remote_tag] = UnwantedAnswer(self._call.endpoint, dialog, invite, reason, body)

    def _fail(self, error: CallFailed) -> None:
        self._ringing.forget()
        if not self.result.done():
            self.result.set_exception(error)
            self.result.exception()  # whoever gave up does not come for it

    def _cancel(self) -> None:
        """RFC 3261 section 9.1: only after a provisional response, with the INVITE's own branch.

        A peer that then says nothing more is waited for no longer than 64·T1.
        """
        invite, transaction = self._invite, self._transaction
        if self._cancelled or invite is None or transaction is None or self._given_up is None:
            return
        self._cancelled = True
        cancel = cancel_of(invite)
        cancel.headers.add("Reason", str(self._given_up))
        endpoint = self._call.endpoint
        endpoint.request(cancel, self._hop, None)
        asyncio.get_running_loop().call_later(TIMEOUT_S, endpoint.abandon, transaction)


class _NoMedia:
    """Media of a call that is hung up at once."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.terms = Terms()

    def connect(self, agreed: object, source_host: str | None = None) -> None:
        """Nothing is sent."""


def _without(value: str, tag: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip() and item.strip().lower() != tag]
