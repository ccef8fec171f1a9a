"""SIP peers for the tests: sipp with our scenarios, a bare socket, and an agent of ours to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.events import OnEvent, ignore_event
from telephony.media.engine import MediaEngine
from telephony.sip.flood_guard import FloodGuard
from telephony.trunk.registry import Trunks

from .programs import PATIENCE_S, free_port, free_ports

SCENARIOS = Path(__file__).parent / "sipp"
FIRST_RTP, LAST_RTP = 21000, 21499
OnCall = Callable[[IncomingCall], Awaitable[None]]


@contextlib.asynccontextmanager
async def running_agent(
    on_call: OnCall | None,
    max_calls: int = 50,
    *,
    trunks: Trunks | None = None,
    guard: FloodGuard | None = None,
    on_event: OnEvent = ignore_event,
    **config: Any,
) -> AsyncIterator[UserAgent]:
    """A user agent with the real media engine on a free port; `config` is more of its `AgentConfig`."""
    engine = MediaEngine("127.0.0.1", FIRST_RTP, LAST_RTP)
    engine.start()
    settings = AgentConfig(port=0, max_calls=max_calls, **{"max_new_per_s": 10_000.0, **config})
    agent = UserAgent(settings, engine, on_call, trunks=trunks, guard=guard, on_event=on_event)
    await agent.start()
    try:
        yield agent
    finally:
        await agent.stop()
        engine.stop()


class Sipp:
    """One run of sipp. Its exit status 0 says that every message came as the scenario wants it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def ended(self, timeout_s: float = 2 * PATIENCE_S) -> None:
        """Wait until it is through; fail with its own words when it is not content."""
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            output, _ = await self._process.communicate()
        assert self._process.returncode == 0, words(output)[-4000:]


@contextlib.asynccontextmanager
async def sipp(
    scenario: str,
    *,
    to: int | None = None,
    transport: str = "udp",
    calls: int = 1,
    rate: int = 10,
    options: Sequence[str] = (),
) -> AsyncIterator[Sipp]:
    """Start sipp: with `to` as a caller of that port, without as a called party.

    Names in upper case are built in, others are ours, or a path without ``.xml`` (see `sippscript`).
    `options` are more words of the command line, such as ``-s USER``.
    """
    port = free_port()
    rtp = free_ports(4)[0]  # for sound and pictures, also when it sends nothing; it ends when they are taken
    what = ["-sn", scenario.lower()] if scenario.isupper() else ["-sf", str(SCENARIOS / f"{scenario}.xml")]
    process = await asyncio.create_subprocess_exec(
        *["sipp", *what, "-m", str(calls), "-r", str(rate), "-t", "t1" if transport == "tcp" else "u1", "-nostdin"],
        *["-i", "127.0.0.1", "-p", str(port), "-mp", str(rtp), "-recv_timeout", f"{PATIENCE_S * 1000:.0f}"],
        *["-d", "300", *options, *([] if to is None else [f"127.0.0.1:{to}"])],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        if to is None:
            await listening(port, transport, process)
        yield Sipp(process, port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def words(output: bytes) -> str:
    """What a program printed, without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode("latin-1"))


async def listening(
    port: int, transport: str, process: asyncio.subprocess.Process | None = None, patience_s: float = PATIENCE_S
) -> None:
    """Wait until the kernel has that port open. Fails when it does not, and at once when the `process` has ended."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + patience_s
    while not is_open(port, transport):
        if process is not None and process.returncode is not None:
            output = b"" if process.stdout is None else await process.stdout.read()
            raise AssertionError(f"it has ended, with status {process.returncode}: {words(output)[-4000:]}")
        assert loop.time() < end_s, f"nobody listens on port {port} ({transport})"
        await asyncio.sleep(0.02)


def is_open(port: int, transport: str) -> bool:
    """Whether somebody on this machine has bound it (UDP), or listens on it (TCP), by IPv4."""
    state = "0A" if transport == "tcp" else "07"
    rows = [line.split() for line in Path(f"/proc/net/{transport}").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)


class Wire(asyncio.DatagramProtocol):
    """A bare UDP socket that sends what it is told to and keeps what comes."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.inbox.put_nowait(data)

    def send(self, data: bytes | str) -> None:
        """One datagram; line ends become CRLF when it is text."""
        self.transport.sendto(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())

    async def receive(self, start: str, timeout_s: float = PATIENCE_S) -> str:
        """The next message that begins so; others are dropped."""
        async with asyncio.timeout(timeout_s):
            while True:
                text = (await self.inbox.get()).decode()
                if text.startswith(start):
                    return text

    def request(
        self, method: str, *, branch: str = "z9hG4bK1", call: str = "call-1", seq: str = "1", **more: str
    ) -> str:
        """A request's text; `more`: to (tag parameter), extra (header lines), body."""
        body = more.get("body", "").replace("\n", "\r\n")
        return (
            f"{method} {more.get('uri', 'sip:bot@127.0.0.1')} SIP/2.0\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch};rport\n"
            f"From: {more.get('from_', f'<sip:ann@127.0.0.1:{self.port}>')};tag=ann\n"
            f"To: <sip:bot@127.0.0.1>{more.get('to', '')}\nCall-ID: {call}\nCSeq: {seq} {more.get('cseq', method)}\n"
            f"Contact: <sip:ann@127.0.0.1:{self.port}>\nMax-Forwards: 70\n{more.get('extra', '')}"
            + ("Content-Type: application/sdp\n" if body else "")
            + f"Content-Length: {len(body)}\n\n{more.get('body', '')}"
        )


OFFER = "v=0\no=u 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 21600 RTP/AVP 0\n"


@contextlib.asynccontextmanager
async def wire(port: int, host: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """A socket connected to the agent, with the agent's own address or another of this machine's."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Wire, remote_addr=("127.0.0.1", port), local_addr=(host, 0)
    )
    try:
        yield protocol
    finally:
        transport.close()


def to_tag(response: str) -> str:
    """``;tag=…`` of a response's To."""
    found = re.search(r"^To:.*(;tag=[^\s;]+)", response, re.MULTILINE)
    assert found, response
    return found[1]
