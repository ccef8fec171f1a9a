"""Requests inside one dialog: ours with digest and the fate of the dialog, and the answers to the peer's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ...leg import LegError
from ...sip.body import SDP_TYPE
from ...sip.dialog import Dialog, cancel_of
from ...sip.digest import DigestClient
from ...sip.endpoint import Endpoint
from ...sip.hop import with_room
from ...sip.message import Request, Response, encode, read_head, respond
from ...sip.transaction import Transaction
from ...sip.transaction_state_tables import TIMEOUT_S
from ..capabilities import Headers
from .termination import EndReason, failed

MAX_CHALLENGES = 3
"""To one request."""
_WITH_CONTACT = frozenset({"INVITE", "UPDATE", "REFER", "NOTIFY"})
"""Target refreshes, and what may make a subscription (RFC 6665)."""
_NO_USE_OF_THE_CALL = frozenset({"BYE", "NOTIFY"})
"""A 481 to these says nothing about the call (RFC 5057)."""

log = logging.getLogger(__name__)

Listener = Callable[[Response | int], None]


class SentRequest:
    """A request of ours on its way. `request` is its latest try: a challenge brings another."""

    def __init__(self, request: Request, listener: Listener) -> None:
        self.request = request
        self.listener = listener
        self.tries = 1
        self.enlarged = False
        """It went by TCP only for its size."""
        self.transaction: Transaction | None = None


class DialogRequests:
    """One dialog on one endpoint.

    Args:
        endpoint: the SIP port.
        dialog: already made.
        on_gone: called with the reason when the peer turns out to know nothing of the call any more, or to be silent.
        login: answers challenges to our requests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        on_gone: Callable[[EndReason], None],
        login: DigestClient | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.dialog = dialog
        self.over = False
        """The call has ended; only its BYE is still sent."""
        self._on_gone = on_gone
        self._login = login
        self._no_tcp = False
        self._waiting: set[asyncio.Future[Response]] = set()

    def contact(self) -> str:
        """Ours towards this peer."""
        return self.endpoint.contact(self.dialog.hop, self.dialog.user, secure=self.dialog.secure)

    # ── requests of ours ──

    def send(
        self,
        method: str,
        listener: Listener,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str = SDP_TYPE,
    ) -> SentRequest:
        """Send a request; `listener` gets every response (a 2xx to INVITE as often as it comes), or a status.

        Challenges are answered on the way.
        """
        more = list(headers)
        if method in _WITH_CONTACT:
            more.append(("Contact", self.contact()))
        if body:
            more.append(("Content-Type", content_type))
        request = self._compose(method, more, body)
        if self._login is not None:
            self._login.add_credentials(request)
        sent = SentRequest(request, listener)
        self._dispatch(sent)
        return sent

    async def request(
        self, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", content_type: str = SDP_TYPE
    ) -> Response:
        """Send a request (not INVITE) and wait for its final response, whatever it says.

        Raises LegError: 408 nobody answered, 503 the transport failed, 481 the call is over.
        """
        if self.over:
            raise LegError(481, "The Call Is Over")
        done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def on_event(event: Response | int) -> None:
            if done.done():
                return
            if isinstance(event, int):
                done.set_exception(LegError(event, "No Answer" if event == 408 else "Unreachable"))
            elif event.code >= 200:
                done.set_result(event)

        self._waiting.add(done)
        try:
            self.send(method, on_event, headers, body, content_type)
            return await done
        finally:
            self._waiting.discard(done)

    def ack(self, seq: int, body: bytes = b"", invite: Request | None = None) -> Request:
        """Send the ACK to the 2xx of our INVITE numbered `seq` (RFC 3261 section 13.2.2.4); returned for `ack_again`.

        It bears the credentials of `invite` (section 22.1).
        """
        dialog = self.dialog
        hop = dialog.next_hop()
        ack = dialog.request("ACK", via=self.endpoint.via(hop), seq=seq, body=body)
        if body:
            ack.headers.set("Content-Type", SDP_TYPE)
        for name in ("Authorization", "Proxy-Authorization"):
            if invite is not None and invite.headers.get(name):
                ack.headers.setlist(name, list(invite.headers.getlist(name)))
        self.endpoint.send_ack(ack, hop)
        return ack

    def ack_again(self, ack: Request) -> None:
        """The 2xx came once more."""
        self.endpoint.send_ack(ack, self.dialog.next_hop())

    def cancel(self, sent: SentRequest) -> None:
        """Cancel an INVITE of ours that got a provisional response; one that is not even answered then is forgotten."""
        if sent.transaction is not None:
            self.endpoint.request(cancel_of(sent.request), sent.transaction.hop, None)
            # section 9.1
            asyncio.get_running_loop().call_later(TIMEOUT_S, self.endpoint.abandon, sent.transaction)

    def close(self) -> None:
        """The call is over: whoever waits is told so."""
        self.over = True
        for done in list(self._waiting):
            if not done.done():
                done.set_exception(LegError(481, "The Call Is Over"))

    def _compose(self, method: str, headers: Headers, body: bytes) -> Request:
        request = self.dialog.request(method, via=self.endpoint.via(self.dialog.next_hop()), body=body)
        for name, value in headers:
            request.headers.add(name, value)
        return request

    def _dispatch(self, sent: SentRequest) -> None:
        """What is too large for a datagram goes by TCP, where the peer's address means the peer."""
        hop, request = self.dialog.next_hop(), sent.request
        roomy = with_room(hop, len(encode(request)))
        sent.enlarged = roomy != hop and not self._no_tcp and not self.dialog.behind_nat
        if sent.enlarged:
            hop = roomy
            request.headers.set("Via", request.headers["Via"].replace("/UDP ", "/TCP ", 1))
            request.head = read_head(request.headers)
        sent.transaction = self.endpoint.request(sent.request, hop, lambda event: self._on_event(sent, event))

    def _on_event(self, sent: SentRequest, event: Response | int) -> None:
        if event == 503 and sent.enlarged:
            self._no_tcp = True
            sent.request = self._renewed(sent.request)
            self._dispatch(sent)
            return
        if isinstance(event, Response) and event.code in (401, 407) and self._again(sent, event):
            return
        sent.listener(event)
        status = event if isinstance(event, int) else event.code
        if status in (408, 481) and not self.over and sent.request.method not in _NO_USE_OF_THE_CALL:
            self._on_gone(failed(f"{status} to our {sent.request.method}"))

    def _again(self, sent: SentRequest, response: Response) -> bool:
        """Answer a challenge with the same request under a new number (RFC 3261 section 22.2)."""
        refused = sent.request
        if self._login is None or sent.tries >= MAX_CHALLENGES or (self.over and refused.method != "BYE"):
            return False
        request = self._renewed(refused)
        if not self._login.answer(response, request):
            return False
        sent.request = request
        sent.tries += 1
        self._dispatch(sent)
        return True

    def _renewed(self, request: Request) -> Request:
        """The same request under a new number."""
        renewed = self._compose(request.method, [], request.body)
        for name in request.headers.keys():  # noqa: SIM118 - not a mapping
            if renewed.headers.get(name) is None:
                renewed.headers.setlist(name, list(request.headers.getlist(name)))
        return renewed

    # ── requests of the peer's ──

    def reply(
        self,
        transaction: Transaction,
        status: int,
        reason: str = "",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Answer a request of this dialog; a body is SDP."""
        more = [*headers, ("Content-Type", SDP_TYPE)] if body else headers
        response = respond(transaction.request, status, reason, tag=self.dialog.local_tag, headers=more, body=body)
        self.endpoint.respond(transaction, response)
        return response
