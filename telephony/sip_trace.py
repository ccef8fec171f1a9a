"""The SIP messages of the last calls, in memory: what the ladder and the pcap of a call are drawn from.

Bounded in bytes of memory: counted are the messages as Python keeps them, the objects around them and the Call-IDs, as
a flood of small messages with long Call-IDs would otherwise take several times the room. Calls that were answered have
most of the room and do not make way for others, so a flood of strangers does not push out the call that somebody will
ask about. Secrets are masked before a message is kept: digest responses, keys of SDES, digits keyed in INFO and KPML.
The mask is as long as what it hides, so lengths still fit.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .sip.hop import Hop, bracketed

MAX_BYTES = 32 << 20
"""Of all calls together."""
MAX_CALL_BYTES = 256 << 10
"""Of one call, or all the room where that is less; its oldest messages go first, the first four stay while they fit."""
MAX_MALFORMED = 200
MAX_MALFORMED_BYTES = 2048
"""So much is kept of a datagram that could not be read."""
KEPT_FIRST = 4
ENTRY_BYTES = 240
"""What an entry costs in memory besides its bytes and texts: the object 96, two times 48, its place in a list, and what
the allocator adds to each of them and of its texts."""
CALL_BYTES = 480
"""What a call costs besides its Call-ID and its entries: the object 64, its list, and its place in a dictionary, which
is up to six times as large as what is in it."""
MAX_REMARK = 1000
"""Characters; errors quote what a peer sent."""
_OTHERS_SHARE = 0.25
"""Of the room, for what was never answered."""
_MALFORMED_SHARE = 0.125
"""Of the room, for what could not be read."""

_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:(?:[ \t]|\r\n[ \t])*([^\r\n]{1,512})", re.IGNORECASE)
_SECRET_HEADERS = re.compile(rb"authorization[ \t]*:", re.IGNORECASE)
_DIGEST = re.compile(rb"\bresponse\s*=\s*\"?([0-9a-z]+)", re.IGNORECASE)
_KEYS = re.compile(rb"\binline:([^|\s;]+)")
_KEYED = re.compile(rb"(?:\bsignal\s*=\s*|\bdigits\s*=\s*\"?)([0-9a-d*#]+)", re.IGNORECASE)
_BARE = re.compile(rb"\s*([0-9a-d*#]{1,64})\s*\Z", re.IGNORECASE)
_ANSWERED = re.compile(rb"SIP/2\.0 2[0-9]{2} ", re.IGNORECASE)
_CSEQ_INVITE = re.compile(rb"\r\ncseq[ \t]*:\s*[0-9]+\s+INVITE", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One message, or a remark when `data` is empty; both when the message could not be read."""

    wall_s: float
    """Seconds since 1970."""
    at_s: float
    """On the monotonic clock, for distances."""
    outgoing: bool
    protocol: str
    """``udp``, ``tcp`` or ``tls``; empty for a remark."""
    local: str
    """``host:port``, IPv6 in brackets."""
    remote: str
    data: bytes
    """The message, its secrets masked."""
    remark: str = ""
    """What happened, in words; for a datagram that could not be read, why."""


@dataclass(frozen=True, slots=True)
class TracedCall:
    """A call that something is known of."""

    call_id: str
    began_s: float
    """Seconds since 1970."""
    ended_s: float
    """Of its last message."""
    messages: int
    answered: bool
    first: str
    """The first line of its first message."""


@dataclass(slots=True, eq=False)
class _Call:
    size: int
    """Bytes of memory, all in all."""
    entries: list[TraceEntry] = field(default_factory=list)
    answered: bool = False


class SipTrace:
    """Keeps messages by Call-ID. Every `note` takes constant time.

    Args:
        limit: bytes of memory.
        wall, clock: the two clocks, in seconds.
    """

    def __init__(
        self, limit: int = MAX_BYTES, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._wall = wall
        self._clock = clock
        self._answered: OrderedDict[str, _Call] = OrderedDict()
        self._others: OrderedDict[str, _Call] = OrderedDict()
        self._size = 0
        self._others_size = 0
        self._malformed: deque[TraceEntry] = deque()
        self._malformed_size = 0

    @property
    def size(self) -> int:
        """Bytes of memory in use; rather too many than too few."""
        return self._size

    def note(self, outgoing: bool, hop: Hop, local: str, data: bytes) -> None:
        """Keep a message; `local` is our ``host:port``. One without Call-ID is kept as malformed."""
        found = _CALL_ID.search(data)
        if found is None:
            self.refused(hop, local, data, "no Call-ID")
            return
        call_id = found[1].decode("utf-8", "replace").rstrip()
        answers = _ANSWERED.match(data) is not None and _CSEQ_INVITE.search(data) is not None
        entry = TraceEntry(self._wall(), self._clock(), outgoing, hop.protocol, local, _peer(hop), masked(data))
        self._append(call_id, entry, answers)

    def remark(self, call_id: str, text: str) -> None:
        """Write a sentence between the messages of a call: ``SDP agreed: PCMA, 20 ms``."""
        self._append(call_id, TraceEntry(self._wall(), self._clock(), False, "", "", "", b"", text[:MAX_REMARK]), False)

    def refused(self, hop: Hop, local: str, data: bytes, why: str) -> None:
        """Keep the beginning of what could not be read, and why; also with its call when it has a Call-ID."""
        piece = masked(data[:MAX_MALFORMED_BYTES])
        entry = TraceEntry(self._wall(), self._clock(), False, hop.protocol, local, _peer(hop), piece, why[:MAX_REMARK])
        self._malformed.append(entry)
        self._count_malformed(_cost(entry))
        while len(self._malformed) > MAX_MALFORMED or self._malformed_size > _MALFORMED_SHARE * self._limit:
            self._count_malformed(-_cost(self._malformed.popleft()))
        self._make_room()
        found = _CALL_ID.search(data)
        if found is not None:
            self._append(found[1].decode("utf-8", "replace").rstrip(), entry, False)

    def of(self, call_id: str) -> list[TraceEntry]:
        """Messages and remarks of a call in their order; empty when nothing is known."""
        call = self._answered.get(call_id) or self._others.get(call_id)
        return [] if call is None else list(call.entries)

    def calls(self) -> list[TracedCall]:
        """All that is known, the latest first."""
        found = []
        for call_id, call in (*self._answered.items(), *self._others.items()):
            messages = [entry for entry in call.entries if entry.data]
            if messages:
                first = messages[0].data.partition(b"\r\n")[0].decode("utf-8", "replace")
                began_s, ended_s = messages[0].wall_s, messages[-1].wall_s
                found.append(TracedCall(call_id, began_s, ended_s, len(messages), call.answered, first))
        return sorted(found, key=lambda one: one.began_s, reverse=True)

    def malformed(self) -> list[TraceEntry]:
        """What could not be read lately, the oldest first; `TraceEntry.remark` says why."""
        return list(self._malformed)

    def _append(self, call_id: str, entry: TraceEntry, answers: bool) -> None:
        call = self._answered.get(call_id)
        if call is not None:
            self._answered.move_to_end(call_id)
        else:
            call = self._others.get(call_id)
            if call is None:
                call = self._others[call_id] = _Call(0)
                self._grow(call, CALL_BYTES + sys.getsizeof(call_id))
            self._others.move_to_end(call_id)
            if answers:
                call.answered = True
                self._answered[call_id] = self._others.pop(call_id)
                self._others_size -= call.size
        entry = self._cut(entry)
        call.entries.append(entry)
        self._grow(call, _cost(entry))
        while call.size > self._call_limit and len(call.entries) > 1:
            self._grow(call, -_cost(call.entries.pop(KEPT_FIRST if len(call.entries) > KEPT_FIRST else 1)))
        self._make_room()

    @property
    def _call_limit(self) -> int:
        return min(MAX_CALL_BYTES, self._limit)

    def _cut(self, entry: TraceEntry) -> TraceEntry:
        """As much of it as fits beside another."""
        most = max(0, self._call_limit // 2)
        if len(entry.data) <= most:
            return entry
        return dataclasses.replace(entry, data=entry.data[:most], remark=f"the first {most} of {len(entry.data)} bytes")

    def _grow(self, call: _Call, by: int) -> None:
        call.size += by
        self._size += by
        if not call.answered:
            self._others_size += by

    def _count_malformed(self, by: int) -> None:
        self._malformed_size += by
        self._size += by

    def _make_room(self) -> None:
        while self._size > self._limit and (self._others or self._answered):
            others_first = self._others_size > _OTHERS_SHARE * self._limit or not self._answered
            calls = self._others if others_first and self._others else self._answered
            _, call = calls.popitem(last=False)
            self._grow(call, -call.size)


def masked(data: bytes) -> bytes:
    """A message without its secrets, as long as before."""
    if _SECRET_HEADERS.search(data) is not None:
        head, end, body = data.partition(b"\r\n\r\n")
        data = _DIGEST.sub(_stars, head) + end + body
    if b"inline:" in data:
        data = _KEYS.sub(_stars, data)
    if data[:7].upper().startswith((b"INFO ", b"NOTIFY ")):
        head, end, body = data.partition(b"\r\n\r\n")
        bare = _BARE.match(body)
        data = head + end + (_KEYED.sub(_stars, body) if bare is None else _stars(bare))
    return data


def _stars(match: re.Match[bytes]) -> bytes:
    begin, end = match.span(1)
    whole = match[0]
    offset = begin - match.start()
    return whole[:offset] + b"*" * (end - begin) + whole[offset + end - begin :]


def _cost(entry: TraceEntry) -> int:
    return ENTRY_BYTES + sum(map(sys.getsizeof, (entry.data, entry.local, entry.remote, entry.remark)))


def _peer(hop: Hop) -> str:
    return f"{bracketed(hop.host)}:{hop.port}"
