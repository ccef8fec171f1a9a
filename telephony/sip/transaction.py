"""Client and server transactions without I/O: messages and time go in, `Output`s come out (RFC 3261 section 17).

Every method that can cause something takes the time in seconds, of any monotonic clock, and returns what has to be
done, in order. The tables are bounded: see `Transactions.full`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import assert_never

from .hop import Hop, answer_hop
from .message import MAGIC, Head, Request, Response, encode
from .transaction_state_tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    OTHER_CLIENT,
    OTHER_SERVER,
    RETRANSMITTING,
    T1_S,
    T2_S,
    Action,
    DoubleTimer,
    Effect,
    Input,
    StartTimer,
    StartWithT2,
    State,
    StopTimer,
    Table,
    Timer,
    length_s,
)

MAX_TRANSACTIONS = 8192
"""Server transactions at one time; above it new requests are answered without state, or not at all."""
MAX_PER_SOURCE = 4096
"""Of them from one address, so that one source cannot take them all."""

Key = tuple[str, ...]
_CLIENT_TIMERS: dict[bool, tuple[Timer, ...]] = {True: ("A", "B"), False: ("E", "F")}
"""Started with a request, by whether it is an INVITE."""


@dataclass(slots=True, eq=False)
class Transaction:
    """One request and its responses. Held by users as a handle; its fields belong to `Transactions`."""

    key: Key
    server: bool
    request: Request
    hop: Hop
    """Server: where responses go. Client: where the request went."""
    state: State
    table: Table
    last: bytes = b""
    """What a retransmission sends."""
    interval_s: float = T1_S
    deadlines: dict[Timer, float] = field(default_factory=dict)
    merge_key: Key = ()
    source: str = ""
    listener: Callable[[Response | int], None] | None = None
    """Client: who wants the responses, or the status of a failure; for the user, not used here."""

    @property
    def final(self) -> bool:
        """Whether a final response has gone out or come in."""
        return self.state not in ("calling", "trying", "proceeding")


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the wire."""

    data: bytes
    hop: Hop


@dataclass(frozen=True, slots=True)
class Arrived:
    """A new request for the user: every one but retransmissions and an ACK to a refusal."""

    transaction: Transaction | None
    """To answer with; None for ACK."""
    request: Request
    merged: bool
    """The same request came by another way already (RFC 3261 section 8.2.2.2)."""


@dataclass(frozen=True, slots=True)
class Overloaded:
    """A new request that no state was made for; may be answered without state."""

    request: Request
    hop: Hop


@dataclass(frozen=True, slots=True)
class Answered:
    """A response to a request of ours; retransmitted 2xx to INVITE come again."""

    transaction: Transaction
    response: Response


@dataclass(frozen=True, slots=True)
class Failed:
    """A request of ours got no final response."""

    transaction: Transaction
    status: int
    """408 timed out, 503 the transport failed (RFC 3261 section 8.1.3.1)."""


Output = Send | Arrived | Overloaded | Answered | Failed


class Transactions:
    """All transactions of one endpoint."""

    def __init__(self, limit: int = MAX_TRANSACTIONS, limit_per_source: int = MAX_PER_SOURCE) -> None:
        self._limit = limit
        self._limit_per_source = limit_per_source
        self._live: dict[Key, Transaction] = {}
        self._merge: dict[Key, Key] = {}
        self._sources: Counter[str] = Counter()
        self._servers = 0
        self._timers: list[tuple[float, int, Key, Timer]] = []
        self._number = count()
        self._out: list[Output] = []

    def __len__(self) -> int:
        return len(self._live)

    @property
    def crowded(self) -> bool:
        """More is going on than calls explain: `dismiss` what is refused, instead of keeping state for it.

        A kept refusal of an INVITE is repeated eleven times to a source that may be forged.
        """
        return self._servers > self._limit // 16

    def receive(self, message: Request | Response, source: Hop, now_s: float) -> list[Output]:
        """Take in a parsed message (requests: stamped with their source)."""
        if isinstance(message, Response):
            self._receive_response(message, now_s)
        else:
            self._receive_request(message, source, now_s)
        return self._flush()

    def request(self, request: Request, hop: Hop, now_s: float) -> tuple[Transaction, list[Output]]:
        """Start a client transaction; `request` has a Via of ours on top. Not for ACK."""
        invite = request.method == "INVITE"
        transaction = Transaction(
            _client_key(request.head),
            False,
            request,
            hop,
            "calling" if invite else "trying",
            INVITE_CLIENT if invite else OTHER_CLIENT,
            encode(request),
        )
        self._live[transaction.key] = transaction
        self._out.append(Send(transaction.last, hop))
        for timer in _CLIENT_TIMERS[invite]:
            self._start(transaction, timer, now_s)
        return transaction, self._flush()

    def respond(self, transaction: Transaction, response: Response, now_s: float) -> list[Output]:
        """Send a response; provisional ones after a final one are dropped."""
        data = encode(response)
        if not (transaction.final and transaction.state != "accepted"):
            self._step(transaction, _class_of(response.code), now_s, data)
        return self._flush()

    def dismiss(self, transaction: Transaction, response: Response) -> list[Output]:
        """Send a final response and forget the request at once (a stateless server, RFC 3261 section 8.2.7)."""
        self._forget(transaction)
        return [Send(encode(response), transaction.hop)]

    def abandon(self, transaction: Transaction) -> None:
        """Forget an INVITE that was cancelled long ago and has no final response yet (RFC 3261 section 9.1)."""
        if not transaction.final:
            self._forget(transaction)

    def hush(self, transaction: Transaction) -> None:
        """Send a request of ours no more; what comes back is still heard, until its time is over."""
        for timer in RETRANSMITTING:
            transaction.deadlines.pop(timer, None)

    def lost(self, hop: Hop, now_s: float) -> list[Output]:
        """The transport could not reach `hop`: client transactions towards it fail."""
        for one in [t for t in self._live.values() if not t.server and _went_by(t.hop, hop)]:
            self._step(one, "error", now_s)
        return self._flush()

    def sent(self, branch: str, method: str) -> bool:
        """Whether a request of ours with this branch is still under way."""
        return ("client", branch, method) in self._live

    def invite_of(self, cancel: Request) -> Transaction | None:
        """The INVITE that a CANCEL means (RFC 3261 section 9.2)."""
        return self._live.get(_server_key(cancel.head, cancel, "INVITE"))

    def poll(self, now_s: float) -> list[Output]:
        """Run the timers that are due."""
        while self._timers and self._timers[0][0] <= now_s:
            deadline, _, key, timer = heapq.heappop(self._timers)
            transaction = self._live.get(key)
            if transaction is not None and transaction.deadlines.get(timer) == deadline:
                del transaction.deadlines[timer]
                self._step(transaction, timer, now_s)
        return self._flush()

    def next_s(self) -> float | None:
        """When `poll` wants to be called next."""
        while self._timers:
            deadline, _, key, timer = self._timers[0]
            transaction = self._live.get(key)
            if transaction is not None and transaction.deadlines.get(timer) == deadline:
                return deadline
            heapq.heappop(self._timers)
        return None

    # ── what comes in ──

    def _receive_response(self, response: Response, now_s: float) -> None:
        transaction = self._live.get(_client_key(response.head))
        if transaction is None or transaction.server or len(response.headers.getlist("Via")) != 1:
            return  # stray (RFC 3261 section 18.1.2), or not for us
        self._step(transaction, _class_of(response.code), now_s, response=response)

    def _receive_request(self, request: Request, source: Hop, now_s: float) -> None:
        ack = request.method == "ACK"
        key = _server_key(request.head, request, "INVITE" if ack else request.method)
        known = self._live.get(key)
        if ack:
            if known is None or known.state == "accepted":
                self._out.append(Arrived(None, request, False))
            else:
                self._step(known, "ack", now_s)
        elif known is not None:
            self._step(known, "request", now_s)
        elif self._servers >= self._limit or self._sources[source.host] >= self._limit_per_source:
            if not self._sources[source.host]:
                del self._sources[source.host]
            self._out.append(Overloaded(request, answer_hop(request.head.vias[0], source)))
        else:
            self._open(key, request, source)

    def _open(self, key: Key, request: Request, source: Hop) -> None:
        head = request.head
        invite = request.method == "INVITE"
        merge_key = () if head.to.tag else (head.call_id, head.from_.tag, str(head.seq), head.method)
        merged = bool(merge_key) and merge_key in self._merge
        transaction = Transaction(
            key,
            True,
            request,
            answer_hop(head.vias[0], source),
            "proceeding" if invite else "trying",
            INVITE_SERVER if invite else OTHER_SERVER,
            merge_key=() if merged else merge_key,
            source=source.host,
        )
        if merge_key and not merged:
            self._merge[merge_key] = key
        self._live[key] = transaction
        self._servers += 1
        self._sources[source.host] += 1
        self._out.append(Arrived(transaction, request, merged))

    # ── the machines ──

    def _step(
        self,
        transaction: Transaction,
        event: Input,
        now_s: float,
        data: bytes = b"",
        response: Response | None = None,
    ) -> None:
        row = transaction.table.get((transaction.state, event))
        if row is None:
            return
        transaction.state, actions = row
        for action in actions:
            self._act(transaction, action, now_s, data, response)
        if transaction.state == "terminated":
            self._forget(transaction)

    def _act(
        self, transaction: Transaction, action: Action, now_s: float, data: bytes, response: Response | None
    ) -> None:
        match action:
            case Effect.SEND:
                transaction.last = data
                self._out.append(Send(data, transaction.hop))
            case Effect.RESEND:
                if transaction.last:
                    self._out.append(Send(transaction.last, transaction.hop))
            case Effect.DELIVER:
                if response is not None:
                    self._out.append(Answered(transaction, response))
            case Effect.ACKNOWLEDGE:
                if response is not None:
                    self._out.append(Send(encode(_ack_of_refusal(transaction.request, response)), transaction.hop))
            case Effect.TIME_OUT:
                self._out.append(Failed(transaction, 408))
            case Effect.FAIL:
                self._out.append(Failed(transaction, 503))
            case StartTimer(timer):
                self._start(transaction, timer, now_s)
            case StopTimer(timer):
                transaction.deadlines.pop(timer, None)
            case DoubleTimer(timer):
                longest = float("inf") if timer == "A" else T2_S
                transaction.interval_s = min(2 * transaction.interval_s, longest)
                self._set(transaction, timer, now_s + transaction.interval_s)
            case StartWithT2(timer):
                self._set(transaction, timer, now_s + T2_S)
            case _:
                assert_never(action)

    def _start(self, transaction: Transaction, timer: Timer, now_s: float) -> None:
        if not (timer in RETRANSMITTING and transaction.hop.reliable):
            self._set(transaction, timer, now_s + length_s(timer, transaction.hop.reliable))

    def _set(self, transaction: Transaction, timer: Timer, deadline_s: float) -> None:
        transaction.deadlines[timer] = deadline_s
        heapq.heappush(self._timers, (deadline_s, next(self._number), transaction.key, timer))

    def _forget(self, transaction: Transaction) -> None:
        if self._live.get(transaction.key) is not transaction:
            return
        del self._live[transaction.key]
        if transaction.server:
            self._servers -= 1
            self._sources[transaction.source] -= 1
            if not self._sources[transaction.source]:
                del self._sources[transaction.source]
            if transaction.merge_key:
                self._merge.pop(transaction.merge_key, None)

    def _flush(self) -> list[Output]:
        out, self._out = self._out, []
        return out


def _class_of(status: int) -> Input:
    return "1xx" if status < 200 else "2xx" if status < 300 else "3xx+"


def _went_by(towards: Hop, lost: Hop) -> bool:
    """Whether what went to `towards` went by the route or the connection that is lost."""
    return towards.route == lost.route or (lost.reliable and 0 < lost.connection == towards.connection)


def _client_key(head: Head) -> Key:
    """RFC 3261 section 17.1.3."""
    return ("client", head.vias[0].branch, head.method)


def _server_key(head: Head, request: Request, method: str) -> Key:
    """RFC 3261 section 17.2.3; clients of RFC 2543 have no unique branch and are known by the whole request."""
    via = head.vias[0]
    sent_by = f"{via.host}:{via.port or 0}"
    if via.branch.startswith(MAGIC) and len(via.branch) > len(MAGIC):
        return ("server", via.branch, sent_by, method)
    return ("2543", str(request.uri), head.from_.tag, head.call_id, str(head.seq), sent_by, via.branch, method)


def _ack_of_refusal(invite: Request, response: Response) -> Request:
    """RFC 3261 section 17.1.1.3."""
    ack = Request("ACK", invite.uri)
    ack.headers.setlist("Via", invite.headers.getlist("Via")[:1])
    ack.headers.set("Max-Forwards", "70")
    ack.headers.set("From", invite.headers["From"])
    ack.headers.set("To", response.headers["To"])
    ack.headers.set("Call-ID", invite.head.call_id)
    ack.headers.set("CSeq", f"{invite.head.seq} ACK")
    if invite.headers.getlist("Route"):
        ack.headers.setlist("Route", invite.headers.getlist("Route"))
    return ack
