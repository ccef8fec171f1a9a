"""An answered SIP call as a `telephony.leg.Leg`: its dialog, its media, and what either side does to it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
from collections.abc import Callable
from typing import Literal

from . import sdp
from .engine import MediaSession, MediaStats
from .leg import AudioHandler, DtmfHandler, Pcm
from .sip.dialog import Dialog
from .sip.endpoint import Endpoint
from .sip.hop import DEFAULT_PORT, Hop
from .sip.message import Request, Response, SipError, respond
from .sip.table import T1_S, T2_S, TIMEOUT_S
from .sip.transaction import Transaction

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS"
BYE_PATIENCE_S = 2.0
"""How long `hang_up` waits for the peer to confirm; the BYE is retransmitted longer than that by itself."""
SDP_TYPE = "application/sdp"

log = logging.getLogger(__name__)


class _Unacknowledged:
    """A 2xx of ours that has had no ACK yet (RFC 3261 section 13.3.1.4)."""

    def __init__(self, leg: SipLeg, transaction: Transaction, response: Response) -> None:
        self.seq = transaction.request.head.seq
        self._leg = leg
        self._transaction = transaction
        self._response = response
        self._interval_s = T1_S
        self._left_s = TIMEOUT_S
        self._timer = asyncio.get_running_loop().call_later(T1_S, self._again)

    def _again(self) -> None:
        self._left_s -= self._interval_s
        if self._left_s <= 0:
            self._leg.no_ack()
            return
        self._leg.endpoint.respond(self._transaction, self._response)
        self._interval_s = min(2 * self._interval_s, T2_S)
        self._timer = asyncio.get_running_loop().call_later(min(self._interval_s, self._left_s), self._again)

    def stop(self) -> None:
        self._timer.cancel()


class SipLeg:
    """See `telephony.leg.Leg`. Made by the agent, for calls either way.

    Args:
        endpoint: the SIP port.
        dialog: already made.
        media: an open session, which the leg closes.
        peer: for people.
        on_over: called when nothing more can come for this dialog.
    """

    def __init__(
        self, endpoint: Endpoint, dialog: Dialog, media: MediaSession, peer: str, on_over: Callable[[SipLeg], None]
    ) -> None:
        self.id = dialog.call_id
        self.peer = peer
        self.endpoint = endpoint
        self.dialog = dialog
        self.media = media
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.state: Literal["answered", "confirmed", "closed"] = "answered"
        self.held = False
        """The peer does not want to hear us now (hold)."""
        self._on_over = on_over
        self._over = False
        self._told = asyncio.get_running_loop().create_future()
        self._unacknowledged: _Unacknowledged | None = None
        self._offered = False
        self._session_id = secrets.randbelow(2**31)
        self._version = 0
        self._ack: Request | None = None
        media.on_timeout = lambda: self.end("no-media")

    # ── Leg ──

    @property
    def rate_hz(self) -> int:
        """Of `play` and `on_audio`."""
        return self.media.rate_hz

    @property
    def on_audio(self) -> AudioHandler | None:
        """Gets each block heard."""
        return self.media.on_audio

    @on_audio.setter
    def on_audio(self, handler: AudioHandler | None) -> None:
        self.media.on_audio = handler

    @property
    def on_dtmf(self) -> DtmfHandler | None:
        """Gets each key pressed."""
        return self.media.on_dtmf

    @on_dtmf.setter
    def on_dtmf(self, handler: DtmfHandler | None) -> None:
        self.media.on_dtmf = handler

    @property
    def played_samples(self) -> int:
        """Handed to the network so far."""
        return self.media.played_samples

    @played_samples.setter
    def played_samples(self, value: int) -> None:
        raise AttributeError("counted by the media session")

    @property
    def queued_samples(self) -> int:
        """Given to `play` and not sent yet."""
        return self.media.queued_samples

    def play(self, pcm: Pcm) -> None:
        """Append audio to what is being sent; dropped when the leg is over."""
        if not self.closed.done():
            self.media.play(pcm)

    def flush(self) -> int:
        """Drop what is queued. Returns the number of samples."""
        return self.media.flush()

    def send_dtmf(self, keys: str) -> None:
        """Press keys. Raises ValueError for characters that are none."""
        self.media.send_dtmf(keys)

    def stats(self) -> MediaStats:
        """Counters of the media."""
        return self.media.stats()

    async def hang_up(self, reason: str = "local") -> None:
        """Send BYE; returns when the peer has confirmed it, or after `BYE_PATIENCE_S`."""
        self.end(reason)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._told), BYE_PATIENCE_S)

    # ── offers and answers ──

    def answer(self, transaction: Transaction, request: Request) -> None:
        """Answer an INVITE of this dialog, the first one or a later one, with 200.

        Raises SdpError when its offer cannot be answered; nothing has been sent or changed then.
        """
        source = self.dialog.hop
        ip = self.endpoint.local_host(source)
        self._version += 1
        if request.body:
            body, agreed = sdp.answer(
                request.body, ip, self.media.port, session_id=self._session_id, version=self._version
            )
            self._connect(agreed)
        else:  # late offer (RFC 3261 section 13.2.1): ours goes out now, the answer comes in the ACK
            body = self.offer(ip)
            self._offered = True
        headers = [("Contact", self.endpoint.contact(source)), ("Content-Type", SDP_TYPE), ("Allow", ALLOW)]
        headers += [("Record-Route", value) for value in request.headers.getlist("Record-Route")]
        response = respond(request, 200, tag=self.dialog.local_tag, headers=headers, body=body)
        self.endpoint.respond(transaction, response)
        self._unacknowledged = _Unacknowledged(self, transaction, response)

    def offer(self, ip: str) -> bytes:
        """Our SDP offer."""
        return sdp.make_offer(ip, self.media.port, session_id=self._session_id, version=self._version)

    def _connect(self, agreed: sdp.Agreed) -> None:
        self.held = agreed.direction in ("recvonly", "inactive")
        self.media.connect(agreed, self.dialog.hop.host)

    # ── called by the agent ──

    def on_ack(self, request: Request) -> None:
        """The ACK to a 2xx of ours."""
        waiting = self._unacknowledged
        if waiting is None or request.head.seq != waiting.seq:
            return
        waiting.stop()
        self._unacknowledged = None
        offered, self._offered = self._offered, False
        if self.closed.done():
            self._send_bye()
            return
        self.state = "confirmed"
        if offered:
            try:
                self._connect(sdp.read_answer(request.body))
            except sdp.SdpError as error:
                self.end(f"failed: {error}")

    def on_request(self, transaction: Transaction, request: Request, source: Hop) -> None:
        """A request inside this dialog."""
        try:
            if request.method != "BYE" or self.dialog.remote_seq is None:
                self.dialog.check(request)
            elif request.head.seq < self.dialog.remote_seq:
                raise SipError(500, "CSeq Out Of Order")
        except SipError as error:
            self._reply(transaction, request, error.status, error.reason)
            return
        match request.method:
            case "BYE":
                self._reply(transaction, request, 200)
                self._stop_waiting()
                self._finish("caller")
                self._done()
            case "INVITE":
                self._on_reinvite(transaction, request, source)
            case "OPTIONS":
                self._reply(transaction, request, 200, headers=[("Allow", ALLOW), ("Accept", SDP_TYPE)])
            case "REFER":
                self._reply(transaction, request, 403)
            case _:
                self._reply(transaction, request, 405, headers=[("Allow", ALLOW)])

    def _on_reinvite(self, transaction: Transaction, request: Request, source: Hop) -> None:
        if self.closed.done():
            self._reply(transaction, request, 481)
        elif self._offered:
            self._reply(transaction, request, 491)
        elif self._unacknowledged is not None:  # RFC 3261 section 14.2
            self._reply(transaction, request, 500, headers=[("Retry-After", str(1 + secrets.randbelow(10)))])
        else:
            old_target, old_hop = self.dialog.target, self.dialog.hop
            try:
                self.dialog.refresh(request)
                self.dialog.hop = source
                self.answer(transaction, request)
            except sdp.SdpError as error:
                self.dialog.target, self.dialog.hop = old_target, old_hop
                self._reply(transaction, request, error.status, str(error))
            except SipError as error:
                self._reply(transaction, request, error.status, error.reason)

    def _reply(
        self,
        transaction: Transaction,
        request: Request,
        status: int,
        reason: str = "",
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        self.endpoint.respond(transaction, respond(request, status, reason, headers=headers or ()))

    def answered(self, agreed: sdp.Agreed | None) -> None:
        """The peer took our INVITE: acknowledge, and talk on these terms (None: there are none, we hang up)."""
        self.acknowledge()
        self.state = "confirmed"
        if agreed is not None:
            self._connect(agreed)

    def acknowledge(self) -> None:
        """Send the ACK to the 2xx, the same one each time the 2xx comes (RFC 3261 section 13.2.2.4)."""
        hop = self._hop()
        if self._ack is None:
            self._ack = self.dialog.request("ACK", via=self.endpoint.via(hop), seq=self.dialog.local_seq)
        self.endpoint.send_ack(self._ack, hop)

    def refuse(self) -> None:
        """Acknowledge an answer that nobody wants any more and hang up."""
        self.answered(None)
        self.end("local")

    def no_ack(self) -> None:
        """Our 2xx was never acknowledged."""
        self._stop_waiting()
        if self.closed.done():
            self._send_bye()
        else:
            self.end("failed: no ACK")

    # ── the end ──

    def end(self, reason: str) -> None:
        """End the call from our side; the BYE waits for the ACK of the 2xx (RFC 3261 section 15)."""
        if self.closed.done():
            return
        self._finish(reason)
        if self._unacknowledged is None:
            self._send_bye()

    def _finish(self, reason: str) -> None:
        if not self.closed.done():
            self.state = "closed"
            self.media.close()
            self.closed.set_result(reason)
            log.info("leg closed", extra={"sip_call_id": self.id, "why": reason})

    def _send_bye(self) -> None:
        hop = self._hop()
        self.endpoint.request(self.dialog.request("BYE", via=self.endpoint.via(hop)), hop, self._on_bye_answered)

    def _on_bye_answered(self, event: Response | int) -> None:
        if isinstance(event, int) or event.code >= 200:
            self._done()

    def _stop_waiting(self) -> None:
        if self._unacknowledged is not None:
            self._unacknowledged.stop()
            self._unacknowledged = None

    def drop(self) -> None:
        """Stop all timers; the endpoint is closing."""
        self._stop_waiting()
        self._finish("local")
        self._done()

    def _done(self) -> None:
        if not self._told.done():
            self._told.set_result(None)
        if not self._over:
            self._over = True
            self._on_over(self)

    def _hop(self) -> Hop:
        """Where our requests go: the first route or the Contact when it is an address, else back to the source."""
        uri, source = self.dialog.next_uri(), self.dialog.hop
        if self.dialog.behind_nat:
            return source
        try:
            host = str(ipaddress.ip_address(uri.host.strip("[]")))
        except ValueError:
            return source  # resolving what a stranger names would hold everything up
        return Hop(source.protocol, host, uri.port or DEFAULT_PORT, source.connection)
