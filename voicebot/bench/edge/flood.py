"""``voicebot bench edge flood``: INVITEs by the hundred while calls are up, and new ones when there is no room.

The flood comes from one source or many, never ACKs and never hangs up. acceptance.md, 9 and 10.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from voicebot.bench.edge.callers import LoadPlan, stamp_ns, stamped
from voicebot.bench.edge.figures import gaps_ms, percentiles
from voicebot.bench.edge.run import callers, process, received, say, server
from voicebot.bench.edge.server import ServerSetup
from voicebot.bench.edge.sip import offer, read, request

NAMES = {
    "gap_p99": "gap_ms/p99",
    "growth": "memory_growth_mb",
    "refused_max": "over_the_limit/refused_ms/max",
}
BARS = "gap_p99=40,growth=100,refused_max=200"
NEW_PER_S = 20.0
SPARE_CALLS = 30
_PROBES_PER_S = 20.0
_SETTLE_S = 1.0


@dataclass
class FloodAnswers:
    """What a flood was told."""

    sent: int = 0
    seconds: float = 0.0
    """It took to send them."""
    by_status: Counter[str] = field(default_factory=Counter)
    refused_ms: list[float] = field(default_factory=list)
    """INVITE sent to 503 received, by the kernel's stamp."""
    without_retry_after: int = 0


@dataclass(frozen=True)
class Flood:
    """What it does."""

    target: tuple[str, int]
    sources: tuple[str, ...]
    per_s: float
    seconds: float


def measure(
    seconds: float = 60,
    per_s: float = 500,
    calls: int = 20,
    sources: tuple[str, ...] = ("127.0.0.66",),
    probe_s: float = 5,
    first_port: int = 30000,
) -> dict[str, Any]:
    """Both parts. Raises VoicebotError when a process dies."""
    found = _flooded(Flood(("", 0), sources, per_s, seconds), calls, first_port)
    found["over_the_limit"] = limit = _over_the_limit(calls, probe_s, first_port)
    found["wrong"] = wrong(found, limit)
    return found


def _flooded(flood: Flood, calls: int, first_port: int) -> dict[str, Any]:
    setting = ServerSetup(calls + SPARE_CALLS, NEW_PER_S, first_port, trusted=())
    with server(setting) as one, callers(LoadPlan(one.target, calls, NEW_PER_S / 4, stamps=True)) as calling:
        calling.watch(lambda p: p.up + p.failed >= calls, 60)
        time.sleep(_SETTLE_S)
        say(f"{calling.progress.up} calls are up; {flood.per_s:g} INVITEs per second for {flood.seconds:g} s")
        before, began_ns = one.figures(), time.time_ns()
        with process(run_flood, Flood(one.target, flood.sources, flood.per_s, flood.seconds)) as connection:
            answers: FloodAnswers = received(connection, flood.seconds + 60)
        ended_ns = time.time_ns()
        after = one.figures()
        seen = calling.stop()
    took_s = (ended_ns - began_ns) / 1e9
    gaps = gaps_ms(seen.stamps_ns.values(), began_ns, ended_ns)
    return {
        "calls": calls,
        "seconds": round(took_s, 1),
        "sources": len(flood.sources),
        "invites": answers.sent,
        "invites_per_s": round(answers.sent / max(answers.seconds, 1e-9), 1),
        "answers": dict(answers.by_status),
        "refused_ms": percentiles(answers.refused_ms, 50, 99),
        "refused_at_the_gate": after.refused,
        "gap_ms": percentiles(gaps, 50, 99, 99.9),
        "packets_out": len(gaps),
        "packets_out_expected": round(calls * took_s * 50),
        "server_cpu_cores": round((after.cpu_s - before.cpu_s) / took_s, 3),
        "memory_growth_mb": round(after.memory_mb - before.memory_mb, 1),
        "ended_by_server": seen.ended_by_server,
        "confirmed_at_the_end": seen.confirmed,
    }


def _over_the_limit(calls: int, seconds: float, first_port: int) -> dict[str, Any]:
    """All the calls that the server takes are up; every further one is to be refused, at once, with Retry-After."""
    with (
        server(ServerSetup(calls, 1000, first_port)) as one,
        callers(LoadPlan(one.target, calls, NEW_PER_S)) as calling,
    ):
        calling.watch(lambda p: p.up + p.failed >= calls, 60)
        say(f"{calling.progress.up} of {calls} calls are up; {_PROBES_PER_S:g} more per second for {seconds:g} s")
        with process(run_flood, Flood(one.target, ("127.0.0.1",), _PROBES_PER_S, seconds)) as connection:
            answers: FloodAnswers = received(connection, seconds + 60)
        seen = calling.stop()
    return {
        "tried": answers.sent,
        "answers": dict(answers.by_status),
        "without_retry_after": answers.without_retry_after,
        "refused_ms": percentiles(answers.refused_ms, 50, 99),
        "calls_kept": seen.confirmed,
    }


def wrong(found: dict[str, Any], limit: dict[str, Any]) -> list[str]:
    """What is wrong whatever the bars."""
    words = []
    if found["ended_by_server"] or found["confirmed_at_the_end"] < found["calls"]:
        words.append(f"{found['confirmed_at_the_end']} of {found['calls']} calls lived through the flood")
    if found["packets_out"] < 0.7 * found["packets_out_expected"]:
        words.append(f"{found['packets_out']} of {found['packets_out_expected']} packets came")
    if limit["answers"].get("503", 0) < limit["tried"] or set(limit["answers"]) != {"503"}:
        words.append(f"over the limit: {limit['answers']} for {limit['tried']} calls")
    if limit["without_retry_after"]:
        words.append(f"{limit['without_retry_after']} refusals have no Retry-After")
    return words


def addresses(first: str, count: int) -> tuple[str, ...]:
    """`count` addresses of this machine (IPv4 loopback) from the first. Raises ValueError."""
    base = int(ipaddress.IPv4Address(first))
    found = tuple(str(ipaddress.IPv4Address(base + number)) for number in range(count))
    if not found or not all(ipaddress.IPv4Address(one).is_loopback for one in found):
        raise ValueError("sources are addresses in 127.0.0.0/8")
    return found


def run_flood(connection: Connection, flood: Flood) -> None:
    """Process: send INVITEs at a steady rate, from one address after the other, and tell the answers."""
    answers, sent_ns = FloodAnswers(), dict[str, int]()
    socks = [stamped(host) for host in flood.sources]
    began_s = time.monotonic()
    total = int(flood.per_s * flood.seconds)
    for number in range(total):
        sock = socks[number % len(socks)]
        local: tuple[str, int] = sock.getsockname()
        call = f"flood{local[1]}x{number}"
        body = offer(local[0], 40_000, "PCMU", b"")
        sent_ns[call] = time.time_ns()
        sock.sendto(request("INVITE", call, local, flood.target, body=body), flood.target)
        answers.sent += 1
        _listen(socks, began_s + (number + 1) / flood.per_s, answers, sent_ns)
    answers.seconds = time.monotonic() - began_s
    _listen(socks, time.monotonic() + 0.5, answers, sent_ns)
    for sock in socks:
        sock.close()
    connection.send(answers)


def _listen(socks: list[socket.socket], until_s: float, answers: FloodAnswers, sent_ns: dict[str, int]) -> None:
    """Count the first final answer to each call; it is sent again as nobody ACKs it."""
    while ready := select.select(socks, [], [], max(0.0, until_s - time.monotonic()))[0]:
        for sock in ready:
            data, ancillary, _, _ = sock.recvmsg(65_535, 64)
            message = read(data)
            if message is None or message.status < 200 or message.call not in sent_ns:
                continue
            took_ms = (stamp_ns(ancillary) - sent_ns.pop(message.call)) / 1e6
            answers.by_status[str(message.status)] += 1
            if message.status == 503:
                answers.refused_ms.append(took_ms)
                answers.without_retry_after += not message.retry_after
        if until_s <= time.monotonic():
            return
