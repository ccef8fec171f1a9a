"""A dialog between its first provisional response and the answer: PRACK, UPDATE and BYE in it, either way."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ...call_policy import Terms
from ...sdp.negotiation import Negotiation, SdpError
from ...sip.body import SDP_TYPE, check_body
from ...sip.dialog import Dialog
from ...sip.endpoint import Endpoint, Listener
from ...sip.hop import Hop
from ...sip.message import Request, SipError, read_head, respond
from ...sip.transaction import Transaction
from ..capabilities import Headers, capabilities

OnPrack = Callable[[Request], bool]
PickUp = Callable[[Transaction, Request, Dialog, Terms], None]
"""Answers the INVITE of somebody who takes the ringing call; gets its dialog and terms. Raises SdpError, LegError."""


class EarlyDialog:
    """Takes the requests of a dialog that has no leg yet, and sends ours.

    Args:
        endpoint: the SIP port.
        dialog: as the provisional response made it.
        negotiation: of its media; None, and set later, while there are none.
        on_prack: says whether a PRACK means a response of ours that waits for it; None: we are the caller.
        on_bye: the caller hung up before the answer; None: the called party may not (RFC 3261 section 15).
        pick_up: lets somebody else take the call (RFC 3891); None: the call is not ours to give.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        negotiation: Negotiation | None,
        on_prack: OnPrack | None = None,
        on_bye: Callable[[Request], None] | None = None,
        pick_up: PickUp | None = None,
    ) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self.pick_up = pick_up
        self.settled = False
        """The first offer and its answer have both arrived for certain; only then may UPDATE bring another."""
        self._endpoint = endpoint
        self._on_prack = on_prack
        self._on_bye = on_bye

    @property
    def terms(self) -> Terms:
        """Of the call."""
        return Terms() if self.negotiation is None else self.negotiation.terms

    def request(self, method: str, headers: Headers, body: bytes, listener: Listener | None) -> None:
        """Send a request inside the dialog."""
        hop = self.dialog.next_hop()
        request = self.dialog.request(method, via=self._endpoint.via(hop), body=body)
        for name, value in headers:
            request.headers.add(name, value)
        if body:
            request.headers.set("Content-Type", SDP_TYPE)
        request.head = read_head(request.headers)
        self._endpoint.request(request, hop, listener)

    def on_request(self, transaction: Transaction, request: Request, source: Hop) -> None:
        """Answer a request of the peer's."""
        try:
            self.dialog.check(request)
            status, headers, body = self._answer(request, source)
        except SdpError as error:
            status, headers, body = error.status, error.headers, b""
        except SipError as error:
            status, headers, body = error.status, error.headers, b""
        if body:
            headers = [*headers, ("Content-Type", SDP_TYPE)]
        self._endpoint.respond(transaction, respond(request, status, headers=headers, body=body))
        if request.method == "BYE" and status == 200 and self._on_bye is not None:
            self._on_bye(request)

    def _answer(self, request: Request, source: Hop) -> tuple[int, Headers, bytes]:
        match request.method:
            case "PRACK" if self._on_prack is not None:
                return self._prack(request)
            case "UPDATE":
                return self._update(request, source)
            case "BYE" if self._on_bye is not None:
                return 200, [], b""
            case "OPTIONS":
                return 200, [*capabilities(), ("Accept", SDP_TYPE)], b""
            case "INVITE":  # RFC 3261 section 14.2: the first is still open
                status = 500 if self._on_prack is not None else 491
                return status, _later() if status == 500 else [], b""
            case "REFER":
                return 403, [], b""
            case _:
                return 405, capabilities()[:1], b""

    def _prack(self, request: Request) -> tuple[int, Headers, bytes]:
        """RFC 3262 section 3 and 5: it may bring the answer to an offer of ours, or a second offer."""
        negotiation = self.negotiation
        if self._on_prack is None or not self._on_prack(request):
            return 481, [], b""
        sdp = check_body(request)
        if negotiation is None:
            return 200, [], b""
        if negotiation.offering:
            if sdp:
                negotiation.accept(sdp)
            self.settled = not negotiation.offering
            return 200, [], b""
        self.settled = self.settled or negotiation.agreed is not None
        body = negotiation.answer(sdp) if sdp and self.settled else b""
        return 200, [], body

    def _update(self, request: Request, source: Hop) -> tuple[int, Headers, bytes]:
        """RFC 3311 section 5.2."""
        negotiation, sdp, body = self.negotiation, check_body(request), b""
        if sdp:
            if negotiation is not None and negotiation.offering:
                return 491, [], b""
            if negotiation is None or not self.settled:
                return 500, _later(), b""
            body = negotiation.answer(sdp)
        self.dialog.refresh(request, source)
        dialog = self.dialog
        contact = self._endpoint.contact(dialog.hop, dialog.user, secure=dialog.secure)
        return 200, [("Contact", contact), *capabilities()], body


def _later() -> Headers:
    return [("Retry-After", str(secrets.randbelow(11)))]
