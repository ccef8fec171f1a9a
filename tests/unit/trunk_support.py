"""A registration in virtual time, with a DNS and registrars at hand."""

from __future__ import annotations

import random
from collections.abc import Callable

from telephony.sip.digest import Credentials
from telephony.sip.hop import Hop
from telephony.sip.message import Request, Response, read_head, respond
from telephony.trunk.model import Register
from telephony.trunk.registration import (
    AddressMismatch,
    LookUpRegistrar,
    Output,
    Registration,
    SendRegister,
    StateChanged,
)

Headers = list[tuple[str, str]]
Serve = Callable[[Request, Hop], Response | str | None]
"""A registrar: its response, words for a failed transport, or None for silence."""

FIRST = Hop("udp", "192.0.2.1", 5060)
SECOND = Hop("udp", "192.0.2.2", 5060)
OTHER = Hop("tcp", "198.51.100.1", 5060)
PASSWORD = "secret"


def granting(seconds: int = 600, *more: tuple[str, str]) -> Serve:
    def serve(request: Request, hop: Hop) -> Response:
        granted = min(int(request.headers["Expires"]), seconds)
        contact = f"{request.headers['Contact']};expires={granted}"
        return respond(request, 200, headers=[("Contact", contact), *more])

    return serve


def saying(status: int, *headers: tuple[str, str]) -> Serve:
    return lambda request, hop: respond(request, status, headers=headers)


class World:
    """Drives one registration: DNS answers and registrars are at hand, time passes as told."""

    def __init__(self, serve: Serve, hops: dict[str, list[Hop]] | None = None, **settings: object) -> None:
        self.serve = serve
        self.hops = hops or {"sip:a.example": [FIRST]}
        self.now_s = 0.0
        self.told: list[tuple[float, str]] = []
        self.seen: list[AddressMismatch] = []
        self.asked: list[tuple[float, Hop, Request]] = []
        own = Register.model_validate({"user": "bot", "password": PASSWORD, "expires_s": 600, **settings})
        credentials = Credentials("bot", PASSWORD)
        self.registration = Registration(own, credentials, tuple(self.hops), "77", random.Random(1))
        self.via = "SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bK1"

    @property
    def state(self) -> str:
        return self.registration.state

    def start(self) -> None:
        self.do(self.registration.start(self.now_s))

    def stop(self) -> None:
        self.do(self.registration.stop(self.now_s))

    def do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case StateChanged(state, _):
                    self.told.append((self.now_s, state))
                case AddressMismatch():
                    self.seen.append(output)
                case LookUpRegistrar(attempt, registrar):
                    hops = self.hops[registrar]
                    self.do(self.registration.found(attempt, hops, "" if hops else "no such name", self.now_s))
                case SendRegister():
                    self.ask(output)

    def ask(self, ask: SendRegister) -> None:
        request = ask.request
        request.headers.set("Via", self.via)
        request.headers.set("Contact", "<sip:bot@10.0.0.5:5060;line=77>")
        request.head = read_head(request.headers)
        self.asked.append((self.now_s, ask.hop, request))
        answer = self.serve(request, ask.hop)
        if isinstance(answer, str):
            self.do(self.registration.failed(ask.attempt, answer, self.now_s))
        elif answer is not None:
            self.do(self.registration.answered(ask.attempt, answer, self.now_s))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.now_s + seconds
        for _ in range(10_000):
            due_s = self.registration.next_s()
            if due_s is None or due_s > end_s:
                self.now_s = end_s
                return
            assert due_s >= self.now_s
            self.now_s = due_s
            self.do(self.registration.poll(self.now_s))
        raise AssertionError("it never rests")

    def times(self) -> list[float]:
        return [at_s for at_s, _, _ in self.asked]

    def places(self) -> list[Hop]:
        return [hop for _, hop, _ in self.asked]
