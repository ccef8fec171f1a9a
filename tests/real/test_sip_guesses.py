"""acceptance.md, 11 and 12: guessing passwords and extensions, against a trunk whose users prove themselves."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from telephony.agent import IncomingCall, UserAgent
from telephony.events import SourceBlocked, TelephonyEvent
from telephony.sip.digest import Credentials, DigestClient
from telephony.sip.flood_guard import FloodGuard
from telephony.sip.message import Request, Response, encode, parse
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry

from .siprun import OFFER, Wire, running_agent

GUESSER, PHONE = "127.0.0.2", "127.0.0.3"
PASSWORDS = {"200": "correct horse", "201": "battery staple"}
GUESSES = 1000


async def busy(incoming: IncomingCall) -> None:
    incoming.reject(486)


@contextlib.asynccontextmanager
async def office(told: list[TelephonyEvent]) -> AsyncIterator[tuple[UserAgent, FloodGuard]]:
    """An agent with desk phones in 127.0.0.0/24: their calls and registrations need a password."""
    guard = FloodGuard(on_event=told.append)
    values = {"name": "office", "peers": ["127.0.0.0/24"], "users": PASSWORDS, "accept_registrations": {}}
    book = TrunkRegistry(trunks={"office": Trunk.model_validate(values)}, guard=guard, on_event=told.append)
    async with running_agent(busy, trunks=book, guard=guard, on_event=told.append, open=False) as agent:
        yield agent, guard


@contextlib.asynccontextmanager
async def wire_from(host: str, port: int) -> AsyncIterator[Wire]:
    """A socket of that address, connected to the agent."""
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(Wire, (host, 0), remote_addr=("127.0.0.1", port))
    try:
        yield peer
    finally:
        transport.close()


def request(peer: Wire, method: str, number: int, to: str = "200") -> Request:
    """A new request, with a Call-ID and branch of its own."""
    body = OFFER if method == "INVITE" else ""
    uri = f"sip:{to}@127.0.0.1" if method == "INVITE" else "sip:127.0.0.1"
    text = peer.request(method, branch=f"z9hG4bK{method}{number}", call=f"c{number}", uri=uri, body=body)
    if method == "REGISTER":
        text = text.replace("To: <sip:bot@", f"To: <sip:{to}@")
    message = parse(text.replace("\n", "\r\n").encode())
    assert isinstance(message, Request)
    return message


async def answer_to(peer: Wire, message: Request) -> Response:
    """Send it and wait for the final answer. Raises TimeoutError."""
    peer.send(encode(message))
    while True:
        response = parse((await peer.receive("SIP/2.0 ", 0.5)).encode())
        assert isinstance(response, Response)
        if response.code >= 200 and response.head.call_id == message.head.call_id:
            return response


async def try_password(peer: Wire, method: str, number: int, credentials: Credentials) -> Response:
    """Ask, be challenged, answer; what comes of it."""
    challenge = await answer_to(peer, request(peer, method, 2 * number))
    assert challenge.code == 401
    again = request(peer, method, 2 * number + 1)
    assert DigestClient(credentials).answer(challenge, again)
    return await answer_to(peer, again)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
async def test_a_guesser_is_refused_outright_after_ten_and_a_phone_is_not(method: str) -> None:
    told: list[TelephonyEvent] = []
    seen: Counter[int] = Counter()
    async with office(told) as (agent, guard), wire_from(GUESSER, agent.port) as guesser:
        challenge = await answer_to(guesser, request(guesser, method, 0))
        for number in range(1, GUESSES + 1):
            guess = request(guesser, method, number)
            assert DigestClient(Credentials("200", f"guess {number}")).answer(challenge, guess)
            guesser.send(encode(guess))
            if number <= 10:
                seen[int((await guesser.receive("SIP/2.0 4"))[8:11])] += 1
            await asyncio.sleep(0)  # the socket holds some tens of them
        with contextlib.suppress(TimeoutError):
            while True:
                seen[int((await guesser.receive("SIP/2.0 ", 0.3))[8:11])] += 1
        assert seen == {401: 9, 403: 1}
        assert guard.refused["blocked"] == GUESSES - 10
        assert [one for one in told if isinstance(one, SourceBlocked)] == [
            SourceBlocked(GUESSER, "wrong digests", 60.0)
        ]
        async with wire_from(PHONE, agent.port) as phone:
            right = Credentials("200", PASSWORDS["200"])
            assert (await try_password(phone, method, GUESSES, right)).code == (486 if method == "INVITE" else 200)
        assert guard.unblock(GUESSER)
        assert (await answer_to(guesser, request(guesser, method, 5000))).code == 401


def without_numbers(response: Response) -> str:
    """What it says apart from what is random in it and what repeats the request."""
    text = encode(response).decode()
    text = re.sub(r'nonce="[^"]*"|tag=[0-9a-f]{16}|branch=[^;\r]*|Call-ID: .*|Call-ID: .*', "", text)
    return re.sub(r"sip:[^@>]*@", "sip:", text)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
async def test_who_exists_cannot_be_learned(method: str) -> None:
    """Neither by calling names without a password, nor by guessing passwords of names."""
    async with office([]) as (agent, _), wire_from(GUESSER, agent.port) as peer:
        called = {
            without_numbers(await answer_to(peer, request(peer, method, n, to))) for n, to in enumerate(["200", "999"])
        }
        assert len(called) == 1
        guessed = set()
        for number, user in enumerate(["200", "999"], 50):
            guessed.add(without_numbers(await try_password(peer, method, number, Credentials(user, "guess"))))
        assert len(guessed) == 1


async def test_a_replayed_answer_is_challenged_again_and_opens_nothing() -> None:
    async with office([]) as (agent, _), wire_from(PHONE, agent.port) as phone, wire_from(GUESSER, agent.port) as thief:
        challenge = await answer_to(phone, request(phone, "INVITE", 1))
        good = request(phone, "INVITE", 2)
        assert DigestClient(Credentials("200", PASSWORDS["200"])).answer(challenge, good)
        assert (await answer_to(phone, good)).code == 486
        stolen = request(thief, "INVITE", 3)
        stolen.headers.set("Authorization", good.headers["Authorization"])
        answer = await answer_to(thief, stolen)
        assert answer.code == 401
        assert "stale=true" in answer.headers["WWW-Authenticate"]
