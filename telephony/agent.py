"""The SIP user agent: takes calls and places them, over UDP, TCP and TLS.

`UserAgent` decides what each request means. `Doorkeeper` says who may come in, `IncomingCall` rings, `Dialling` calls
others, `SipLeg` is a call in progress, `sip.Endpoint` carries it all.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sipmessage import URI

from .account import Account
from .admission import Admission
from .capabilities import ALLOW, SDP_TYPE, Headers, capabilities
from .dialling import Dialling
from .dialogs import Dialogs
from .doorkeeper import Doorkeeper, Refusal, check_extensions
from .engine import MediaEngine, PortsExhausted
from .happenings import Watch, unwatched
from .incoming import Entry, IncomingCall
from .leg import LegError
from .negotiation import Negotiation, SdpError
from .order import CallFailed, Order, Progress
from .pickup import find_replaced
from .sip.dialog import Dialog
from .sip.digest import Credentials, Login
from .sip.endpoint import RETRY_AFTER_S, Endpoint, Listening, TlsServer, Trace
from .sip.gate import Gate
from .sip.grammar import is_token
from .sip.hop import Hop
from .sip.message import Request, SipError, new_tag, parse_uri, respond
from .sip.replaces import Replaces
from .sip.transaction import Key as TransactionKey
from .sip.transaction import Transaction
from .sipleg import SipLeg
from .terms import Terms
from .trunk.book import TrunkBook, Trunks
from .trunk.dress import Caller, Dress
from .trunk.limits import Refusal as NoRoom
from .trunk.model import Trunk
from .trunk.ways import Way

__all__ = [
    "AgentConfig",
    "CallFailed",
    "Credentials",
    "Dialling",
    "IncomingCall",
    "LegError",
    "Progress",
    "SipLeg",
    "UserAgent",
]

FAREWELL_S = 2.0
"""How long `stop` waits for peers to confirm that they have been hung up."""
HEARTBEAT_S = 0.1
"""How often the event loop's lag is looked at."""
_OURS = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type", "route"}
    | {"record-route", "allow", "authorization", "proxy-authorization", "user-agent", "supported", "require"}
    | {"session-expires", "min-se", "rseq", "rack"}
)

log = logging.getLogger(__name__)

OnCall = Callable[[IncomingCall], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Where the agent listens and how much it takes on."""

    listen: str | tuple[str, ...] = "127.0.0.1"
    """One address or several (IPv4 and IPv6)."""
    port: int = 5060
    """Of UDP and TCP; 0 for any free one."""
    advertise: str | None = None
    """Our address as peers see it (behind NAT); an address literal."""
    max_calls: int = 50
    """Calls at one time, either way; one more gets 503 with Retry-After."""
    user_agent: str = "voicebot"
    max_new_per_s: float = 50.0
    """New incoming calls per second, a second's worth at once; half of it is kept for trunks. More get 503."""
    tls: TlsServer | None = None
    """Certificate and key for callers by TLS; None: no TLS port."""
    tls_port: int = 5061
    nameservers: tuple[str, ...] = ()
    """Asked for NAPTR, SRV and addresses; the system's when empty."""
    open: bool = True
    """Whether callers that belong to no trunk are taken."""
    realm: str = "voicebot"
    """Of the digest challenges to callers on trunks with users."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """All listening addresses."""
        return (self.listen,) if isinstance(self.listen, str) else self.listen

    @property
    def listening(self) -> Listening:
        """The same for the endpoint."""
        return Listening(self.hosts, self.port, self.advertise, self.tls, self.tls_port, self.nameservers)


class UserAgent:
    """Belongs to the event loop that starts it.

    Args:
        config: see there.
        media: a started engine.
        on_call: called in a task of its own for each new call. A call that it neither answers nor rejects gets 480.
        trunks: whom we know; None: nobody, as with a book without trunks.
        gate: turns sources away before anything is read.
        trace: keeps what was said on the wire.
        watch: is told of calls and refusals.
    """

    def __init__(
        self,
        config: AgentConfig,
        media: MediaEngine,
        on_call: OnCall | None,
        *,
        trunks: Trunks | None = None,
        gate: Gate | None = None,
        trace: Trace | None = None,
        watch: Watch = unwatched,
    ) -> None:
        self._config = config
        self._media = media
        self._on_call = on_call
        self._changed = asyncio.Event()
        self._endpoint = Endpoint(config.listening, config.user_agent, self, gate=gate, trace=trace)
        self._trunks: Trunks = trunks if trunks is not None else TrunkBook()
        self._gate = gate
        self._admission = Admission(config.max_calls, config.max_new_per_s)
        self._door = Doorkeeper(
            self._endpoint,
            self._trunks,
            self._admission,
            lambda: self.active_calls,
            strangers=config.open,
            gate=gate,
            watch=watch,
            realm=config.realm,
        )
        self._dialogs = Dialogs(self._changed.set)
        self._account = Account(watch)
        self._pending: dict[TransactionKey, IncomingCall] = {}
        self._dialling: set[Dialling] = set()
        self._logins: dict[Credentials, Login] = {}
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
        return self._dialogs.talking + len(self._pending) + len(self._dialling)

    async def start(self) -> None:
        """Open the ports, then start the trunks. Raises OSError with words when a port is taken."""
        await self._endpoint.start()
        self._beat(asyncio.get_running_loop().time())
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
        for dialling in list(self._dialling):
            dialling.give_up()
        for leg in self._dialogs:
            leg.end("local")
        await self._wait_until(lambda: not len(self._dialogs) and not self._dialling, FAREWELL_S)
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

    async def call(
        self,
        uri: str,
        *,
        from_name: str = "",
        from_user: str = "",
        private: bool = False,
        headers: Mapping[str, str] | None = None,
        ring_s: float = 20.0,
        credentials: Credentials | None = None,
        trunk: str | None = None,
        terms: Terms | None = None,
        late_offer: bool = False,
    ) -> SipLeg:
        """Place a call and wait until it is answered: `dial` in one step.

        Cancelling the task cancels the call, also when it is being answered at that moment. Raises LegError as
        `Dialling.answered` does.
        """
        dialling = self.dial(
            uri,
            from_name=from_name,
            from_user=from_user,
            private=private,
            headers=headers,
            ring_s=ring_s,
            credentials=credentials,
            trunk=trunk,
            terms=terms,
            late_offer=late_offer,
        )
        try:
            return await dialling.answered()
        except asyncio.CancelledError:
            dialling.give_up()
            raise

    def dial(
        self,
        uri: str,
        *,
        from_name: str = "",
        from_user: str = "",
        private: bool = False,
        headers: Mapping[str, str] | None = None,
        ring_s: float = 20.0,
        credentials: Credentials | None = None,
        trunk: str | None = None,
        terms: Terms | None = None,
        late_offer: bool = False,
    ) -> Dialling:
        """Begin to place a call.

        Args:
            uri: ``sip:``, ``sips:`` or ``tel:``; a host that is a trunk's name means that trunk.
            from_name, from_user: who calls; the trunk says so when empty.
            private: hide that from the called party (RFC 3323).
            headers: more of them; values lose their control characters.
            ring_s: how long to wait for the answer, in seconds.
            credentials: for challenges, instead of the trunk's.
            trunk: name of the trunk to call over, instead of the one that `uri` names.
            terms: of this call, instead of the trunk's.
            late_offer: leave the offer to the called party.

        Raises LegError at once: 403 the trunk may not be used for that, 404 no such trunk, 416 and 400 a URI that
        cannot be called, 503 the trunk is full, or no media port is free; ValueError for a header that is ours to set.
        """
        for name in headers or {}:
            if not is_token(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} cannot be set on a call")
        target = _parse(uri)
        line = self._trunk_for(target, trunk)
        terms = terms or self._trunks.terms(line)
        ticket = None if line is None else self._trunks.admit(line, _now())
        if isinstance(ticket, NoRoom):
            raise LegError(ticket.status, f"no room on trunk {line.name if line else ''} ({ticket.why})")
        try:
            media = self._media.open()
        except PortsExhausted as error:
            if ticket is not None:
                ticket.release()
            raise LegError(503, "No Media Port Free") from error
        caller = Caller(from_user, from_name, private)

        def dress(way: Way) -> tuple[Dress, Login | None]:
            worn = self._trunks.dress(line, caller, way.hop)
            return worn, self._login(credentials or worn.credentials)

        call_id, more = secrets.token_hex(16), tuple((headers or {}).items())
        order = Order(self._endpoint, self._dialogs, media, target, terms, call_id, more, late_offer)
        order.on_over = self.on_over
        dialling = Dialling(
            order,
            lambda to: self._trunks.ways(line, to),
            dress,
            lambda to: line is None or self._trunks.allowed(line, to),
            ring_s,
        )
        self._dialling.add(dialling)
        dialling.on_done(lambda outcome: self._dialled(dialling, outcome))
        self._account.placed(dialling, terms.trunk, ticket)
        return dialling

    def _dialled(self, dialling: Dialling, outcome: SipLeg | LegError) -> None:
        self._dialling.discard(dialling)
        self._changed.set()

    def _trunk_for(self, uri: URI, name: str | None) -> Trunk | None:
        """The trunk to call over. Raises LegError."""
        trunk = self._trunks.of_uri(uri) if name is None else self._trunks.get(name)
        if trunk is None:
            if name is not None:
                raise LegError(404, f"there is no trunk {name!r}")
            if uri.scheme == "tel":
                raise LegError(404, f"{uri} needs a trunk")
        elif not self._trunks.allowed(trunk, uri):
            raise LegError(403, f"{uri} is not among the destinations of trunk {trunk.name}")
        return trunk

    def _login(self, credentials: Credentials | None) -> Login | None:
        return None if credentials is None else self._logins.setdefault(credentials, Login(credentials))

    # ── sip.endpoint.User ──

    def on_ack(self, request: Request) -> None:
        """An ACK to a 2xx."""
        leg = self._dialogs.leg_of(request)
        if leg is not None:
            leg.on_ack(request)
            if self._gate is not None:
                self._gate.proved(leg.dialog.hop.host, _now())

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
        except Refusal as refusal:
            self._reply(transaction, refusal.status, refusal.reason, refusal.headers, cheap=refusal.cheap)
        except SipError as error:
            self._reply(transaction, error.status, error.reason)

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
                    self._door.full(source.host)
                contact = [("Contact", self._endpoint.contact(source))]
                more = [("Accept", SDP_TYPE), ("Accept-Encoding", "")]
                self._reply(transaction, 200, headers=[*contact, *capabilities(), *more])
            case "REGISTER":
                answer = self._trunks.register(request, source, _now())
                if answer.status == 405:
                    raise Refusal(405, [("Allow", ALLOW)])
                self._reply(transaction, answer.status, answer.reason, list(answer.headers))
            case "BYE" | "PRACK" | "UPDATE" | "INFO" | "NOTIFY":
                raise SipError(481, "")
            case "REFER":
                raise SipError(403, "")
            case _:
                raise Refusal(405, [("Allow", ALLOW)])

    def _on_invite(self, transaction: Transaction, request: Request, source: Hop) -> None:
        self._door.full(source.host)
        entry = self._door.identify(request, source)
        self._door.check(request, source, entry.terms)
        replaces = Replaces.of(request)
        if replaces is not None:
            self._on_replaces(transaction, request, source, entry, replaces)
            return
        if self._on_call is None:
            raise SipError(480, "")
        dialog = Dialog.as_server(request, new_tag(), source)
        ticket = self._door.admit(entry, source.host)
        self._endpoint.respond(transaction, respond(request, 100))
        incoming = IncomingCall(self._endpoint, self._media, transaction, dialog, entry, self)
        self._pending[transaction.key] = incoming
        self._dialogs.add_early(incoming.early)
        self._account.came(incoming, ticket)
        task = asyncio.get_running_loop().create_task(self._run(incoming, self._on_call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_replaces(
        self, transaction: Transaction, request: Request, source: Hop, entry: Entry, replaces: Replaces
    ) -> None:
        leg = find_replaced(self._dialogs, replaces, entry, source)
        dialog = Dialog.as_server(request, new_tag(), source)
        negotiation = Negotiation(leg.media, self._endpoint.local_host(source), entry.terms, source.host)
        old = leg.dialog.key
        self._endpoint.respond(transaction, respond(request, 100))
        try:
            leg.adopt(transaction, request, dialog, negotiation)
        except SdpError as error:
            raise SipError(error.status, str(error)) from error
        except LegError as error:
            raise SipError(603, "") from error
        self._dialogs.moved(leg, old)

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
        self._account.answered(incoming, leg)

    def on_refused(self, incoming: IncomingCall, status: int) -> None:
        """It does not."""
        self._decided(incoming)
        self._account.refused(incoming, status)

    def on_over(self, leg: SipLeg) -> None:
        """Nothing more can come for a leg."""
        self._dialogs.remove(leg)

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
            transaction.request, status, reason, tag=self._door.tag(transaction.request), headers=headers or ()
        )
        if status >= 300 and (cheap or self._endpoint.crowded):
            self._endpoint.dismiss(transaction, response)
        else:
            self._endpoint.respond(transaction, response)

    def _beat(self, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._admission.lagged(now_s - due_s, now_s)
        self._heartbeat = loop.call_at(now_s + HEARTBEAT_S, self._beat, now_s + HEARTBEAT_S)

    async def _wait_until(self, condition: Callable[[], bool], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return


def _parse(uri: str) -> URI:
    try:
        return parse_uri(uri)
    except SipError as error:
        raise LegError(error.status, f"{uri}: {error.reason}") from error


def _now() -> float:
    return asyncio.get_running_loop().time()
