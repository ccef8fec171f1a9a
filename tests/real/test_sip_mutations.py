"""acceptance.md, 2: ten thousand mutated datagrams into a running agent that answers calls, with its media.

What a datagram costs is measured in time of the processor, which a busy machine does not change.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from telephony.agent import IncomingCall, UserAgent
from telephony.leg import LegError
from telephony.sip.hop import Hop
from tests.rfc4475 import MESSAGES, data
from tests.unit.test_sip_fuzz import heap_set_aside, mutated

from .siprun import OFFER, OnCall, Wire, running_agent, to_tag, wire
from .test_sip_wire import assert_alive

DATAGRAMS = 10_000
ROUND = 250
LIMIT_MS = 50.0
OPENING = ["INVITE"] * 6 + ["OPTIONS", "REGISTER", "MESSAGE", "REFER", "SUBSCRIBE", "CANCEL"]
INSIDE = ["INVITE", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "ACK", "OPTIONS", "BYE"]
EXTRA = [
    "Supported: timer, 100rel, replaces\n",
    "Session-Expires: 1800;refresher=uac\nMin-SE: 90\n",
    "Require: 100rel\n",
    "RAck: 1 1 INVITE\n",
    "Refer-To: <sip:x@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\n",
    "Replaces: a;to-tag=b;from-tag=c\n",
    'Authorization: Digest username="u", realm="voicebot", nonce="n", uri="sip:x", response="00", qop=auth, nc=1\n',
    "P-Asserted-Identity: <tel:+4930>\nDiversion: <sip:d@h>;reason=busy\n",
    "Identity: a.b.c;info=<https://c>;alg=ES256\n",
    "Route: <sip:127.0.0.1;lr>\nRecord-Route: <sip:127.0.0.1;lr>\n",
]


def message(peer: Wire, dice: random.Random, number: int, tag: str) -> bytes:
    """A well-formed one: a new request, one of the call that is up, a response, or torture."""
    kind = dice.random()
    if kind < 0.1:
        return data(dice.choice(list(MESSAGES)))
    inside = kind < 0.5
    method = dice.choice(INSIDE if inside else OPENING)
    body = OFFER if method in ("INVITE", "UPDATE", "PRACK") else "Signal=5\nDuration=160\n"
    extra = "".join(line for line in EXTRA if dice.random() < 0.05)
    call, to = (f"live{number // ROUND}", tag) if inside else (f"call{number}", "")
    text = peer.request(
        method, branch=f"z9hG4bK{number}", call=call, seq=str(number + 2), to=to, extra=extra, body=body
    )
    found = text.replace("\n", "\r\n").encode()
    return b"SIP/2.0 200 OK" + found[found.index(b"\r\n") :] if kind > 0.9 else found


async def quiet(peer: Wire) -> None:
    """Read the answers away, so that there is room in the socket for the next."""
    try:
        while True:
            await peer.receive("SIP/2.0 ", 0.05)
    except TimeoutError:
        return


async def new_call(peer: Wire, call: str) -> str:
    """Place a call; its To tag."""
    peer.send(peer.request("INVITE", branch=f"z9hG4bK{call}", call=call, body=OFFER))
    tag = to_tag(await peer.receive("SIP/2.0 200"))
    peer.send(peer.request("ACK", branch=f"z9hG4bK{call}a", call=call, to=tag))
    return tag


def deal_with(agent: UserAgent, datagram: bytes, hop: Hop) -> float:
    """Hand over a datagram as the socket does; milliseconds of the processor's time."""
    began_s = time.thread_time()
    agent._endpoint._on_message(datagram, hop)
    return 1000 * (time.thread_time() - began_s)


async def bombard(dice: random.Random, answer: OnCall, costs_ms: list[float]) -> None:
    """Run the agent, send everything, and see now and then that it lives."""
    async with running_agent(answer, max_calls=100) as agent, wire(agent.port) as peer:
        hop = Hop("udp", "127.0.0.1", peer.port)
        for number in range(DATAGRAMS):
            if number % ROUND == 0:
                await quiet(peer)
                await assert_alive(peer)
                tag = await new_call(peer, f"live{number // ROUND}")
            datagram = mutated(dice, message(peer, dice, number, tag), most=dice.choice([1, 2, 8]))
            costs_ms.append(deal_with(agent, datagram, hop))
            if number % 10 == 0:
                await asyncio.sleep(0)
        await quiet(peer)
        await assert_alive(peer)


async def test_mutated_datagrams_cost_little_and_break_nothing() -> None:
    dice = random.Random(20261121)
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
    calls: list[str] = []

    async def answer(incoming: IncomingCall) -> None:
        calls.append(incoming.id)
        try:
            leg = await incoming.answer()
        except LegError:
            return
        await asyncio.wait([leg.closed], timeout=5.0 if incoming.id.startswith("live") else 0.1)
        await leg.hang_up()

    costs_ms: list[float] = []
    with heap_set_aside():
        await bombard(dice, answer, costs_ms)
    mean_ms = sum(costs_ms) / DATAGRAMS
    print(f"{DATAGRAMS} datagrams, {len(calls)} calls: mean {mean_ms:.2f} ms, slowest {max(costs_ms):.1f} ms")
    assert broken == []
    assert len(calls) > 4 * DATAGRAMS / ROUND, "nothing came through to the calls"
    assert max(costs_ms) < LIMIT_MS
