"""Sockets, parser and transactions wired together on the event loop; users see checked requests and responses."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Protocol

from sipmessage import URI

from ..clock import now_s
from . import message as sip
from .dialog import via_of
from .failed_hops import PENALTY_S, FailedHops
from .grammar import Via
from .hop import Hop, answer_hop, bracketed, stamp
from .keepalive import KeepAlive
from .listen_sockets import ListenConfig, family_of
from .message import Request, Response, SipError, encode, new_tag, respond
from .resolve import DnsClient, Resolver
from .tls import ShownCertificate, TlsClient, TlsServer, TlsSession
from .transaction import Answered, Arrived, Failed, Output, Overloaded, Send, Transaction, Transactions
from .transport import Transport

__all__ = [
    "RETRY_AFTER_S",
    "Endpoint",
    "ListenConfig",
    "Listener",
    "MessageTrace",
    "SourceFilter",
    "TlsClient",
    "TlsServer",
    "TransactionUser",
]

RETRY_AFTER_S = 5
"""What a refused caller is told to wait under overload."""

_QUOTED = re.compile(rb"([A-Z]{1,32}) .*?\r\nVia:[^\r\n]*;branch=([\w.\-]{8,128})", re.DOTALL)
"""What is looked for in the piece of a request of ours that ICMP quotes."""

log = logging.getLogger(__name__)

Listener = Callable[[Response | int], None]


class TransactionUser(Protocol):
    """Whoever answers requests."""

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        """A new request; it has to be answered with `Endpoint.respond`."""

    def on_ack(self, request: Request) -> None:
        """An ACK to a 2xx."""


class SourceFilter(Protocol):
    """Turns sources away before anything is read."""

    def admits(self, host: str, now_s: float, data: bytes = b"") -> bool:
        """Whether a connection (`data` empty) or this message of that address may come in; `now_s`: the loop's time."""


class MessageTrace(Protocol):
    """Keeps what was said on the wire."""

    def note(self, outgoing: bool, hop: Hop, local: str, data: bytes) -> None:
        """A message came from or goes to `hop`; `local` is ``host:port`` of ours."""

    def refused(self, hop: Hop, local: str, data: bytes, why: str) -> None:
        """What came from `hop` could not be read."""

    def remark(self, call_id: str, text: str) -> None:
        """Something that is no message, for whoever reads the call's messages."""


class Endpoint:
    """One SIP port, UDP and TCP on every listening address, and one for TLS. Belongs to the event loop.

    Args:
        listening: where.
        name: User-Agent and Server.
        user: answers requests.
        guard: asked before anything is parsed; None: everybody may come in.
        trace: is shown every message; None: nobody looks.
        on_certificate: gets the certificate that callers by TLS are shown, at the start and when it was renewed.

    Raises ValueError for a nameserver that is no address.
    """

    def __init__(
        self,
        listening: ListenConfig,
        name: str,
        user: TransactionUser,
        *,
        guard: SourceFilter | None = None,
        trace: MessageTrace | None = None,
        on_certificate: Callable[[ShownCertificate], None] = lambda _: None,
    ) -> None:
        self._user = user
        self._name = name
        self._listening = listening
        self._guard = guard
        self._trace = trace
        self._transport = Transport(listening, self._on_message, self._on_lost, self._admits, on_certificate)
        self._resolver = Resolver(DnsClient(listening.nameservers), listening.families)
        self._failed_hops = FailedHops()
        self._transactions = Transactions()
        self._keepalives: list[KeepAlive] = []
        self._timer: asyncio.TimerHandle | None = None
        self._source: Hop | None = None

    @property
    def port(self) -> int:
        """Of UDP and TCP; the real one after `start`."""
        return self._transport.port

    def remark(self, call_id: str, text: str) -> None:
        """Write a sentence between the messages of a call in the trace."""
        if self._trace is not None:
            self._trace.remark(call_id, text)

    @property
    def tls_port(self) -> int:
        """The real one after `start`; 0 when we do not listen for TLS."""
        return self._transport.tls_port

    @property
    def profiles(self) -> dict[str, TlsClient]:
        """TLS by name, for `Hop.profile`; hops without a profile use "", or the system's authorities."""
        return self._transport.profiles

    @property
    def crowded(self) -> bool:
        """Many transactions are alive, see `Transactions.crowded`."""
        return self._transactions.crowded

    async def start(self) -> None:
        """Open the sockets. Raises OSError, TlsError for a certificate of ours that cannot be used."""
        await self._transport.start()

    async def close(self) -> None:
        """Close the sockets and drop all state."""
        for keepalive in self._keepalives:
            keepalive.cancel()
        await self._transport.close()
        if self._timer is not None:
            self._timer.cancel()

    # ── addresses ──

    def local_host(self, towards: Hop) -> str:
        """Our address as that peer should see it, without brackets."""
        advertise = towards.advertise or self._listening.advertise
        if advertise:
            name = not advertise.replace(".", "").isdigit() and ":" not in advertise
            if towards.advertise or name or family_of(advertise) == family_of(towards.host):
                return advertise
        return self._transport.local_host(towards)

    def local_port(self, towards: Hop) -> int:
        """The port that the peer reaches us on by the transport of that hop."""
        return (self.tls_port or self.port) if towards.protocol == "tls" else self.port

    def via(self, towards: Hop) -> str:
        """The fixed part of our Via towards a peer."""
        return via_of(towards.protocol, self.local_host(towards), self.local_port(towards))

    def contact(self, towards: Hop, user: str = "", *, secure: bool = False) -> str:
        """Our Contact towards a peer.

        Args:
            user: of its URI.
            secure: the dialog's or registration's URI is ``sips:``, then this one is too (RFC 5630 section 3.1.4);
                ``sip:`` over TLS says ``transport=tls``, as carriers expect.
        """
        where = f"{user}@" * bool(user) + f"{bracketed(self.local_host(towards))}:{self.local_port(towards)}"
        if secure:
            return f"<sips:{where}>"
        return f"<sip:{where}>" if towards.protocol == "udp" else f"<sip:{where};transport={towards.protocol}>"

    async def resolve(self, uri: URI, profile: str = "", name: str = "") -> list[Hop]:
        """Where requests for a URI may go, in order of preference, those that failed lately last (RFC 3263).

        Args:
            uri: ``sip:`` or ``sips:``; the latter gives TLS hops only.
            profile: which of `profiles` a TLS hop uses.
            name: whom its certificate has to name; the URI's host when empty.

        Never empty; raises OSError with words.
        """
        hops = await self._resolver.hops(uri, profile, name)
        return self._failed_hops.order(hops, now_s())

    def penalise(self, hop: Hop, for_s: float = PENALTY_S) -> None:
        """Try `hop` last for a while. Happens by itself when it is not reached, does not answer, or says 503."""
        self._failed_hops.add(hop, now_s(), for_s)

    def why(self, hop: Hop) -> str:
        """Why a request to `hop` got 503 from the transport, in words; empty when nothing is known against it."""
        return self._transport.why(hop)

    def secured(self, hop: Hop) -> TlsSession | None:
        """What TLS has agreed on the connection of a hop, and whose certificate came; None without one."""
        return self._transport.secured(hop)

    def keep_alive(self, hop: Hop, every_s: float, on_dead: Callable[[str], None] | None = None) -> KeepAlive:
        """Send CRLF keepalives (RFC 5626) until the result is cancelled.

        Args:
            hop: UDP too. A TCP or TLS connection that is gone is opened again by the next one.
            every_s: at most this long between two.
            on_dead: gets the reason when the hop is found dead.
        """
        keepalive = KeepAlive(hop, every_s, self._transport.ping, on_dead)
        self._keepalives = [one for one in self._keepalives if not one.cancelled] + [keepalive]
        return keepalive

    # ── going out ──

    def respond(self, transaction: Transaction, response: Response) -> None:
        """Send a response."""
        self._sign(response)
        self._do(self._transactions.respond(transaction, response, now_s()))

    def dismiss(self, transaction: Transaction, response: Response) -> None:
        """Send a final response and keep no state of it."""
        self._sign(response)
        self._do(self._transactions.dismiss(transaction, response))

    def request(self, request: Request, hop: Hop, listener: Listener | None) -> Transaction:
        """Send a request; `listener` gets each response, or 408 or 503 when there was none (see `why`).

        What is asked of a ``sips:`` URI never leaves but by TLS (RFC 5630 section 3): 503 for other hops.
        """
        request.headers.set("User-Agent", self._name)
        transaction, outputs = self._transactions.request(request, hop, now_s())
        transaction.listener = listener
        if _would_leave_tls(request, hop):
            self._transactions.abandon(transaction)
            self._transport.note_failure(hop, f"a sips: request is not sent by {hop.protocol.upper()}")
            if listener is not None:
                asyncio.get_running_loop().call_soon(listener, 503)
        else:
            self._do(outputs)
        return transaction

    def abandon(self, transaction: Transaction) -> None:
        """See `Transactions.abandon`."""
        self._transactions.abandon(transaction)

    def hush(self, transaction: Transaction) -> None:
        """See `Transactions.hush`."""
        self._transactions.hush(transaction)

    def send_ack(self, ack: Request, hop: Hop) -> None:
        """Send the ACK to a 2xx, which has no transaction."""
        if _would_leave_tls(ack, hop):
            log.warning("an ACK to a sips: URI is not sent", extra={"sip_call_id": ack.head.call_id, "peer": str(hop)})
        else:
            self._send(encode(ack), hop)

    def invite_of(self, cancel: Request) -> Transaction | None:
        """The INVITE transaction that a CANCEL means."""
        return self._transactions.invite_of(cancel)

    # ── coming in ──

    def _on_message(self, data: bytes, source: Hop) -> None:
        try:
            message = sip.parse(data)
        except SipError as error:
            if self._trace is not None:
                self._trace.refused(source, self._local(source), data, str(error))
            self._refuse(error, source)
            return
        if self._trace is not None:
            self._trace.note(False, source, self._local(source), data)
        if isinstance(message, Request):
            stamp(message, source)
        self._source = source
        self._do(self._transactions.receive(message, source, now_s()))

    def _refuse(self, error: SipError, source: Hop) -> None:
        log.debug("unusable SIP message", extra={"peer": f"{source.host}:{source.port}", "why": str(error)})
        if error.request is None:
            return
        try:
            via: Via | None = Via.parse(error.request.headers["Via"])
        except ValueError:
            via = None
        response = respond(error.request, error.status, error.reason, tag=new_tag())
        self._stateless(response, answer_hop(via, source))

    def _stateless(self, response: Response, hop: Hop) -> None:
        self._sign(response)
        self._send(encode(response), hop)

    def _send(self, data: bytes, hop: Hop) -> None:
        if self._trace is not None:
            self._trace.note(True, hop, self._local(hop), data)
        self._transport.send(data, hop)

    def _local(self, hop: Hop) -> str:
        return f"{bracketed(self._transport.local_host(hop))}:{self.local_port(hop)}"

    def _admits(self, host: str, data: bytes) -> bool:
        return self._guard is None or self._guard.admits(host, now_s(), data)

    def _on_lost(self, hop: Hop, quoted: bytes | None) -> None:
        if quoted is not None and not self._ours(quoted):
            return  # anybody can make up an ICMP message; what it quotes has to bear a branch of ours
        for keepalive in self._keepalives:
            if keepalive.on_dead is not None and not keepalive.cancelled and keepalive.hop.route == hop.route:
                keepalive.on_dead(self.why(hop))
        self._do(self._transactions.lost(hop, now_s()))

    def _ours(self, quoted: bytes) -> bool:
        request = _QUOTED.match(quoted)
        return request is not None and self._transactions.sent(request[2].decode(), request[1].decode())

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(data, hop):
                    self._send(data, hop)
                case Arrived(None, request, _):
                    self._user.on_ack(request)
                case Arrived(transaction, request, merged) if transaction is not None and self._source is not None:
                    self._user.on_request(transaction, request, self._source, merged)
                case Overloaded(request, hop):
                    retry = [("Retry-After", str(RETRY_AFTER_S))]
                    self._stateless(respond(request, 503, tag=new_tag(), headers=retry), hop)
                case Answered(transaction, response):
                    self._judge(transaction.hop, response)
                    if transaction.listener is not None:
                        transaction.listener(response)
                case Failed(transaction, status):
                    self._failed_hops.add(transaction.hop, now_s())
                    if transaction.listener is not None:
                        transaction.listener(status)
        self._arm()

    def _judge(self, hop: Hop, response: Response) -> None:
        """A server that says 503 is tried last for as long as it asks (RFC 3261 section 21.5.4)."""
        self._transport.note_success(hop)
        if response.code != 503:
            self._failed_hops.lift(hop)
            return
        seconds = re.match(r"\s*(\d{1,5})", response.headers.get("Retry-After") or "")
        self._failed_hops.add(hop, now_s(), float(seconds[1]) if seconds else PENALTY_S)

    def _arm(self) -> None:
        due_s = self._transactions.next_s()
        if self._timer is not None:
            if due_s is not None and self._timer.when() <= due_s and not self._timer.cancelled():
                return  # wakes up early enough, and sets itself again
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = asyncio.get_running_loop().call_at(due_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._transactions.poll(now_s()))

    def _sign(self, response: Response) -> None:
        response.headers.set("Server", self._name)


def _would_leave_tls(request: Request, hop: Hop) -> bool:
    return request.uri.scheme == "sips" and hop.protocol != "tls"
