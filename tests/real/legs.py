"""A SIP endpoint that answers every call with a leg at once, on terms of the test's choice, and places plain calls."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence

from telephony.call.capabilities import capabilities
from telephony.call.dialog.session_timer import SessionTimer
from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import Terms
from telephony.media.engine import MediaEngine
from telephony.sdp.negotiation import Negotiation
from telephony.sip.body import SDP_TYPE
from telephony.sip.dialog import Dialog, Key
from telephony.sip.digest import Credentials, DigestClient
from telephony.sip.endpoint import Endpoint
from telephony.sip.hop import Hop
from telephony.sip.listen_sockets import ListenConfig
from telephony.sip.message import Request, Response, new_branch, new_tag, parse_uri, read_head, respond
from telephony.sip.transaction import Transaction

from .programs import PATIENCE_S
from .siprun import Sipp

FIRST_RTP, LAST_RTP = 22000, 22199


class Legs:
    """The least that a user agent can be."""

    def __init__(self, media: MediaEngine, terms: Terms, login: DigestClient | None) -> None:
        self.endpoint = Endpoint(ListenConfig(("127.0.0.1",), 0), "legs", self)
        self.all: dict[Key, SipLeg] = {}
        self.new: asyncio.Queue[SipLeg] = asyncio.Queue()
        self._media = media
        self._terms = terms
        self._login = login

    @property
    def port(self) -> int:
        return self.endpoint.port

    async def next(self, caller: Sipp) -> SipLeg:
        """The leg of the next call; when none comes, the caller may say why."""
        try:
            return await asyncio.wait_for(self.new.get(), PATIENCE_S)
        except TimeoutError:
            await caller.ended(1)
            raise

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        head = request.head
        leg = self.all.get((head.call_id, head.to.tag, head.from_.tag))
        if leg is not None:
            leg.on_request(transaction, request, source)
        elif request.method != "INVITE":
            self.endpoint.respond(transaction, respond(request, 481, tag=new_tag()))
        else:
            self._answer(transaction, request, source)

    def on_ack(self, request: Request) -> None:
        head = request.head
        leg = self.all.get((head.call_id, head.to.tag, head.from_.tag))
        if leg is not None:
            leg.on_ack(request)

    def _answer(self, transaction: Transaction, request: Request, source: Hop) -> None:
        short = SessionTimer(self._terms.timer).refusal(request)
        if short is not None:
            refusal = respond(request, 422, "Session Interval Too Small", tag=new_tag(), headers=short)
            self.endpoint.respond(transaction, refusal)
            return
        dialog = Dialog.as_server(request, new_tag(), source)
        if request.headers.get("Replaces"):
            self._replace(transaction, request, dialog)
            return
        leg = self._leg(dialog, self._negotiation(source), SessionTimer(self._terms.timer))
        leg.answer(transaction, request)

    def _replace(self, transaction: Transaction, request: Request, dialog: Dialog) -> None:
        call_id = request.headers["Replaces"].partition(";")[0]
        leg = next(leg for leg in self.all.values() if leg.dialog.call_id == call_id)
        negotiation = Negotiation(leg.media, "127.0.0.1", self._terms, dialog.hop.host)
        leg.adopt(transaction, request, dialog, negotiation)
        self.all[dialog.key] = leg

    def _negotiation(self, hop: Hop) -> Negotiation:
        return Negotiation(self._media.open(), self.endpoint.local_host(hop), self._terms, hop.host)

    def _leg(self, dialog: Dialog, negotiation: Negotiation, timer: SessionTimer) -> SipLeg:
        leg = SipLeg(
            self.endpoint,
            dialog,
            negotiation,
            self._terms,
            "peer",
            self._over,
            lambda trunk, uri: uri,
            login=self._login,
            timer=timer,
        )
        self.all[dialog.key] = leg
        self.new.put_nowait(leg)
        return leg

    def _over(self, leg: SipLeg) -> None:
        for key in [key for key, one in self.all.items() if one is leg]:
            del self.all[key]

    async def call(self, port: int, headers: Sequence[tuple[str, str]] = ()) -> SipLeg:
        """Call somebody at 127.0.0.1 who answers soon."""
        hop, uri = Hop("udp", "127.0.0.1", port), parse_uri(f"sip:human@127.0.0.1:{port}")
        negotiation, timer = self._negotiation(hop), SessionTimer(self._terms.timer)
        invite = Request("INVITE", uri, negotiation.offer())
        invite.headers.set("Via", f"SIP/2.0/{self.endpoint.via(hop)};rport;branch={new_branch()}")
        invite.headers.set("Max-Forwards", "70")
        invite.headers.set("From", f"<sip:legs@127.0.0.1:{self.port}>;tag={new_tag()}")
        invite.headers.set("To", f"<{uri}>")
        invite.headers.set("Call-ID", secrets.token_hex(8))
        invite.headers.set("CSeq", "1 INVITE")
        for name, value in [
            ("Contact", self.endpoint.contact(hop)),
            *capabilities(),
            *timer.request_headers(),
            *headers,
        ]:
            invite.headers.add(name, value)
        invite.headers.set("Content-Type", SDP_TYPE)
        invite.head = read_head(invite.headers)
        done: asyncio.Future[SipLeg] = asyncio.get_running_loop().create_future()

        def on_event(event: Response | int) -> None:
            assert isinstance(event, Response) and event.code < 300, event
            if event.code >= 200 and done.done():
                done.result().acknowledge()
            elif event.code >= 200:
                leg = self._leg(Dialog.as_client(invite, event, hop), negotiation, timer)
                leg.answered(event, invite)
                done.set_result(leg)

        self.endpoint.request(invite, hop, on_event)
        return await asyncio.wait_for(done, PATIENCE_S)


@contextlib.asynccontextmanager
async def legs(terms: Terms | None = None, credentials: Credentials | None = None) -> AsyncIterator[Legs]:
    """Listen on a free port of 127.0.0.1, with the real media engine."""
    engine = MediaEngine("127.0.0.1", FIRST_RTP, LAST_RTP)
    engine.start()
    one = Legs(engine, terms or Terms(), DigestClient(credentials) if credentials else None)
    await one.endpoint.start()
    try:
        yield one
    finally:
        for leg in list(one.all.values()):
            leg.drop()
        await one.endpoint.close()
        engine.stop()
