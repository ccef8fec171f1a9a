"""The SIP user agent: takes calls and places them, over UDP and TCP on one port.

`UserAgent` decides what each request means; `IncomingCall` rings, `Outbound` dials, `SipLeg` is a call in progress,
`sip.Endpoint` carries it all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from . import sdp
from .admission import Trunks
from .engine import MediaEngine, PortsExhausted
from .happenings import Watch, unwatched
from .incoming import IncomingCall
from .leg import LegError
from .outbound import Outbound, Wish
from .sip.dialog import Dialog, Key
from .sip.digest import Credentials
from .sip.endpoint import RETRY_AFTER_S, Endpoint, Gate, Listening, TlsServer, Trace
from .sip.hop import Hop
from .sip.knock import refused
from .sip.message import Request, SipError, new_tag, parse_uri, respond
from .sip.transaction import Key as TransactionKey
from .sip.transaction import Transaction
from .sipleg import ALLOW, SDP_TYPE, SipLeg

__all__ = ["AgentConfig", "Credentials", "IncomingCall", "LegError", "SipLeg", "UserAgent"]

FAREWELL_S = 2.0
"""How long `stop` waits for peers to confirm that they have been hung up."""
_NO_OFFER_PORT = 9

log = logging.getLogger(__name__)

OnCall = Callable[[IncomingCall], Awaitable[None]]
Headers = list[tuple[str, str]]


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
    """New incoming calls per second; more get 503 with Retry-After."""
    tls: TlsServer | None = None
    """Certificate and key for callers by TLS; None: no TLS port."""
    tls_port: int = 5061
    nameservers: tuple[str, ...] = ()
    """Asked for NAPTR, SRV and addresses; the system's when empty."""
    open: bool = True
    """Whether callers that belong to no trunk are taken."""

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
        self.accepting = False
        self._config = config
        self._media = media
        self._trunks = trunks
        self._watch = watch
        self._on_call = on_call
        self._endpoint = Endpoint(config.listening, config.user_agent, self, gate=gate, trace=trace)
        self._legs: dict[Key, SipLeg] = {}
        self._pending: dict[TransactionKey, IncomingCall] = {}
        self._dialling: set[Outbound] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """The real one after `start`."""
        return self._endpoint.port

    @property
    def active_calls(self) -> int:
        """Ringing, being dialled, and talking."""
        talking = sum(not leg.closed.done() for leg in self._legs.values())
        return talking + len(self._pending) + len(self._dialling)

    async def start(self) -> None:
        """Open the port. Raises OSError with words when it is taken."""
        await self._endpoint.start()
        self.accepting = True
        log.info("SIP is listening", extra={"host": self._config.listen, "port": self.port})

    async def stop(self, grace_s: float = 0) -> None:
        """Refuse new calls with 503, wait up to `grace_s` for the live ones, hang up what is left, close the port."""
        self.accepting = False
        await self._wait_until(lambda: self.active_calls == 0, grace_s)
        for incoming in list(self._pending.values()):
            incoming.reject(503, retry_after_s=RETRY_AFTER_S)
        for outbound in list(self._dialling):
            outbound.give_up()
        for leg in list(self._legs.values()):
            leg.end("local")
        await self._wait_until(lambda: not self._legs, FAREWELL_S)
        for leg in list(self._legs.values()):
            leg.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._endpoint.close()

    async def call(
        self,
        uri: str,
        *,
        from_name: str = "voicebot",
        headers: Mapping[str, str] | None = None,
        ring_s: float = 20.0,
        credentials: Credentials | None = None,
    ) -> SipLeg:
        """Place a call and wait until it is answered.

        Cancelling the task cancels the call, also when it is being answered at that moment. Raises LegError with the
        peer's status, 408 after `ring_s`, 503 when nobody can be reached; ValueError for a header that is ours to set.
        """
        try:
            wish = Wish(parse_uri(uri), from_name, headers or {}, credentials)
            hop = (await self._endpoint.resolve(wish.uri))[0]
            media = self._media.open()
        except SipError as error:
            raise LegError(error.status, error.reason) from error
        except (OSError, UnicodeError) as error:
            raise LegError(503, f"{uri} cannot be resolved: {error}") from error
        except PortsExhausted as error:
            raise LegError(503, "No Media Port Free") from error
        outbound = Outbound(self._endpoint, media, wish, hop, self._add, self._remove)
        self._dialling.add(outbound)
        knocking = asyncio.create_task(self._knock(hop, outbound))
        try:
            outbound.start()
            async with asyncio.timeout(ring_s):
                return await asyncio.shield(outbound.result)
        except TimeoutError:
            outbound.give_up()
            raise LegError(408, "No Answer") from None
        except asyncio.CancelledError:
            outbound.give_up()
            raise
        finally:
            knocking.cancel()
            self._dialling.discard(outbound)
            self._changed.set()

    @staticmethod
    async def _knock(hop: Hop, outbound: Outbound) -> None:
        if await refused(hop):
            outbound.unreachable(f"nobody listens at {hop.host}:{hop.port} (UDP)")

    # ── sip.endpoint.User ──

    def on_ack(self, request: Request) -> None:
        """An ACK to a 2xx."""
        leg = self._legs.get(_dialog_key(request))
        if leg is not None:
            leg.on_ack(request)

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        """Decide what a new request is about (RFC 3261 section 8.2)."""
        try:
            if merged:
                raise SipError(482, "Loop Detected")
            if request.method == "CANCEL":
                self._on_cancel(transaction, request)
                return
            _check_extensions(request)
            if request.head.to.tag:
                self._on_in_dialog(transaction, request, source)
            else:
                self._on_out_of_dialog(transaction, request, source)
        except _Refusal as refusal:
            self._reply(transaction, refusal.status, refusal.reason, refusal.headers)
        except SipError as error:
            self._reply(transaction, error.status, error.reason)

    def _on_cancel(self, transaction: Transaction, request: Request) -> None:
        invite = self._endpoint.invite_of(request)
        if invite is None:
            raise SipError(481, "")
        self._reply(transaction, 200)
        incoming = self._pending.get(invite.key)
        if incoming is not None:
            incoming.cancel()

    def _on_in_dialog(self, transaction: Transaction, request: Request, source: Hop) -> None:
        leg = self._legs.get(_dialog_key(request))
        if leg is not None:
            leg.on_request(transaction, request, source)
            return
        for incoming in self._pending.values():
            if incoming.dialog.key == _dialog_key(request) and request.method == "BYE":
                self._reply(transaction, 200)
                incoming.cancel()
                return
        raise SipError(481, "")

    def _on_out_of_dialog(self, transaction: Transaction, request: Request, source: Hop) -> None:
        match request.method:
            case "INVITE":
                self._on_invite(transaction, request, source)
            case "OPTIONS":
                self._reply(transaction, 200, headers=_capabilities(self._endpoint.contact(source)))
            case "BYE":
                raise SipError(481, "")
            case "REFER":
                raise SipError(403, "")
            case _:
                raise _Refusal(405, [("Allow", ALLOW)])

    def _on_invite(self, transaction: Transaction, request: Request, source: Hop) -> None:
        if not self.accepting or self.active_calls >= self._config.max_calls:
            raise _Refusal(503, [("Retry-After", str(RETRY_AFTER_S))])
        if self._on_call is None:
            raise SipError(480, "")
        if request.uri.scheme == "sips":
            raise SipError(416, "")
        _check_offer(request, self._endpoint.local_host(source))
        dialog = Dialog.as_server(request, new_tag(), source)
        self._endpoint.respond(transaction, respond(request, 100))
        incoming = IncomingCall(
            self._endpoint, self._media, transaction, dialog, self._answered, self._refused, self._remove
        )
        self._pending[transaction.key] = incoming
        task = asyncio.get_running_loop().create_task(self._run(incoming, self._on_call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, incoming: IncomingCall, on_call: OnCall) -> None:
        try:
            await on_call(incoming)
        except Exception:  # one call's failure must not touch the others
            log.exception("the handler of a call failed", extra={"sip_call_id": incoming.id})
            incoming.reject(500)
        finally:
            incoming.reject(480)

    # ── book-keeping ──

    def _answered(self, incoming: IncomingCall, leg: SipLeg) -> None:
        self._pending.pop(incoming.transaction.key, None)
        self._add(leg)

    def _refused(self, incoming: IncomingCall) -> None:
        self._pending.pop(incoming.transaction.key, None)
        self._changed.set()

    def _add(self, leg: SipLeg) -> None:
        self._legs[leg.dialog.key] = leg
        leg.closed.add_done_callback(lambda _: self._changed.set())

    def _remove(self, leg: SipLeg) -> None:
        self._legs.pop(leg.dialog.key, None)
        self._changed.set()

    def _reply(self, transaction: Transaction, status: int, reason: str = "", headers: Headers | None = None) -> None:
        response = respond(transaction.request, status, reason, tag=new_tag(), headers=headers or ())
        if self._endpoint.crowded and status >= 300:
            self._endpoint.dismiss(transaction, response)
        else:
            self._endpoint.respond(transaction, response)

    async def _wait_until(self, condition: Callable[[], bool], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return


class _Refusal(SipError):
    """A refusal with headers."""

    def __init__(self, status: int, headers: Headers) -> None:
        super().__init__(status, "")
        self.headers = headers


def _dialog_key(request: Request) -> Key:
    head = request.head
    return (head.call_id, head.to.tag, head.from_.tag)


def _capabilities(contact: str) -> Headers:
    return [("Contact", contact), ("Allow", ALLOW), ("Accept", SDP_TYPE), ("Accept-Encoding", ""), ("Supported", "")]


def _check_extensions(request: Request) -> None:
    """We support no extension that can be required (RFC 3261 section 8.2.2.3)."""
    wanted = [tag for value in request.headers.getlist("Require") for tag in value.split(",") if tag.strip()]
    if wanted:
        raise _Refusal(420, [("Unsupported", ", ".join(tag.strip() for tag in wanted))])


def _check_offer(request: Request, ip: str) -> None:
    """Refuse at once what could not be answered later (RFC 3261 section 8.2.3, RFC 3264)."""
    encoding = request.headers.get("Content-Encoding", "identity") or "identity"
    if encoding.lower() != "identity":
        raise _Refusal(415, [("Accept-Encoding", "identity")])
    if not request.body:
        return
    kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind != SDP_TYPE:
        raise _Refusal(415, [("Accept", SDP_TYPE)])
    try:
        sdp.answer(request.body, ip, _NO_OFFER_PORT, session_id=0, version=0)
    except sdp.SdpError as error:
        raise SipError(error.status, str(error)) from error
