"""The SIP user agent: takes calls and places them, over UDP, TCP and TLS.

`UserAgent` decides what each request means. `CallScreening` says who may come in, `IncomingCall` rings, `OutgoingCall`
calls others, `SipLeg` is a call in progress, `sip.Endpoint` carries it all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Unpack

from sipmessage import URI

from . import descriptors
from .agent_config import AgentConfig
from .call.accounting import CallAccounting
from .call.capabilities import ALLOW, Headers, capabilities
from .call.dialog.sipleg import SipLeg
from .call.dialog_table import DialogTable
from .call.inbound.admission import Admission
from .call.inbound.callers_without_trunk import TrunklessLimit
from .call.inbound.incoming import IdentifiedCaller, IncomingCall
from .call.inbound.replaces import find_replaced
from .call.inbound.screening import CallScreening, RequestRejected, check_extensions
from .call.outbound.call_request import CallFailed, CallProgress
from .call.outbound.hunt import OutgoingCall
from .call.outbound.originate import CallOptions, Originator
from .call_policy import Terms
from .clock import now_s
from .events import CertificateShown, OnEvent, ignore_event
from .leg import LegError
from .media.engine import MediaEngine
from .sdp.negotiation import Negotiation, SdpError
from .sip.body import SDP_TYPE
from .sip.challenge import Challenger
from .sip.dialog import Dialog
from .sip.digest import Credentials
from .sip.endpoint import RETRY_AFTER_S, Endpoint, MessageTrace
from .sip.flood_guard import FloodGuard
from .sip.hop import Hop
from .sip.message import Request, SipError, new_tag, respond
from .sip.replaces import Replaces
from .sip.transaction import Key as TransactionKey
from .sip.transaction import Transaction
from .trunk.registry import TrunkRegistry, Trunks

__all__ = [
    "AgentConfig",
    "CallFailed",
    "CallOptions",
    "CallProgress",
    "Credentials",
    "IncomingCall",
    "LegError",
    "OutgoingCall",
    "SipLeg",
    "UserAgent",
]

BYE_PATIENCE_S = 2.0
"""How long `stop` waits for peers to confirm that they have been hung up."""
HEARTBEAT_S = 0.1
"""How often the event loop's lag is looked at."""
log = logging.getLogger(__name__)

OnCall = Callable[[IncomingCall], Awaitable[None]]


class UserAgent:
    """Belongs to the event loop that starts it.

    Args:
        config: see there.
        media: a started engine.
        on_call: called in a task of its own for each new call. A call that it neither answers nor rejects gets 480.
        trunks: whom we know; None: nobody, as with a registry without trunks.
        guard: turns sources away before anything is read.
        trace: keeps what was said on the wire.
        on_event: is told of calls and refusals.
    """

    def __init__(
        self,
        config: AgentConfig,
        media: MediaEngine,
        on_call: OnCall | None,
        *,
        trunks: Trunks | None = None,
        guard: FloodGuard | None = None,
        trace: MessageTrace | None = None,
        on_event: OnEvent = ignore_event,
    ) -> None:
        self._config = config
        self._media = media
        self._on_call = on_call
        self._changed = asyncio.Event()
        self._endpoint = Endpoint(
            config.listening,
            config.user_agent,
            self,
            guard=guard,
            trace=trace,
            on_certificate=lambda shown: on_event(CertificateShown(shown)),
        )
        self._trunks: Trunks = trunks if trunks is not None else TrunkRegistry()
        self._guard = guard
        self._admission = Admission(config.max_calls, config.max_new_per_s, descriptors.scarce)
        self._screening = CallScreening(
            self._endpoint,
            self._trunks,
            self._admission,
            lambda: self.active_calls,
            anonymous=TrunklessLimit(config.max_calls, self._trunks.exist) if config.open else None,
            guard=guard,
            on_event=on_event,
            challenger=Challenger(config.realm),
        )
        self._dialogs = DialogTable(self._changed.set)
        self._accounting = CallAccounting(on_event)
        self._originator = Originator(
            self._endpoint, self._trunks, media, self._dialogs, self._accounting, self.on_over, self._changed.set
        )
        self._pending: dict[TransactionKey, IncomingCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heartbeat: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """Of UDP and TCP; the real one after `start`."""
        return self._endpoint.port

    @property
    def tls_port(self) -> int:
        """The real one after `start`; 0 without TLS."""
        return self._endpoint.tls_port

    @property
    def accepting(self) -> bool:
        """Whether new calls are taken."""
        return self._heartbeat is not None and not self._admission.draining

    @property
    def active_calls(self) -> int:
        """Ringing, being dialled, and talking."""
        return self._dialogs.live + len(self._pending) + len(self._originator.outgoing)

    async def start(self) -> None:
        """Open the ports, then start the trunks. Raises OSError with words when a port is taken."""
        await self._endpoint.start()
        self._beat()
        await self._trunks.start(self._endpoint)
        log.info("SIP is listening", extra={"hosts": self._config.hosts, "port": self.port})

    def drain(self) -> None:
        """Refuse new calls with 503 from now on, and OPTIONS too, so that carriers send them elsewhere."""
        self._admission.draining = True

    async def stop(self, grace_s: float = 0) -> None:
        """Drain, wait up to `grace_s` for the live calls, hang up what is left, close the port."""
        self.drain()
        await self._wait_until(lambda: self.active_calls == 0, grace_s)
        for incoming in list(self._pending.values()):
            incoming.reject(503, retry_after_s=RETRY_AFTER_S)
        for outgoing in list(self._originator.outgoing):
            outgoing.give_up()
        for leg in self._dialogs:
            leg.end()
        await self._wait_until(lambda: not len(self._dialogs) and not self._originator.outgoing, BYE_PATIENCE_S)
        for leg in self._dialogs:
            leg.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._trunks.stop()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        await self._endpoint.close()

    # ── calls that we place ──

    async def call(self, uri: str, **options: Unpack[CallOptions]) -> SipLeg:
        """Place a call and wait until it is answered: `dial` in one step.

        Cancelling the task cancels the call, also when it is being answered at that moment. Raises LegError as `dial`
        and `OutgoingCall.answered` do.
        """
        outgoing = self.dial(uri, **options)
        try:
            return await outgoing.answered()
        except asyncio.CancelledError:
            outgoing.give_up()
            raise

    def dial(self, uri: str, **options: Unpack[CallOptions]) -> OutgoingCall:
        """Begin to place a call, see `CallOptions` and `Originator.dial`."""
        return self._originator.dial(uri, options)

    # ── sip.endpoint.User ──

    def on_ack(self, request: Request) -> None:
        """An ACK to a 2xx."""
        leg = self._dialogs.leg_of(request)
        if leg is not None:
            leg.on_ack(request)
            self._accounting.confirmed(leg)
            if self._guard is not None:
                self._guard.proved(leg.dialog.hop.host, now_s())

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        """Decide what a new request is about (RFC 3261 section 8.2)."""
        try:
            if merged:
                raise SipError(482, "Loop Detected")
            if request.method == "CANCEL":
                self._on_cancel(transaction, request)
            elif request.head.to.tag:
                check_extensions(request, Terms())
                self._on_in_dialog(transaction, request, source)
            else:
                self._on_out_of_dialog(transaction, request, source)
        except RequestRejected as refusal:
            self._reply(transaction, refusal.status, refusal.reason, refusal.headers, cheap=refusal.cheap)
        except SipError as error:
            self._reply(transaction, error.status, error.reason, error.headers)

    def _on_cancel(self, transaction: Transaction, request: Request) -> None:
        invite = self._endpoint.invite_of(request)
        if invite is None:
            raise SipError(481, "")
        self._reply(transaction, 200)
        incoming = self._pending.get(invite.key)
        if incoming is not None:
            incoming.cancel(request)

    def _on_in_dialog(self, transaction: Transaction, request: Request, source: Hop) -> None:
        party = self._dialogs.leg_of(request) or self._dialogs.early_of(request)
        if party is None:
            raise SipError(481, "")
        party.on_request(transaction, request, source)

    def _on_out_of_dialog(self, transaction: Transaction, request: Request, source: Hop) -> None:
        match request.method:
            case "INVITE":
                self._on_invite(transaction, request, source)
            case "OPTIONS":
                check_extensions(request, Terms())
                if self._admission.draining:
                    self._screening.full(source.host)
                contact = [("Contact", self._endpoint.contact(source))]
                more = [("Accept", SDP_TYPE), ("Accept-Encoding", "")]
                self._reply(transaction, 200, headers=[*contact, *capabilities(), *more])
            case "REGISTER":
                answer = self._trunks.register(request, source, now_s())
                self._reply(transaction, answer.status, answer.reason, list(answer.headers), cheap=True)
            case "BYE" | "PRACK" | "UPDATE" | "INFO" | "NOTIFY":
                raise SipError(481, "")
            case "REFER":
                raise SipError(403, "")
            case _:
                raise RequestRejected(405, [("Allow", ALLOW)])

    def _on_invite(self, transaction: Transaction, request: Request, source: Hop) -> None:
        self._screening.full(source.host)
        caller = self._screening.identify(request, source)
        self._screening.check(request, source, caller.terms)
        replaces = Replaces.of(request)
        if replaces is not None:
            self._on_replaces(transaction, request, source, caller, replaces)
            return
        if self._on_call is None:
            raise SipError(480, "")
        dialog = Dialog.as_server(request, new_tag(), source)
        lease = self._screening.admit(caller, source.host)
        self._endpoint.respond(transaction, respond(request, 100))
        incoming = IncomingCall(self._endpoint, self._media, transaction, dialog, caller, self)
        self._pending[transaction.key] = incoming
        self._dialogs.add_early(incoming.early)
        self._accounting.came(incoming, lease)
        task = asyncio.get_running_loop().create_task(self._run(incoming, self._on_call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_replaces(
        self, transaction: Transaction, request: Request, source: Hop, caller: IdentifiedCaller, replaces: Replaces
    ) -> None:
        found = find_replaced(self._dialogs, replaces, caller, source)
        dialog = Dialog.as_server(request, new_tag(), source)
        self._endpoint.respond(transaction, respond(request, 100))
        try:
            if isinstance(found, SipLeg):
                negotiation = Negotiation(found.media, self._endpoint.local_host(source), caller.terms, source.host)
                old = found.dialog.key
                found.adopt(transaction, request, dialog, negotiation)
                self._dialogs.moved(found, old)
            elif found.pick_up is not None:
                found.pick_up(transaction, request, dialog, caller.terms)
        except SdpError as error:
            raise SipError(error.status, str(error), headers=error.headers) from error
        except LegError as error:
            raise SipError(603, "") from error

    async def _run(self, incoming: IncomingCall, on_call: OnCall) -> None:
        try:
            await on_call(incoming)
        except Exception:  # one call's failure must not touch the others
            log.exception("the handler of a call failed", extra={"sip_call_id": incoming.id})
            incoming.reject(500)
        finally:
            incoming.reject(480)

    # ── incoming.Party ──

    def on_answered(self, incoming: IncomingCall, leg: SipLeg) -> None:
        """It becomes a leg."""
        self._decided(incoming)
        self._dialogs.add(leg)
        self._accounting.answered(incoming, leg)

    def on_refused(self, incoming: IncomingCall, status: int) -> None:
        """It does not."""
        self._decided(incoming)
        self._accounting.refused(incoming, status)

    def on_over(self, leg: SipLeg) -> None:
        """Nothing more can come for a leg."""
        self._dialogs.remove(leg)

    def elsewhere(self, trunk: str, uri: URI) -> URI | None:
        """See `Trunks`."""
        return self._trunks.elsewhere(trunk, uri)

    def _decided(self, incoming: IncomingCall) -> None:
        self._pending.pop(incoming.transaction.key, None)
        self._dialogs.remove_early(incoming.early)
        self._changed.set()

    # ── the rest ──

    def _reply(
        self,
        transaction: Transaction,
        status: int,
        reason: str = "",
        headers: Headers | None = None,
        *,
        cheap: bool = False,
    ) -> None:
        response = respond(
            transaction.request, status, reason, tag=self._screening.tag(transaction.request), headers=headers or ()
        )
        if status >= 300 and (cheap or self._endpoint.crowded):
            self._endpoint.dismiss(transaction, response)
        else:
            self._endpoint.respond(transaction, response)

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time() + HEARTBEAT_S
        self._admission.beat(loop.time(), next_s)
        relief_s = self._admission.relief_s(loop.time())
        if relief_s is not None and self._guard is not None:
            self._guard.strain(relief_s)
        self._heartbeat = loop.call_at(next_s, self._beat)

    async def _wait_until(self, condition: Callable[[], bool], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return
