"""Callers in a process of their own: raw SIP over UDP and RTP both ways, many calls from one pair of sockets.

Nothing of the server's SIP is used. Packets that come are stamped by the kernel, so a caller that is late itself does
not count against the server; they are read on a timer, as being woken up for each would be charged to their sender.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import random
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np

from telephony.media.codecs import FORMATS, Codec, encode
from telephony.media.coding import make_encoder
from telephony.media.rtp import pack
from telephony.media.srtp import Protector, new_key
from voicebot.bench.edge.sip import SUITE, ParsedMessage, confirm, offer, read, request

SocketAddress = tuple[str, int]

TICK_S = 0.005
PACKET_S = 0.02
_QUARTERS = 4
T1_S = 0.5
"""RFC 3261 section 17.1.1.2."""
GIVE_UP_S = 32.0
AGAIN_S = 5.0
"""What the server's Retry-After says; sooner, the callers would be a flood."""
PROGRESS_S = 0.25
FAREWELL_S = 15.0
_TIMESPEC = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35
"""Of Linux; the socket module has no name for it."""
_BUFFER_BYTES = 8 << 20
_READS = 500
"""Datagrams in a row at most, so that timers keep their time."""


@dataclass(frozen=True)
class LoadPlan:
    """What the callers are to do."""

    target: SocketAddress
    calls: int
    """In all; 0: new ones until the word comes to stop."""
    per_s: float
    """New calls per second, evenly."""
    at_once: int = 100_000
    """No more than so many at a time."""
    talk_s: tuple[float, float] | None = None
    """Each call lasts so long, from the first to the second; None: until the word comes."""
    codec: Codec = "PCMU"
    srtp: bool = False
    stamps: bool = False
    """Keep when each packet came."""
    again: bool = True
    """Call again after a 503, as its Retry-After asks."""
    talks: bool = True
    """Sends RTP."""


@dataclass
class LoadProgress:
    """How far they are."""

    placed: int = 0
    up: int = 0
    over: int = 0
    """Hung up and confirmed."""
    failed: int = 0


@dataclass
class LoadResult:
    """What came of it."""

    placed: int = 0
    turned_away: int = 0
    """Answered with 503 and called again: the server is full, or its machine is."""
    answered: int = 0
    confirmed: int = 0
    """Hung up by the caller, and answered with 200."""
    ended_by_server: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """By status, ``no answer``, or ``no answer to BYE``."""
    resent: int = 0
    """Requests that had to be sent again."""
    setup_ms: list[float] = field(default_factory=list)
    """INVITE sent to 200 received."""
    packets: int = 0
    """RTP received."""
    silent_calls: int = 0
    """Calls of a second or more that heard nothing."""
    stamps_ns: dict[str, list[int]] = field(default_factory=dict)
    """By call, wall clock."""


class LoadCallState(enum.Enum):
    INVITING = "inviting"
    TALKING = "talking"
    LEAVING = "leaving"
    """BYE is sent."""
    OVER = "over"


class _Call:
    __slots__ = ("began_s", "invite", "key", "name", "packets", "port", "seal", "sent_ns", "stamps", "state", "tag")

    def __init__(self, name: str, invite: bytes, key: bytes) -> None:
        self.name = name
        self.invite = invite
        self.key = key
        self.state = LoadCallState.INVITING
        self.sent_ns = time.time_ns()
        self.began_s = 0.0
        self.tag = ""
        self.port = 0
        self.packets = 0
        self.stamps: list[int] = []
        self.seal: Callable[[bytes], bytes | None] = bytes


class LoadCallers:
    """All callers of one process."""

    def __init__(self, plan: LoadPlan, host: str = "127.0.0.1") -> None:
        self.seen = LoadResult()
        self._plan = plan
        self._sip, self._rtp = stamped(host), stamped(host)
        self._local: SocketAddress = self._sip.getsockname()
        self._calls: dict[str, _Call] = {}
        self._by_port: dict[int, _Call] = {}
        self._quarters: list[dict[_Call, None]] = [{} for _ in range(_QUARTERS)]
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._chance = random.Random(1)
        self._payload = _payload(plan.codec)
        self._units = FORMATS[plan.codec].clock_hz // 50
        self._tick = 0
        self._stopping = False
        now_s = time.monotonic()
        self._next_tick_s = now_s
        self._at(now_s, self._place)

    @property
    def progress(self) -> LoadProgress:
        """Of now."""
        up = sum(call.state is LoadCallState.TALKING for call in self._calls.values())
        seen = self.seen
        return LoadProgress(seen.placed, up, seen.confirmed + seen.ended_by_server, sum(seen.failures.values()))

    @property
    def idle(self) -> bool:
        """Every call is over."""
        return not self._calls

    def stop(self) -> None:
        """No new calls; hang up those that are up."""
        self._stopping = True
        for call in list(self._calls.values()):
            if call.state is LoadCallState.TALKING:
                self._hang_up(call)

    def turn(self) -> None:
        """Do what is due, then wait for the next thing, a tick at most."""
        now_s = time.monotonic()
        while self._timers and self._timers[0][0] <= now_s:
            heapq.heappop(self._timers)[2]()
        if now_s >= self._next_tick_s:
            self._next_tick_s = max(self._next_tick_s + TICK_S, now_s - PACKET_S)
            self._talk()
            self._listen()
        due_s = min(self._next_tick_s, self._timers[0][0] if self._timers else self._next_tick_s)
        if select.select([self._sip], [], [], max(0.0, due_s - time.monotonic()))[0]:
            self._read_sip()

    def _at(self, due_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (due_s, next(self._numbers), work))

    # ── calls ──

    def _place(self) -> None:
        plan = self._plan
        if self._stopping or (plan.calls and self.seen.placed >= plan.calls):
            return
        self._at(time.monotonic() + 1 / plan.per_s, self._place)
        if len(self._calls) < plan.at_once:
            self.seen.placed += 1
            self._invite()

    def _invite(self) -> None:
        plan = self._plan
        name = f"bench{self._local[1]}x{next(self._numbers)}"
        key = new_key(SUITE) if plan.srtp else b""
        body = offer(self._local[0], self._rtp.getsockname()[1], plan.codec, key)
        call = _Call(name, request("INVITE", name, self._local, plan.target, body=body), key)
        self._calls[name] = call
        self._send(call.invite)
        call.sent_ns = time.time_ns()
        self._resend(call, LoadCallState.INVITING, call.invite, T1_S)

    def _invite_again(self) -> None:
        if not self._stopping:
            self._invite()

    def _resend(self, call: _Call, state: LoadCallState, datagram: bytes, wait_s: float, waited_s: float = 0.0) -> None:
        """Again and again until the call has another state."""

        def again() -> None:
            if call.state is not state:
                return
            if waited_s + wait_s >= GIVE_UP_S:
                self._fail(call, "no answer" if state is LoadCallState.INVITING else "no answer to BYE")
                return
            self.seen.resent += 1
            self._send(datagram)
            self._resend(call, state, datagram, 2 * wait_s, waited_s + wait_s)

        self._at(time.monotonic() + wait_s, again)

    def _fail(self, call: _Call, why: str) -> None:
        self.seen.failures[why] += 1
        self._forget(call)

    def _forget(self, call: _Call) -> None:
        if call.state is not LoadCallState.OVER:
            call.state = LoadCallState.OVER
            self._calls.pop(call.name, None)
            self._mute(call)

    def _mute(self, call: _Call) -> None:
        for quarter in self._quarters:
            quarter.pop(call, None)
        if self._by_port.get(call.port) is call:
            del self._by_port[call.port]
            talked_s = time.monotonic() - call.began_s
            self.seen.silent_calls += not call.stamps and not call.packets and talked_s >= 1
            if self._plan.stamps:
                self.seen.stamps_ns[call.name] = call.stamps

    def _hang_up(self, call: _Call) -> None:
        if call.state is LoadCallState.TALKING:
            call.state = LoadCallState.LEAVING
            self._mute(call)
            bye = request("BYE", call.name, self._local, self._plan.target, tag=call.tag, seq=2)
            self._send(bye)
            self._resend(call, LoadCallState.LEAVING, bye, T1_S)

    # ── SIP ──

    def _send(self, datagram: bytes) -> None:
        self._sip.sendto(datagram, self._plan.target)

    def _read_sip(self) -> None:
        for _ in range(_READS):
            try:
                data, ancillary, _, _ = self._sip.recvmsg(65_535, 64)
            except BlockingIOError:
                return
            message = read(data)
            if message is not None:
                self._on_message(message, stamp_ns(ancillary))

    def _on_message(self, message: ParsedMessage, at_ns: int) -> None:
        call = self._calls.get(message.call)
        if message.status == 0:
            if message.method == "BYE":
                self._send(confirm(message))
                if call is not None:
                    self.seen.ended_by_server += 1
                    self._forget(call)
            return
        if call is None or message.status < 200:
            return
        if message.method == "BYE" and call.state is LoadCallState.LEAVING:
            if message.status == 200:
                self.seen.confirmed += 1
                self._forget(call)
            else:
                self._fail(call, f"{message.status} to BYE")
        elif message.method == "INVITE":
            ack = request("ACK", call.name, self._local, self._plan.target, tag=message.tag)
            if message.status >= 300:
                # An ACK to a refusal belongs to the INVITE's transaction (RFC 3261 section 17.1.1.3).
                self._send(ack.replace(b".1.ACK;", b".1.INVITE;", 1))
                if message.status == 503 and self._plan.again and not self._stopping:
                    self.seen.turned_away += 1
                    self._forget(call)
                    self._at(time.monotonic() + AGAIN_S, self._invite_again)
                else:
                    self._fail(call, str(message.status))
                return
            self._send(ack)
            if call.state is LoadCallState.INVITING:
                self._answered(call, message, at_ns)

    def _answered(self, call: _Call, message: ParsedMessage, at_ns: int) -> None:
        self.seen.answered += 1
        self.seen.setup_ms.append((at_ns - call.sent_ns) / 1e6)
        call.state, call.tag, call.port = LoadCallState.TALKING, message.tag, message.media_port
        call.began_s = time.monotonic()
        if call.key:
            call.seal = Protector(SUITE, call.key).rtp
        self._by_port[call.port] = call
        self._quarters[self.seen.answered % _QUARTERS][call] = None
        if self._stopping:
            self._hang_up(call)
        elif self._plan.talk_s is not None:
            self._at(call.began_s + self._chance.uniform(*self._plan.talk_s), lambda: self._hang_up(call))

    # ── RTP ──

    def _talk(self) -> None:
        """A packet in each call whose turn it is."""
        self._tick += 1
        if not self._plan.talks:
            return
        sequence, host, number = self._tick // _QUARTERS, self._plan.target[0], FORMATS[self._plan.codec].payload_type
        for call in self._quarters[self._tick % _QUARTERS]:
            packet = pack(
                False, number, sequence & 0xFFFF, sequence * self._units & 0xFFFFFFFF, call.port, self._payload
            )
            sealed = call.seal(packet)
            if sealed is not None:
                self._rtp.sendto(sealed, (host, call.port))

    def _listen(self) -> None:
        keeps = self._plan.stamps
        for _ in range(_READS):
            try:
                _, ancillary, _, source = self._rtp.recvmsg(2048, 64)
            except BlockingIOError:
                return
            call = self._by_port.get(source[1])
            if call is not None:
                call.packets += 1
                self.seen.packets += 1
                if keeps:
                    call.stamps.append(stamp_ns(ancillary))

    def close(self) -> None:
        """Close the sockets."""
        self._sip.close()
        self._rtp.close()


def run_callers(connection: Connection, plan: LoadPlan) -> None:
    """Process: tell the progress until the word comes to stop, then hang up and tell what was seen."""
    callers = LoadCallers(plan)
    told_s, end_s = 0.0, float("inf")
    while time.monotonic() < end_s:
        callers.turn()
        if time.monotonic() - told_s >= PROGRESS_S:
            told_s = time.monotonic()
            connection.send(callers.progress)
            if end_s == float("inf") and connection.poll():
                connection.recv()
                callers.stop()
                end_s = time.monotonic() + FAREWELL_S
        if end_s < float("inf") and callers.idle:
            break
    callers.close()
    connection.send(callers.seen)


def stamped(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return sock


def stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    seconds, ns = _TIMESPEC.unpack(ancillary[0][2])
    return int(seconds * 1_000_000_000 + ns)


def _payload(codec: Codec) -> bytes:
    """20 ms of hiss."""
    hiss = np.random.default_rng(1).normal(0, 500, FORMATS[codec].rate_hz // 50).astype(np.int16)
    encoder = make_encoder(codec)
    return encode(hiss, codec) if encoder is None else encoder.encode(hiss)
