"""A user agent without a network: real endpoint, transactions and calls, a transport and media that only keep notes.

A `Peer` says what the test makes it say. Use it under `virtual_clock`: retransmissions and timers cost no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from unittest import mock

import numpy as np

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import Terms
from telephony.clock import now_s
from telephony.events import TelephonyEvent
from telephony.leg import Pcm
from telephony.media.engine import MediaEngine, PortsExhausted
from telephony.media.stats import MediaStats
from telephony.sdp.agreement import Agreed
from telephony.sip.grammar import NameAddr
from telephony.sip.hop import Hop
from telephony.sip.listen_sockets import ListenConfig
from telephony.sip.message import Request, Response, encode, parse, respond
from telephony.sip.tls import ShownCertificate, TlsClient
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry
from tests.unit.negotiation_support import body

OURS, THEIRS = "192.0.2.9", "192.0.2.1"
PATIENCE_S = 1000.0
"""Of the virtual clock, for anything that a test waits for."""
SDP = body("m=audio 30000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000")
HELD = body("m=audio 30000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=sendonly", version=2)
VIDEO = body("m=video 30000 RTP/AVP 31")
"""An offer, or an answer, that cannot be used."""
_branches = itertools.count()


class FakeTransport:
    """Keeps what is sent, by peer; see `telephony.sip.transport.Transport`."""

    def __init__(
        self,
        listening: ListenConfig,
        on_message: Callable[[bytes, Hop], None],
        on_lost: Callable[[Hop, bytes | None], None],
        admits: Callable[[str, bytes], bool],
        on_certificate: Callable[[ShownCertificate], None],
    ) -> None:
        self.port, self.tls_port = 5060, 0
        self.profiles: dict[str, TlsClient] = {}
        self.deliver = on_message
        self.peers: dict[str, Peer] = {}
        self.unreachable: set[str] = set()
        self._on_lost = on_lost

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def send(self, data: bytes, hop: Hop) -> None:
        if hop.host in self.unreachable:
            asyncio.get_running_loop().call_soon(self._on_lost, hop, None)
        elif hop.host in self.peers:
            self.peers[hop.host].take(parse(data), hop)

    def local_host(self, hop: Hop) -> str:
        return OURS

    def why(self, hop: Hop) -> str:
        return "nobody listens there" if hop.host in self.unreachable else ""

    def note_success(self, hop: Hop) -> None:
        """Not kept."""

    def note_failure(self, hop: Hop, words: str) -> None:
        """Not kept."""

    def ping(self, hop: Hop) -> None:
        """Not sent."""


class FakeMedia:
    """A media session that keeps notes; see `telephony.media.session.MediaSession`."""

    rate_hz = 8000
    capture = None

    def __init__(self, port: int) -> None:
        self.port = port
        self.terms = Terms()
        self.on_audio: Callable[[Pcm], None] | None = None
        self.on_dtmf: Callable[[str], None] | None = None
        self.on_timeout: Callable[[], None] | None = None
        self.agreed: list[Agreed] = []
        self.closed = False
        self.keys = ""
        self.refused_security = ""
        self.refused_source: tuple[str, int] | None = None
        self.signalled_from: list[str | None] = []
        self.lives = 0
        """How often signalling has shown it."""
        self.excuses = 0

    def connect(self, agreed: Agreed, source_host: str | None = None) -> None:
        self.agreed.append(agreed)
        self.signalled_from.append(source_host)

    def show_life(self) -> None:
        self.lives += 1

    @contextlib.contextmanager
    def silence_excused(self) -> Iterator[None]:
        self.excuses += 1
        try:
            yield
        finally:
            self.excuses -= 1

    def close(self) -> None:
        self.closed = True

    def send_dtmf(self, keys: str) -> None:
        self.keys += keys

    def stats(self) -> MediaStats:
        return MediaStats()

    def hears(self) -> None:
        """A block comes from the peer."""
        if self.on_audio is not None:
            self.on_audio(np.ones(160, np.int16))


class FakeEngine:
    """Opens `FakeMedia`, unless it is full."""

    def __init__(self) -> None:
        self.sessions: list[FakeMedia] = []
        self.full = False

    def open(self, towards: str = "") -> FakeMedia:
        if self.full:
            raise PortsExhausted("no free RTP port")
        self.sessions.append(FakeMedia(20000 + 2 * len(self.sessions)))
        return self.sessions[-1]


@dataclass(frozen=True, slots=True)
class Received:
    """A message from us, as it reached the peer."""

    at_s: float
    message: Request | Response
    hop: Hop

    @property
    def kind(self) -> str:
        """Method of a request, status of a response."""
        return self.message.method if isinstance(self.message, Request) else str(self.message.code)


class Peer:
    """The other side of one dialog.

    Args:
        world: where it lives.
        host: its address.
        call_id: of the call that it begins; that of ours once it has answered an INVITE of ours.
    """

    def __init__(self, world: World, host: str = THEIRS, call_id: str = "call-1") -> None:
        self.hop = Hop("udp", host, 5060)
        self.call_id = call_id
        self.tag, self.our_tag = f"peer-{host}", ""
        self.address, self.our_address = f"sip:ann@{host}", f"sip:bot@{OURS}"
        self.got: list[Received] = []
        self.invite_branch = ""
        self._read = 0
        self._arrived = asyncio.Event()
        self._transport = world.transport
        self._transport.peers[host] = self

    def take(self, message: Request | Response, hop: Hop) -> None:
        """A message of ours arrives."""
        self.got.append(Received(now_s(), message, hop))
        self._arrived.set()

    @property
    def kinds(self) -> list[str]:
        """Of all that has arrived."""
        return [one.kind for one in self.got]

    def times(self, kind: str) -> list[float]:
        """When messages of that kind arrived, after the first of them, in seconds."""
        found = [one.at_s for one in self.got if one.kind == kind]
        return [round(at_s - found[0], 3) for at_s in found]

    async def receive(self, kind: str) -> Any:
        """The next message of that kind; those before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._read < len(self.got):
                    one = self.got[self._read]
                    self._read += 1
                    if one.kind == kind:
                        return one.message
                self._arrived.clear()
                await self._arrived.wait()

    # ── what it sends ──

    def send(self, message: Request | Response | bytes) -> None:
        """One datagram to us."""
        self._transport.deliver(message if isinstance(message, bytes) else encode(message), self.hop)

    def request(
        self,
        method: str,
        seq: int,
        *headers: str,
        body: bytes = b"",
        branch: str = "",
        content_type: str = "application/sdp",
        uri: str = "",
    ) -> str:
        """Send a request of this dialog (of none yet, while we have given no tag). Returns its branch."""
        branch = branch or f"z9hG4bK{next(_branches)}"
        to_tag = f";tag={self.our_tag}" if self.our_tag else ""
        lines = [
            f"{method} {uri or self.our_address} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.hop.host}:5060;branch={branch}",
            f"From: <{self.address}>;tag={self.tag}",
            f"To: <{self.our_address}>{to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {seq} {method}",
            f"Contact: <sip:ann@{self.hop.host}:5060>",
            "Max-Forwards: 70",
            *headers,
            *([f"Content-Type: {content_type}"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        return branch

    def invite(
        self,
        *headers: str,
        body: bytes = SDP,
        seq: int = 1,
        branch: str = "",
        content_type: str = "application/sdp",
    ) -> None:
        """Call us, or once more with the same `branch`."""
        self.invite_branch = self.request("INVITE", seq, *headers, body=body, branch=branch, content_type=content_type)

    def cancel(self, *headers: str, seq: int = 1) -> None:
        """Give the INVITE up."""
        tag, self.our_tag = self.our_tag, ""
        self.request("CANCEL", seq, *headers, branch=self.invite_branch)
        self.our_tag = tag

    def ack(self, response: Response, *, body: bytes = b"", content_type: str = "application/sdp") -> None:
        """Acknowledge a final response to the INVITE of that CSeq."""
        self.our_tag = response.head.to.tag
        branch = self.invite_branch if response.code >= 300 else ""
        self.request("ACK", response.head.seq, body=body, branch=branch, content_type=content_type)

    def reply(
        self,
        request: Request,
        status: int,
        *headers: tuple[str, str],
        body: bytes = b"",
        tag: str | None = None,
        contact: bool = True,
        content_type: str = "application/sdp",
    ) -> None:
        """Answer a request of ours."""
        if request.method == "INVITE" and not request.head.to.tag:
            self.call_id, self.our_tag = request.head.call_id, request.head.from_.tag
            self.address = NameAddr.parse(request.headers["To"]).uri
            self.our_address = NameAddr.parse(request.headers["From"]).uri
            self.tag = self.tag if tag is None else tag
        more = [*headers]
        if contact and 100 < status < 300:
            more.append(("Contact", f"<sip:ann@{self.hop.host}:5060>"))
        if body:
            more.append(("Content-Type", content_type))
        self.send(respond(request, status, tag="" if status == 100 else self.tag if tag is None else tag,
                          headers=more, body=body))  # fmt: skip


class World:
    """One user agent and those who call it or are called.

    Attributes:
        rung: calls that have come, each of which waits for what the test decides.
    """

    def __init__(self, agent: UserAgent, engine: FakeEngine, events: list[TelephonyEvent]) -> None:
        self.agent = agent
        self.engine = engine
        self.events = events
        self.rung: asyncio.Queue[IncomingCall] = asyncio.Queue()

    @property
    def transport(self) -> FakeTransport:
        return cast("FakeTransport", self.agent._endpoint._transport)

    def media_of(self, leg: SipLeg) -> FakeMedia:
        return cast("FakeMedia", leg.media)

    async def incoming(
        self, peer: Peer, *headers: str, body: bytes = SDP, content_type: str = "application/sdp"
    ) -> IncomingCall:
        """`peer` calls, and it rings in the application."""
        peer.invite(*headers, body=body, content_type=content_type)
        async with asyncio.timeout(PATIENCE_S):
            return await self.rung.get()

    async def talking(
        self, peer: Peer, *headers: str, body: bytes = SDP, content_type: str = "application/sdp"
    ) -> SipLeg:
        """`peer` has called, we have answered, and it has acknowledged."""
        leg = await (await self.incoming(peer, *headers, body=body, content_type=content_type)).answer()
        peer.ack(await peer.receive("200"))
        return leg


@contextlib.asynccontextmanager
async def running(
    on_call: Callable[[IncomingCall], Awaitable[None]] | None = None,
    trunks: Sequence[Trunk] = (),
    **config: Any,
) -> AsyncIterator[World]:
    """A user agent at work; `config` is more of its `AgentConfig`.

    Args:
        on_call: instead of letting every call ring until the test decides.
        trunks: those that it knows.
    """
    events: list[TelephonyEvent] = []
    engine = FakeEngine()
    worlds: list[World] = []

    async def ring(incoming: IncomingCall) -> None:
        worlds[0].rung.put_nowait(incoming)
        await asyncio.Event().wait()

    settings = AgentConfig(OURS, **{"max_new_per_s": 10_000.0, **config})
    book = TrunkRegistry(trunks={one.name: one for one in trunks})
    with mock.patch("telephony.sip.endpoint.Transport", FakeTransport):
        agent = UserAgent(
            settings, cast("MediaEngine", engine), on_call or ring, trunks=book, on_event=events.append
        )  # fmt: skip
    worlds.append(World(agent, engine, events))
    await agent.start()
    try:
        yield worlds[0]
    finally:
        await agent.stop()


def header(message: Request | Response, name: str) -> str:
    """One header's value; empty when it is not there."""
    return str(message.headers.get(name) or "")


def sdp_lines(message: Request | Response, prefix: str) -> list[str]:
    """Lines of its session description that begin so."""
    return [line for line in message.body.decode().split("\r\n") if line.startswith(prefix)]


async def until_settled() -> None:
    """Let everything that is ready be done; no time passes."""
    for _ in range(20):
        await asyncio.sleep(0)


def seconds() -> float:
    """The virtual clock."""
    return asyncio.get_running_loop().time()


async def placed(world: World, peer: Peer, terms: Terms | None = None, *headers: tuple[str, str]) -> SipLeg:
    """A call of ours that `peer` has answered."""
    outgoing = world.agent.dial("sip:ann@192.0.2.1", terms=terms or Terms())
    peer.reply(await peer.receive("INVITE"), 200, *headers, body=SDP)
    leg = await outgoing.answered()
    await peer.receive("ACK")
    return leg
