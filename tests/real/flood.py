"""acceptance.md, 9: a flood of INVITEs while calls are up.

    python tests/real/flood.py --seconds 60 --rate 500 --calls 20

The server (a `UserAgent` with its gate and trace, answering every call with sound), the callers and the flood are three
processes; the flood comes from another loopback address, or with ``--source 127.0.0.1`` from that of the calls. Prints
JSON: gaps between the packets that the callers got as their kernel stamped them, calls lost, and memory of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import multiprocessing
import re
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.leg import LegError
from telephony.media.engine import MediaEngine
from telephony.media.rtp import pack
from telephony.sip.gate import Gate
from telephony.trace import Trace

_TIMESPEC = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35
"""Of Linux; the socket module has no name for it."""
SETTLE_S = 1.0
MAX_CALLS = 50
NEW_CALLS_PER_S = 20.0
SDP = (
    "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0 8 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
)


def request(
    method: str, call: str, port: int, host: str = "127.0.0.1", to: str = "", body: str = "", seq: int = 1
) -> bytes:
    """One request of a caller."""
    return (
        f"{method} sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call}{method};rport\r\n"
        f"From: <sip:{call}@{host}>;tag={call}\r\nTo: <sip:bot@127.0.0.1>{to}\r\n"
        f"Call-ID: {call}\r\nCSeq: {seq} {method}\r\n"
        f"Contact: <sip:{call}@{host}:{port}>\r\nMax-Forwards: 70\r\nUser-Agent: flood\r\n"
        + ("Content-Type: application/sdp\r\n" if body else "")
        + f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


# ── the server ──


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def server(connection: Connection, first_port: int) -> None:
    """Answer calls until the connection says stop; any other word is answered with figures."""
    asyncio.run(_serve(connection, first_port))


async def _serve(connection: Connection, first_port: int) -> None:
    async def answer(incoming: IncomingCall) -> None:
        try:
            leg = await incoming.answer()
        except LegError:
            return
        while not leg.closed.done():
            if leg.queued_samples < leg.rate_hz:
                leg.play(np.full(2 * leg.rate_hz, 1000, np.int16))
            await asyncio.wait([leg.closed], timeout=0.5)

    engine = MediaEngine("127.0.0.1", first_port, first_port + 4 * MAX_CALLS)
    engine.start()
    gate = Gate()
    agent = UserAgent(AgentConfig(port=0, max_calls=MAX_CALLS), engine, answer, gate=gate, trace=Trace())
    await agent.start()
    connection.send(agent.port)
    while await asyncio.to_thread(connection.recv) != "stop":
        connection.send({"memory_mb": resident_mb(), "cpu_s": time.process_time(), "refused": dict(gate.refused)})
    await agent.stop()
    engine.stop()


# ── the callers ──


@dataclass
class Callers:
    """Calls from one socket, with media from another; both are read as they come."""

    target: tuple[str, int]
    sip: socket.socket = field(default_factory=lambda: _bound("127.0.0.1"))
    rtp: socket.socket = field(default_factory=lambda: _bound("127.0.0.1"))
    tags: dict[str, str] = field(default_factory=dict)
    media: dict[int, str] = field(default_factory=dict)
    """Port of the server to call."""
    seen_ns: dict[int, list[int]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)

    def place(self, name: str) -> None:
        """Send an INVITE until it is answered. Raises AssertionError when it never is (503 is a busy machine's)."""
        sdp = SDP.format("127.0.0.1", self.rtp.getsockname()[1])
        for number in range(10):
            call = f"{name}try{number}"
            self.sip.sendto(request("INVITE", call, self.sip.getsockname()[1], body=sdp), self.target)
            end_s = time.monotonic() + 1
            while time.monotonic() < end_s:
                self.read(0.1)
                if call in self.tags:
                    return
        raise AssertionError("a call was not answered before the flood")

    def read(self, patience_s: float) -> None:
        """Take in what has come, for so long at most."""
        ready, _, _ = select.select([self.sip, self.rtp], [], [], patience_s)
        if self.rtp in ready:
            _, ancillary, _, source = self.rtp.recvmsg(2048, 64)
            seconds, ns = _TIMESPEC.unpack(ancillary[0][2])
            self.seen_ns.setdefault(source[1], []).append(seconds * 1_000_000_000 + ns)
        if self.sip in ready:
            self._on_sip(self.sip.recv(65_535).decode())

    def _on_sip(self, text: str) -> None:
        found = re.search(r"^Call-ID: (\S+)", text, re.MULTILINE)
        assert found is not None
        call = found[1]
        if text.startswith("SIP/2.0 200") and "1 INVITE" in text:
            tag = re.search(r"^To:.*(;tag=[^\s;]+)", text, re.MULTILINE)
            port = re.search(r"^m=audio (\d+)", text, re.MULTILINE)
            assert tag is not None
            assert port is not None
            self.tags[call] = tag[1]
            self.media[int(port[1])] = call
            self._send("ACK", call)
        elif text.startswith("BYE "):
            self.over.add(call)
        elif text.startswith("SIP/2.0 200") and "BYE" in text:
            self.confirmed.add(call)

    def _send(self, method: str, call: str) -> None:
        seq = 1 if method == "ACK" else 2
        self.sip.sendto(request(method, call, self.sip.getsockname()[1], to=self.tags[call], seq=seq), self.target)

    def hang_up(self) -> None:
        """BYE to every call, and its answer, sent again until it comes."""
        for _ in range(10):
            for call in self.tags.keys() - self.confirmed:
                self._send("BYE", call)
            end_s = time.monotonic() + 0.5
            while time.monotonic() < end_s and self.tags.keys() - self.confirmed:
                self.read(0.02)


def callers(connection: Connection, target: tuple[str, int], calls: int) -> None:
    """Place the calls, talk on them until a word comes, hang up, and tell what was seen."""
    all_of_them = Callers(target)
    all_of_them.rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    all_of_them.rtp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    for number in range(calls):
        all_of_them.place(f"live{number}")
        time.sleep(1 / NEW_CALLS_PER_S)
    connection.send("up")
    payload, sequence, due_s = bytes(160), 0, time.monotonic()
    while not connection.poll():
        for port in all_of_them.media:
            packet = pack(False, 0, sequence & 0xFFFF, sequence * 160, port, payload)
            all_of_them.rtp.sendto(packet, (target[0], port))
        sequence += 1
        due_s += 0.02
        while (left_s := due_s - time.monotonic()) > 0:
            all_of_them.read(left_s)
    times = {port: all_of_them.seen_ns.get(port, []) for port in all_of_them.media}
    all_of_them.hang_up()
    connection.send((times, len(all_of_them.over), calls - len(all_of_them.confirmed)))


def _bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    return sock


# ── the flood ──


def flood(target: tuple[str, int], sources: list[str], per_s: float, seconds: float) -> dict[str, int]:
    """Send INVITEs at a steady rate, from one address after the other, and count the answers by status."""
    socks = [(host, _bound(host)) for host in sources]
    answers: dict[str, int] = {}
    began_s = time.monotonic()
    for number in range(int(per_s * seconds)):
        host, sock = socks[number % len(socks)]
        sdp = SDP.format(host, 40_000)
        sock.sendto(request("INVITE", f"flood{number}", sock.getsockname()[1], host, body=sdp), target)
        due_s = began_s + (number + 1) / per_s
        while ready := select.select([one for _, one in socks], [], [], max(0.0, due_s - time.monotonic()))[0]:
            for one in ready:
                start = one.recv(65_535)[:11].decode()
                status = start[8:] if start.startswith("SIP/2.0 ") else start.split(" ")[0]
                answers[status] = answers.get(status, 0) + 1
            if due_s <= time.monotonic():
                break
    for _, sock in socks:
        sock.close()
    return answers


def measure(seconds: float, per_s: float, calls: int, sources: list[str], first_port: int) -> dict[str, Any]:
    """One run, see the top."""
    context = multiprocessing.get_context("spawn")
    to_server, server_end = context.Pipe()
    to_callers, callers_end = context.Pipe()
    serving = context.Process(target=server, args=(server_end, first_port), daemon=True)
    serving.start()
    server_end.close()
    target = ("127.0.0.1", int(to_server.recv()))
    calling = context.Process(target=callers, args=(callers_end, target, calls), daemon=True)
    calling.start()
    callers_end.close()
    assert to_callers.recv() == "up"
    time.sleep(SETTLE_S)
    to_server.send("figures")
    before = to_server.recv()
    began_ns = time.time_ns()
    answers = flood(target, sources, per_s, seconds)
    to_server.send("figures")
    after = to_server.recv()
    to_callers.send("stop")
    seen_ns, ended, unconfirmed = to_callers.recv()
    to_server.send("stop")
    calling.join()
    serving.join()
    gaps_ms = np.concatenate([np.diff([at for at in times if at >= began_ns]) for times in seen_ns.values()]) / 1e6
    p50, p99, p999 = (float(one) for one in np.percentile(gaps_ms, [50, 99, 99.9]))
    return {
        "seconds": seconds,
        "invites": int(per_s * seconds),
        "gap_ms": {"p50": p50, "p99": p99, "p99.9": p999, "max": float(gaps_ms.max())},
        "packets": len(gaps_ms),
        "packets_expected": int(calls * seconds * 50),
        "calls_ended_by_server": ended,
        "calls_not_there_at_the_end": unconfirmed,
        "memory_growth_mb": after["memory_mb"] - before["memory_mb"],
        "server_cpu": (after["cpu_s"] - before["cpu_s"]) / seconds,
        "answers": answers,
        "refused_at_the_gate": after["refused"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--source", default="127.0.0.66")
    parser.add_argument(
        "--sources", type=int, default=1, help="send from so many addresses, that one and those behind it"
    )
    parser.add_argument("--first-port", type=int, default=23000)
    options = parser.parse_args()
    first = int(ipaddress.ip_address(options.source))
    sources = [str(ipaddress.ip_address(first + number)) for number in range(options.sources)]
    result = measure(options.seconds, options.rate, options.calls, sources, options.first_port)
    print(json.dumps(result, indent=2, default=lambda value: round(float(value), 2)))


if __name__ == "__main__":
    main()
