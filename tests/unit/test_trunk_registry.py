"""The book of trunks without a network: REGISTER by strangers and guessers, reading the folder again."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from telephony.events import SourceBlocked, SourceRefused, TelephonyEvent
from telephony.sip.digest import Credentials, DigestClient
from telephony.sip.flood_guard import FloodGuard
from telephony.sip.hop import Hop
from telephony.sip.message import Request, parse, parse_uri, respond
from telephony.trunk import registry
from telephony.trunk.load import load
from telephony.trunk.model import Trunk
from telephony.trunk.registry import CallingParty, RegisterAnswer, TrunkRegistry

HOME = Hop("udp", "198.51.100.7", 5060)
PHONES = Trunk.model_validate({"name": "phones", "users": {"ann": "secret"}, "accept_registrations": {}})


def register(user: str, seq: int = 1) -> Request:
    head = [
        "REGISTER sip:voicebot SIP/2.0",
        "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1",
        f"From: <sip:{user}@voicebot>;tag=1",
        f"To: <sip:{user}@voicebot>",
        "Call-ID: 1",
        f"CSeq: {seq} REGISTER",
        f"Contact: <sip:{user}@10.0.0.7>",
    ]
    request = parse(("\r\n".join(head) + "\r\n\r\n").encode())
    assert isinstance(request, Request)
    return request


def proven(book: TrunkRegistry, user: str, password: str, now_s: float | None = None) -> RegisterAnswer:
    """Register with a digest, as a phone does it."""
    now_s = asyncio.get_running_loop().time() if now_s is None else now_s
    first = register(user)
    challenge = book.register(first, HOME, now_s)
    second = register(user, 2)
    assert DigestClient(Credentials(user, password)).answer(respond(first, 401, headers=challenge.headers), second)
    return book.register(second, HOME, now_s)


async def test_a_phone_that_knows_its_password_is_registered_and_reached() -> None:
    book = TrunkRegistry(trunks={"phones": PHONES})
    answer = proven(book, "ann", "secret")
    assert answer.status == 200
    assert [(one.trunk, one.devices) for one in book.states()] == [("phones", 1)]
    assert book.identify(HOME, register("ann")) is PHONES
    assert book.allowed(PHONES, parse_uri("sip:ann@phones"))
    assert book.of_uri(parse_uri("sip:ann@Phones")) is PHONES


async def test_known_and_unknown_users_get_the_same_answer() -> None:
    """Acceptance 12: nobody can find out who is a user here."""
    book = TrunkRegistry(trunks={"phones": PHONES})

    def shape(answer: RegisterAnswer) -> list[object]:
        names = [(name, len(value), value.partition("nonce")[0]) for name, value in answer.headers]
        return [answer.status, answer.reason, names]

    assert shape(book.register(register("ann"), HOME, 0.0)) == shape(book.register(register("eve"), HOME, 0.0))
    assert shape(proven(book, "ann", "wrong")) == shape(proven(book, "eve", "wrong"))
    assert proven(book, "ann", "wrong").status == 401


async def test_who_guesses_passwords_is_shut_out_after_ten() -> None:
    """Acceptance 11, for REGISTER."""
    told: list[TelephonyEvent] = []
    guard = FloodGuard(on_event=told.append)
    book = TrunkRegistry(trunks={"phones": PHONES}, guard=guard, on_event=told.append)
    for _ in range(10):
        assert guard.admits(HOME.host, 0.0)
        proven(book, "ann", "guess", 0.0)
    assert not guard.admits(HOME.host, 0.0) and guard.admits("198.51.100.8", 0.0)
    assert sum(isinstance(one, SourceRefused) and one.why == "digest" for one in told) == 10
    assert sum(isinstance(one, SourceBlocked) for one in told) == 1


async def test_a_trunk_that_takes_no_registrations_says_403() -> None:
    plain = Trunk.model_validate({"name": "acme", "peers": "198.51.100.0/24"})
    assert TrunkRegistry(trunks={"acme": plain}).register(register("ann"), HOME, 0.0).status == 403
    assert TrunkRegistry().register(register("ann"), HOME, 0.0).status == 403


async def test_a_wrong_folder_leaves_the_book_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text("peers: 198.51.100.7\nmax_calls: 2\n")
    book = TrunkRegistry(tmp_path)
    before = book.get("acme")
    assert before is not None and book.identify(HOME, register("x")) is before
    terms = book.terms(before)

    file.write_text("peers: 198.51.100.7\nmax_cals: 3\n")
    assert [(problem.line, problem.remedy) for problem in await book.reload()] == [
        (2, "check its spelling or remove it")
    ]
    assert book.get("acme") is before

    file.write_text("peers: 203.0.113.1\nmax_calls: 3\nptime_ms: 30\n")
    assert await book.reload() == []
    after = book.get("acme")
    assert after is not None and after.max_calls == 3 and book.identify(HOME, register("x")) is None
    assert terms.ptime_ms == 20 and book.terms(after).ptime_ms == 30
    file.unlink()
    assert await book.reload() == [] and book.all() == []


async def test_a_disk_that_does_not_answer_holds_up_nothing_but_the_new_trunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme.yaml").write_text("peers: 198.51.100.7\n")
    book, answers = TrunkRegistry(tmp_path), threading.Event()
    before = book.get("acme")
    (tmp_path / "acme.yaml").write_text("peers: 203.0.113.1\n")

    def slow(folder: Path) -> dict[str, Trunk]:
        answers.wait(5)
        return load(folder)

    monkeypatch.setattr(registry, "load", slow)
    reload = asyncio.create_task(book.reload())
    for _ in range(100):  # calls go on
        await asyncio.sleep(0)
    assert not reload.done() and book.identify(HOME, register("x")) is before
    answers.set()
    assert await reload == [] and book.identify(HOME, register("x")) is None


async def test_before_the_start_nothing_can_be_called() -> None:
    with pytest.raises(OSError, match="not started"):
        await TrunkRegistry().next_hops(None, parse_uri("sip:a@192.0.2.1"))
    assert TrunkRegistry().outgoing_identity(None, CallingParty("a"), HOME).from_ == "<sip:a@anonymous.invalid>"
