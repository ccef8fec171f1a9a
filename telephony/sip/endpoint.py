"""Sockets, parser and transactions wired together on the event loop; users see checked requests and responses."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from sipmessage import URI

from . import message as sip
from .dialog import via_of
from .grammar import Via
from .hop import DEFAULT_PORT, Hop, answer_hop, bracketed, stamp
from .message import Request, Response, SipError, encode, new_tag, respond
from .transaction import Answered, Arrived, Failed, Output, Overloaded, Send, Transaction, Transactions
from .transport import Transport

RETRY_AFTER_S = 5
"""What a refused caller is told to wait under overload."""

log = logging.getLogger(__name__)

Listener = Callable[[Response | int], None]


class User(Protocol):
    """Whoever answers requests."""

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        """A new request; it has to be answered with `Endpoint.respond`."""

    def on_ack(self, request: Request) -> None:
        """An ACK to a 2xx."""


class Endpoint:
    """One SIP port, UDP and TCP. Belongs to the event loop."""

    def __init__(self, listen: str, port: int, advertise: str | None, name: str, user: User) -> None:
        self._user = user
        self._name = name
        self._advertise = advertise
        self._transport = Transport(listen, port, self._on_message, self._on_lost)
        self._transactions = Transactions()
        self._timer: asyncio.TimerHandle | None = None
        self._source: Hop | None = None

    @property
    def port(self) -> int:
        """The real one after `start`."""
        return self._transport.port

    @property
    def crowded(self) -> bool:
        """Many transactions are alive, see `Transactions.crowded`."""
        return self._transactions.crowded

    async def start(self) -> None:
        """Open the sockets. Raises OSError."""
        await self._transport.start()

    async def close(self) -> None:
        """Close the sockets and drop all state."""
        if self._timer is not None:
            self._timer.cancel()
        await self._transport.close()

    # ── addresses ──

    def local_host(self, towards: Hop) -> str:
        """Our address as that peer should see it, without brackets."""
        if self._advertise:
            return self._advertise
        listen = self._transport.listen
        if not ipaddress.ip_address(listen).is_unspecified:
            return listen
        with socket.socket(socket.AF_INET6 if ":" in towards.host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((towards.host, towards.port or DEFAULT_PORT))  # sends nothing, asks the routing table
            except OSError:
                return listen
            return str(probe.getsockname()[0])

    def via(self, towards: Hop) -> str:
        """The fixed part of our Via towards a peer."""
        return via_of(towards.protocol, self.local_host(towards), self.port)

    def contact(self, towards: Hop) -> str:
        """Our Contact towards a peer."""
        tail = ";transport=tcp" if towards.protocol == "tcp" else ""
        return f"<sip:{bracketed(self.local_host(towards))}:{self.port}{tail}>"

    async def resolve(self, uri: URI) -> Hop:
        """Where a URI leads: its address, or an A/AAAA look-up of its name (no SRV). Raises OSError."""
        protocol = (uri.parameters.get("transport") or "udp").lower()
        if protocol not in ("udp", "tcp") or uri.scheme != "sip":
            raise OSError(f"no transport for {uri}")
        host, port = uri.host.strip("[]"), uri.port or DEFAULT_PORT
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._transport.listen else socket.AF_INET
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
        return Hop("tcp" if protocol == "tcp" else "udp", str(found[0][4][0]), port)

    # ── going out ──

    def respond(self, transaction: Transaction, response: Response) -> None:
        """Send a response."""
        self._sign(response)
        self._do(self._transactions.respond(transaction, response, self._now()))

    def dismiss(self, transaction: Transaction, response: Response) -> None:
        """Send a final response and keep no state of it."""
        self._sign(response)
        self._do(self._transactions.dismiss(transaction, response))

    def request(self, request: Request, hop: Hop, listener: Listener | None) -> Transaction:
        """Send a request; `listener` gets each response, or 408 or 503 when there was none."""
        request.headers.set("User-Agent", self._name)
        transaction, outputs = self._transactions.request(request, hop, self._now())
        transaction.listener = listener
        self._do(outputs)
        return transaction

    def send_ack(self, ack: Request, hop: Hop) -> None:
        """Send the ACK to a 2xx, which has no transaction."""
        self._transport.send(encode(ack), hop)

    def invite_of(self, cancel: Request) -> Transaction | None:
        """The INVITE transaction that a CANCEL means."""
        return self._transactions.invite_of(cancel)

    # ── coming in ──

    def _on_message(self, data: bytes, source: Hop) -> None:
        try:
            message = sip.parse(data)
        except SipError as error:
            self._refuse(error, source)
            return
        if isinstance(message, Request):
            stamp(message, source)
        self._source = source
        self._do(self._transactions.receive(message, source, self._now()))

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
        self._transport.send(encode(response), hop)

    def _on_lost(self, hop: Hop) -> None:
        self._do(self._transactions.lost(hop, self._now()))

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(data, hop):
                    self._transport.send(data, hop)
                case Arrived(None, request, _):
                    self._user.on_ack(request)
                case Arrived(transaction, request, merged) if transaction is not None and self._source is not None:
                    self._user.on_request(transaction, request, self._source, merged)
                case Overloaded(request, hop):
                    retry = [("Retry-After", str(RETRY_AFTER_S))]
                    self._stateless(respond(request, 503, tag=new_tag(), headers=retry), hop)
                case Answered(transaction, response):
                    if transaction.listener is not None:
                        transaction.listener(response)
                case Failed(transaction, status):
                    if transaction.listener is not None:
                        transaction.listener(status)
        self._arm()

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
        self._do(self._transactions.poll(self._now()))

    def _sign(self, response: Response) -> None:
        response.headers.set("Server", self._name)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
