"""acceptance.md, 3: ten thousand mutated SDP bodies in INVITEs to a running agent with its real media engine."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.agent import IncomingCall
from telephony.leg import LegError
from tests.unit.test_media_sdp import SEEDS, mutate

from .programs import PATIENCE_S, until
from .siprun import Wire, running_agent, wire

BODIES, WARM_UP = 10_000, 5_000
BATCH = 20
GROWTH_MB = 20.0
TRANSACTIONS_S = 33.0
"""After that none is left (RFC 3261 timer J, RFC 6026 timer L)."""


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    """pytest keeps every line of it."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def resident_mb() -> float:
    """Memory of this process, which the agent runs in."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def invite(peer: Wire, number: int, body: bytes) -> bytes:
    head = (
        f"INVITE sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bK{number};rport\r\n"
        f"From: <sip:a@127.0.0.1>;tag=f{number}\r\nTo: <sip:bot@127.0.0.1>\r\nCall-ID: body-{number}\r\n"
        f"CSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:{peer.port}>\r\nMax-Forwards: 70\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def in_dialog(peer: Wire, method: str, answer: str) -> bytes:
    """The ACK or BYE that belongs to a final answer."""
    lines = {line.partition(":")[0]: line for line in answer.split("\r\n")[1:]}
    number = lines["Call-ID"].rpartition("-")[2]
    branch = number if method == "ACK" and not answer.startswith("SIP/2.0 2") else f"{number}{method}"
    return (
        f"{method} sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bK{branch};rport\r\n"
        f"{lines['From']}\r\n{lines['To']}\r\n{lines['Call-ID']}\r\nCSeq: {1 + (method == 'BYE')} {method}\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def batch(peer: Wire, first: int, bodies: list[bytes]) -> list[int]:
    """Place calls with these bodies, end those that are answered; the final statuses."""
    for number, body in enumerate(bodies, first):
        peer.send(invite(peer, number, body))
    statuses: dict[str, int] = {}
    async with asyncio.timeout(PATIENCE_S):
        while len(statuses) < len(bodies):
            answer = await peer.receive("SIP/2.0 ")
            status = int(answer[8:11])
            if status < 200 or "1 INVITE" not in answer:
                continue
            peer.send(in_dialog(peer, "ACK", answer))
            if status == 200:
                peer.send(in_dialog(peer, "BYE", answer))
            call = next(line for line in answer.split("\r\n") if line.startswith("Call-ID"))
            statuses[call] = status
    return list(statuses.values())


async def test_mutated_offers_get_200_400_or_488_and_leave_no_memory_behind() -> None:
    dice = random.Random(20261121)
    seen: Counter[int] = Counter()

    async def take(incoming: IncomingCall) -> None:
        try:
            leg = await incoming.answer()
        except LegError:
            return
        await leg.closed

    async with (
        running_agent(take, max_calls=10 * BATCH) as agent,
        wire(agent.port) as here,
        wire(agent.port, "127.0.0.2") as there,  # one source alone may have 4096 transactions in 32 s
    ):
        before = 0.0
        for first in range(0, WARM_UP + BODIES, BATCH):
            peer = there if first // BATCH % 2 else here
            if first == WARM_UP:  # caches are warm, as many ended dialogs are remembered as ever, and heaps have grown
                await asyncio.sleep(TRANSACTIONS_S)
                before = resident_mb()
            seen.update(await batch(peer, first, [mutate(dice.choice(SEEDS), dice) for _ in range(BATCH)]))
        grown = resident_mb() - before
        await until(lambda: agent.active_calls == 0, 60)  # where an ACK was lost it takes 32 s
    print(f"statuses {dict(seen)}, memory {grown:+.1f} MB")
    assert set(seen) <= {200, 400, 488}
    assert min(seen[status] for status in (200, 400, 488)) > 100
    assert grown < GROWTH_MB
