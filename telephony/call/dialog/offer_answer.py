"""Offers and answers in an answered call: re-INVITE and UPDATE both ways (RFC 3261 section 14, RFC 3311)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Literal

from ...clock import now_s
from ...leg import LegError
from ...sdp.description import Direction
from ...sdp.negotiation import Negotiation, SdpError
from ...sip.body import check_body, sdp_of
from ...sip.hop import Hop
from ...sip.message import Request, Response, SipError
from ...sip.transaction import Transaction
from ...sip.transaction_state_tables import T1_S, T2_S, TIMEOUT_S
from ..capabilities import capabilities
from .requests import DialogRequests, SentRequest
from .session_timer import SessionTimer
from .termination import EndReason, failed

MAX_TRIES = 5
"""Of one change: after glare, a challenge of the timer, an overlap."""
MAX_UNACKNOWLEDGED = 4
"""2xx of ours that await their ACK; a peer that sends yet another re-INVITE is told to wait."""
PATIENCE_S = 32.0
"""How long a peer may go on with provisional responses to a re-INVITE before it is cancelled."""
CANCEL_PATIENCE_S = 5.0
MAX_WAIT_S = 10
"""Of what a peer may ask for with Retry-After."""

log = logging.getLogger(__name__)

Method = Literal["INVITE", "UPDATE"]


def back_off_s(owner: bool) -> float:
    """How long to wait after a 491, by who made the Call-ID (RFC 3261 section 14.1), in steps of 10 ms."""
    return (210 + secrets.randbelow(191)) / 100 if owner else secrets.randbelow(201) / 100


class _Unacknowledged:
    """A 2xx of ours that has had no ACK yet: sent again and again (RFC 3261 section 13.3.1.4)."""

    def __init__(
        self,
        requests: DialogRequests,
        transaction: Transaction,
        response: Response,
        offered: bool,
        on_none: Callable[[], None],
    ) -> None:
        self.offered = offered
        """The response carries our offer; its answer comes in the ACK."""
        self._requests = requests
        self._transaction = transaction
        self._response = response
        self._on_none = on_none
        self._interval_s = T1_S
        self._left_s = TIMEOUT_S
        self._timer = asyncio.get_running_loop().call_later(T1_S, self._again)

    def _again(self) -> None:
        self._left_s -= self._interval_s
        if self._left_s <= 0:
            self._on_none()
            return
        self._requests.endpoint.respond(self._transaction, self._response)
        self._interval_s = min(2 * self._interval_s, T2_S)
        self._timer = asyncio.get_running_loop().call_later(min(self._interval_s, self._left_s), self._again)

    def stop(self) -> None:
        self._timer.cancel()


class OfferAnswer:
    """Of one dialog.

    Args:
        requests: the dialog.
        negotiation: its media.
        timer: its session timer; each 2xx settles it anew.
        on_refreshed: called after each of them.
        on_failed: called with the reason when the call cannot go on.
    """

    def __init__(
        self,
        requests: DialogRequests,
        negotiation: Negotiation,
        timer: SessionTimer,
        on_refreshed: Callable[[], None],
        on_failed: Callable[[EndReason], None],
    ) -> None:
        self.confirmed = False
        """The first 2xx has had its ACK."""
        self._requests = requests
        self._negotiation = negotiation
        self._timer = timer
        self._on_refreshed = on_refreshed
        self._on_failed = on_failed
        self._ours: Method | None = None
        self._done: asyncio.Future[Response] | None = None
        self._unacknowledged: dict[int, _Unacknowledged] = {}
        self._turn = asyncio.Lock()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def unacknowledged(self) -> bool:
        """A 2xx of ours awaits its ACK."""
        return bool(self._unacknowledged)

    def note_end(self) -> None:
        """The call is over: let nobody wait."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(LegError(481, "The Call Is Over"))
            self._end_ours()
        self._note()

    def stop(self) -> None:
        """Forget what awaits an ACK."""
        for waiting in self._unacknowledged.values():
            waiting.stop()
        self._unacknowledged.clear()
        self._note()

    # ── the peer's ──

    def answer(
        self,
        transaction: Transaction,
        request: Request,
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer an INVITE or UPDATE with 2xx, and an INVITE's until its ACK comes.

        `body` is what goes out when the offer was dealt with before (in a reliable provisional response); None: the
        offer in the request is answered, or an offer made where an INVITE has none. Raises SdpError when the offer
        cannot be answered; nothing has been sent or changed then.
        """
        negotiation, invite = self._negotiation, request.method == "INVITE"
        offer = sdp_of(request)
        if body is None and offer:
            body = negotiation.answer(offer)
        elif body is None:  # late offer (RFC 3261 section 13.2.1): ours goes out now, the answer comes in the ACK
            body = negotiation.offer() if invite else b""
        more = [("Contact", self._requests.contact()), *capabilities(), *headers]
        more += [("Record-Route", value) for value in request.headers.getlist("Record-Route")]
        more += self._timer.response_headers(request, now_s())
        response = self._requests.reply(transaction, 200, headers=more, body=body)
        if invite:
            seq = request.head.seq
            waiting = _Unacknowledged(
                self._requests, transaction, response, negotiation.offering, lambda: self._no_ack(seq)
            )
            self._unacknowledged[seq] = waiting
            self._note()
        self._on_refreshed()

    def on_offer(self, transaction: Transaction, request: Request, source: Hop) -> None:
        """A re-INVITE or UPDATE."""
        dialog = self._requests.dialog
        target, hop = dialog.target, dialog.hop
        try:
            if self._refused(transaction, request):
                return
            dialog.refresh(request, source)
            self.answer(transaction, request)
        except SdpError as error:
            dialog.target, dialog.hop = target, hop
            self._requests.reply(transaction, error.status, headers=error.headers)
        except SipError as error:
            self._requests.reply(transaction, error.status, error.reason, error.headers)

    def _refused(self, transaction: Transaction, request: Request) -> bool:
        """Turn down what comes at a wrong moment or in a wrong form. Raises SipError."""
        reply, invite = self._requests.reply, request.method == "INVITE"
        offers = bool(check_body(request)) or invite
        short = self._timer.refusal(request)
        if (offers and self._negotiation.offering) or (invite and self._ours == "INVITE"):  # glare
            reply(transaction, 491)
        elif len(self._unacknowledged) >= MAX_UNACKNOWLEDGED:
            reply(transaction, 500, headers=[("Retry-After", str(secrets.randbelow(MAX_WAIT_S)))])
        elif short is not None:
            reply(transaction, 422, "Session Interval Too Small", short)
        else:
            return False
        return True

    def on_ack(self, request: Request) -> None:
        """The ACK to a 2xx of ours; one that comes late or again means nothing."""
        waiting = self._unacknowledged.pop(request.head.seq, None)
        if waiting is None:
            return
        waiting.stop()
        first, self.confirmed = not self.confirmed, True
        if waiting.offered and not self._requests.over:
            try:
                self._negotiation.accept(sdp_of(request), what="ACK")
            except SdpError as error:
                self._negotiation.abandon()
                if first:
                    self._on_failed(failed(str(error)))
                else:
                    log.warning(
                        "an answer in ACK cannot be used; the call goes on as it was",
                        extra={"sip_call_id": self._requests.dialog.call_id, "why": str(error)},
                    )
        self._note()

    def _no_ack(self, seq: int) -> None:
        self._unacknowledged.pop(seq, None)
        self._note()
        self._on_failed(failed("no ACK"))

    # ── ours ──

    async def change(self, direction: Direction, method: Method = "INVITE") -> None:
        """Offer another direction (hold, resume). The session stays as it was when the peer refuses.

        Raises LegError with the peer's status, 408 when it did not make up its mind, 481 when the call is over.
        """
        if "UPDATE" not in self._requests.dialog.allows:
            method = "INVITE"
        await self._carry(method, lambda _: self._negotiation.offer(direction))

    async def refresh(self) -> None:
        """Say that the call is still on, changing nothing: UPDATE where the peer knows it, else re-INVITE.

        Raises LegError as `change` does.
        """
        method: Method = "UPDATE" if "UPDATE" in self._requests.dialog.allows else "INVITE"
        await self._carry(method, lambda now: self._negotiation.again() if now == "INVITE" else b"")

    async def _carry(self, method: Method, describe: Callable[[Method], bytes]) -> None:
        async with self._turn:
            for _ in range(MAX_TRIES):
                while not self._requests.over and not self._quiet.is_set():
                    await self._quiet.wait()
                if self._requests.over:
                    raise LegError(481, "The Call Is Over")
                response = await self._try(method, describe(method))
                status = response.code
                if status < 300:
                    return
                if status == 491:
                    await asyncio.sleep(back_off_s(self._requests.dialog.owner))
                elif status == 500 and response.headers.get("Retry-After"):
                    await asyncio.sleep(_wait_s(response.headers["Retry-After"]))
                elif method == "UPDATE" and status in (405, 501):
                    method = "INVITE"
                elif status != 422 or not self._timer.raised(response):
                    break
            raise LegError(status, response.phrase)

    async def _try(self, method: Method, body: bytes) -> Response:
        """One transaction; what its response means for the session has been done when this returns. Raises LegError.

        When the task is cancelled the transaction goes on: what the peer says then still counts.
        """
        self._done = done = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda _: done.cancelled() or done.exception())  # nobody may be there to see it
        ringing = False
        ack: Request | None = None

        def on_event(event: Response | int) -> None:
            nonlocal ringing, ack
            if isinstance(event, Response) and event.code < 200:
                ringing = True
            elif isinstance(event, Response) and event.code < 300 and ack is not None:
                self._requests.ack_again(ack)
            else:
                if isinstance(event, Response) and event.code < 300 and method == "INVITE":
                    ack = self._requests.ack(event.head.seq, invite=sent.request)
                self._finish(event, done)

        headers = [*capabilities(), *self._timer.request_headers()]
        self._ours = method
        self._note()
        sent = self._requests.send(method, on_event, headers, body)
        try:
            return await self._wait(sent, done, lambda: ringing)
        except LegError:
            if not done.done():  # given up: what comes later gets its ACK and nothing more
                done.cancel()
                self._end_ours()
            raise

    async def _wait(self, sent: SentRequest, done: asyncio.Future[Response], ringing: Callable[[], bool]) -> Response:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(done)
        except TimeoutError:
            if sent.request.method != "INVITE" or not ringing():
                raise LegError(408, "No Answer") from None
        self._requests.cancel(sent)
        try:
            async with asyncio.timeout(CANCEL_PATIENCE_S):
                return await asyncio.shield(done)
        except TimeoutError:
            raise LegError(408, "No Answer") from None

    def _finish(self, event: Response | int, done: asyncio.Future[Response]) -> None:
        """The final response to a request of ours."""
        if done.done():  # nobody wants it any more
            return
        self._end_ours(keep=isinstance(event, Response) and event.code < 300)
        if isinstance(event, int):
            done.set_exception(LegError(event, "No Answer" if event == 408 else "Unreachable"))
            return
        try:
            if event.code < 300 and not self._requests.over:
                self._take(event)
            done.set_result(event)
        except SdpError as error:
            self._negotiation.abandon()
            done.set_exception(LegError(error.status, str(error)))

    def _take(self, response: Response) -> None:
        """A 2xx to a request of ours. Raises SdpError when its answer cannot be used."""
        try:
            self._requests.dialog.refresh(response)
        except SipError as error:
            log.warning(
                "a Contact that cannot be used; the old one stays",
                extra={"sip_call_id": self._requests.dialog.call_id, "why": str(error)},
            )
        self._timer.answered(response, now_s())
        self._on_refreshed()
        if self._negotiation.offering:
            self._negotiation.accept(sdp_of(response))

    def _end_ours(self, keep: bool = False) -> None:
        if not keep and self._negotiation.offering and not any(one.offered for one in self._unacknowledged.values()):
            self._negotiation.abandon()
        self._ours = None
        self._note()

    def _note(self) -> None:
        """Whether a change of ours may begin (RFC 3261 section 14.1)."""
        if self._requests.over or (self._ours is None and not self._unacknowledged):
            self._quiet.set()
        else:
            self._quiet.clear()


def _wait_s(value: str) -> float:
    """Seconds of a Retry-After, at most `MAX_WAIT_S`."""
    digits = value.partition(";")[0].partition("(")[0].strip()
    return min(int(digits), MAX_WAIT_S) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 1.0
