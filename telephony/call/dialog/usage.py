"""What happens inside one dialog of a leg: requests either way, but for the INVITE that begins it and the BYE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...call_policy import Terms
from ...sdp.negotiation import Negotiation
from ...sip.body import SDP_TYPE
from ...sip.dialog import Dialog
from ...sip.digest import DigestClient
from ...sip.endpoint import Endpoint
from ...sip.hop import Hop
from ...sip.message import Request, SipError
from ...sip.transaction import Transaction
from ..capabilities import ALLOW, capabilities
from .dtmf_info import DTMF_TYPE, RELAY_TYPE, DtmfInfoSender, held_s, keys_of
from .offer_answer import OfferAnswer
from .refer_in import OnRefer, on_refer
from .refer_out import ReferSender
from .requests import DialogRequests
from .session_refresher import SessionRefresher
from .session_timer import SessionTimer
from .termination import EXPIRED, EndReason


class UsageOwner(Protocol):
    """The leg, as its conversations see it."""

    terms: Terms
    on_refer: OnRefer | None

    def end(self, reason: EndReason) -> None:
        """End the call from our side."""

    def fail(self, reason: EndReason) -> None:
        """A 2xx was never acknowledged, or its ACK brought no usable answer."""

    def on_info_key(self, key: str, held_s: float) -> None:
        """A key was pressed by INFO, for so long if it says so."""

    def on_life(self) -> None:
        """The peer's signalling has shown that it is there."""


class InviteUsage:
    """One dialog with what acts in it. A leg has one at a time; `SipLeg.adopt` begins another.

    Args:
        endpoint: the SIP port.
        dialog: already made.
        negotiation: the dialog's media.
        timer: its session timer.
        login: answers challenges to our requests.
        owner: the leg.
        press: presses keys another way, when the peer takes no INFO.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        negotiation: Negotiation,
        timer: SessionTimer,
        login: DigestClient | None,
        owner: UsageOwner,
        press: Callable[[str], None],
    ) -> None:
        self._negotiation = negotiation
        self._owner = owner
        self.requests = DialogRequests(endpoint, dialog, owner.end, login)
        self.offers = OfferAnswer(self.requests, negotiation, timer, self._refreshed, owner.fail)
        self.refresher = SessionRefresher(timer, self.offers.refresh, lambda: owner.end(EXPIRED), dialog.call_id)
        self.transfers = ReferSender(self.requests)
        self.keys = DtmfInfoSender(self.requests, press)

    def _refreshed(self) -> None:
        self.refresher.set()
        self._owner.on_life()

    def leave(self, *, ended: bool = False) -> None:
        """Done with the dialog but for its BYE; a 2xx that awaits its ACK goes on doing so when the call has ended."""
        self.requests.close()
        self.transfers.close()
        self.keys.stop()
        if not ended:
            self.offers.stop()
        self.offers.note_end()
        self.refresher.stop()

    def admit(self, request: Request, source: Hop, *, ended: bool) -> None:
        """Take note of a request (RFC 3261 section 12.2.2). Raises SipError: out of order, or after the end."""
        dialog = self.requests.dialog
        if request.method != "BYE" or dialog.remote_seq is None:
            dialog.check(request)
        elif request.head.seq < dialog.remote_seq:
            raise SipError(500, "CSeq Out Of Order")
        dialog.note_source(source)
        if ended and request.method != "BYE":
            raise SipError(481, "")
        if not ended:
            self._negotiation.signalled_from(source.host)
            self._owner.on_life()

    def do(self, transaction: Transaction, request: Request, source: Hop) -> None:
        """Answer a request that was admitted, any but BYE. Raises SipError."""
        match request.method:
            case "INVITE" | "UPDATE":
                self.offers.on_offer(transaction, request, source)
            case "INFO":
                self._info(transaction, request)
            case "NOTIFY":
                self.transfers.on_notify(transaction, request)
            case "OPTIONS":
                accepted = f"{SDP_TYPE}, {RELAY_TYPE}, {DTMF_TYPE}"
                self.requests.reply(transaction, 200, headers=[*capabilities(), ("Accept", accepted)])
            case "REFER" if not self._owner.terms.refer_in:
                raise SipError(403, "")
            case "REFER":
                on_refer(self.requests, transaction, self._owner.on_refer)
            case "PRACK":  # for a response that nobody waits for any more (RFC 3262 section 3)
                raise SipError(481, "")
            case _:
                self.requests.reply(transaction, 405, headers=[("Allow", ALLOW)])

    def _info(self, transaction: Transaction, request: Request) -> None:
        keys = keys_of(request)
        self.requests.reply(transaction, 200)
        for key in keys:
            self._owner.on_info_key(key, held_s(request))
