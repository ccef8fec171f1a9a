"""Judging the credentials of those who call us: ours and the RFC's own answers, expiry, replay, strangers."""

from __future__ import annotations

import re

import pytest

from telephony.sip import challenge as module
from telephony.sip.challenge import Challenger, DigestVerdict
from telephony.sip.digest import HASHES, Challenge, Credentials, authorization, choose
from telephony.sip.message import Request, parse

ALICE = Credentials("alice", "correct horse")
PASSWORDS = {"alice": "correct horse", "bob": "battery"}
URI = "sip:bot@pbx.example.com"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def challenger(clock: Clock | None = None) -> Challenger:
    return Challenger("pbx.example.com", clock=clock or Clock())


def request(authorized: str = "", uri: str = URI, method: str = "INVITE") -> Request:
    line = f"Authorization: {authorized}\r\n" if authorized else ""
    message = parse(
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
        "From: <sip:alice@pbx.example.com>;tag=1\r\nTo: <sip:bot@pbx.example.com>\r\n"
        f"Call-ID: c\r\nCSeq: 1 {method}\r\n{line}\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


def challenged(by: Challenger, algorithm: str = "SHA-256") -> Challenge:
    found = [Challenge.parse(value) for _, value in by.challenge()]
    return next(one for one in found if one.algorithm == algorithm)


def answered(
    to: Challenge, credentials: Credentials = ALICE, uri: str = URI, count: int = 1, method: str = "INVITE"
) -> str:
    return authorization(to, credentials, method, uri, count=count)


def verdict(by: Challenger, value: str, **how: str) -> str:
    return by.verify(request(value, **how), "Authorization", PASSWORDS).result


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_opens(algorithm: str) -> None:
    by = challenger()
    value = answered(challenged(by, algorithm))
    assert by.verify(request(value), "Authorization", PASSWORDS) == DigestVerdict("ok", "alice", solicited=True)


def test_an_answer_is_good_only_from_the_address_that_was_challenged() -> None:
    by = challenger()
    nonce = Challenge.parse(by.challenge(source="192.0.2.1")[0][1])
    for credentials, expected in ((ALICE, "stale"), (Credentials("alice", "guess"), "wrong")):
        elsewhere = by.verify(request(answered(nonce, credentials)), "Authorization", PASSWORDS, source="192.0.2.9")
        assert (elsewhere.result, elsewhere.solicited) == (expected, False)
    guess = answered(nonce, Credentials("alice", "guess"))
    assert by.verify(request(guess), "Authorization", PASSWORDS, source="192.0.2.1").solicited
    assert by.verify(request(answered(nonce)), "Authorization", PASSWORDS, source="192.0.2.1").ok


def test_a_guess_on_an_expired_nonce_proves_no_address() -> None:
    clock = Clock()
    by = challenger(clock)
    nonce = Challenge.parse(by.challenge(source="192.0.2.1")[0][1])
    guess = request(answered(nonce, Credentials("alice", "guess")))
    assert by.verify(guess, "Authorization", PASSWORDS, source="192.0.2.1").solicited
    clock.now_s += module.LIFETIME_S + 1
    verdict = by.verify(guess, "Authorization", PASSWORDS, source="192.0.2.1")
    assert (verdict.result, verdict.solicited) == ("wrong", False)


def test_both_algorithms_are_offered_and_the_better_one_is_chosen() -> None:
    headers = challenger().challenge(proxy=True)
    assert [name for name, _ in headers] == ["Proxy-Authenticate"] * 2
    assert choose([value for _, value in headers]).algorithm == "SHA-256"
    assert "stale" not in headers[0][1]
    assert all(value.endswith("stale=true") for _, value in challenger().challenge(stale=True))


@pytest.mark.parametrize(
    "value", ["", "NoOneKnowsThisScheme opaque-data=here", "Basic YWxpY2U6", "Digest", 'Digest realm="x"']
)
def test_without_credentials_for_our_realm_there_is_nothing_to_judge(value: str) -> None:
    assert verdict(challenger(), value) == "missing"


@pytest.mark.parametrize(
    "credentials", [Credentials("alice", "wrong"), Credentials("nobody", "x"), Credentials("", "")]
)
def test_a_wrong_password_and_an_unknown_user_are_the_same(credentials: Credentials) -> None:
    by = challenger()
    assert verdict(by, answered(challenged(by), credentials)) == "wrong"


def test_an_unknown_user_costs_as_much_hashing_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    sha256 = HASHES["SHA-256"]
    monkeypatch.setitem(HASHES, "SHA-256", lambda data: hashed.append(len(data)) or sha256(data))  # type: ignore[func-returns-value]
    by = challenger()
    cost = []
    for name in ("alice", "robin"):
        value = answered(challenged(by), Credentials(name, "x"))
        hashed.clear()
        assert verdict(by, value) == "wrong"
        cost.append(len(hashed))
    assert cost == [3, 3]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess"),
        ("qop=auth", "qop=auth-int"),
        ("nc=00000001", "nc=00000002"),
        ("nc=00000001", "nc=-1"),
        ("nc=00000001", "nc=1111111111"),
        ("uri=", "url="),
        ("response=", "responze="),
        ("cnonce=", "xnonce="),
        ('username="alice"', 'username="bob"'),
    ],
)
def test_nothing_in_an_answer_can_be_changed(old: str, new: str) -> None:
    by = challenger()
    value = answered(challenged(by))
    assert old in value
    assert verdict(by, value.replace(old, new)) == "wrong"


def test_an_answer_is_good_for_its_method_only() -> None:
    by = challenger()
    assert verdict(by, answered(challenged(by)), method="REGISTER") == "wrong"


@pytest.mark.parametrize(
    ("uri", "good"),
    [
        ("sip:bot@PBX.example.com", True),
        ("sip:bot@pbx.example.com:5060;transport=udp", True),
        ("sip:bot@192.0.2.7", False),
        ("sip:admin@pbx.example.com", False),
        ("sips:bot@pbx.example.com", False),
        ("nonsense", False),
    ],
)
def test_the_digest_uri_names_whom_the_request_is_for(uri: str, good: bool) -> None:
    by = challenger()
    assert (verdict(by, answered(challenged(by), uri=uri)) == "ok") == good


def test_a_proxy_may_have_rewritten_the_request_uri() -> None:
    by = challenger()
    assert verdict(by, answered(challenged(by)), uri="sip:bot@10.0.0.5:5062") == "ok"


def test_a_nonce_expires_and_the_right_user_is_told_so() -> None:
    clock = Clock()
    by = challenger(clock)
    value = answered(challenged(by))
    clock.now_s += module.LIFETIME_S + 1
    assert verdict(by, value) == "stale"
    assert verdict(by, answered(Challenge.parse(by.challenge()[0][1]), Credentials("alice", "no"))) == "wrong"


@pytest.mark.parametrize("nonce", ["", "made up", "é", "AAAA", "A" * 54, "=" * 30])
def test_a_nonce_that_is_not_ours_opens_nothing(nonce: str) -> None:
    value = answered(Challenge("pbx.example.com", nonce, None, "SHA-256", True, False))
    assert verdict(challenger(), value) in ("stale", "wrong")


def test_a_nonce_of_another_server_is_stale() -> None:
    assert verdict(challenger(), answered(challenged(challenger()))) == "stale"


def test_a_replayed_answer_is_refused_and_a_counted_one_is_not() -> None:
    by = challenger()
    nonce = challenged(by)
    first = answered(nonce)
    assert verdict(by, first) == "ok"
    assert verdict(by, first) == "replayed"
    assert verdict(by, answered(nonce, count=2)) == "ok"
    assert verdict(by, answered(nonce, count=5)) == "ok"
    assert verdict(by, answered(nonce, count=4)) == "ok", "UDP may turn the order around"
    assert verdict(by, answered(nonce, count=4)) == "replayed"
    assert verdict(by, answered(nonce, count=500)) == "ok"
    assert verdict(by, answered(nonce, count=400)) == "replayed", "too far behind to know"


def test_a_client_without_qop_uses_each_nonce_once() -> None:
    by = challenger()
    offered = challenged(by, "MD5")
    old = Challenge(offered.realm, offered.nonce, offered.opaque, "MD5", False, False)
    assert verdict(by, answered(old)) == "ok"
    assert verdict(by, answered(old)) == "replayed"


def test_replays_stay_refused_when_more_nonces_are_used_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NONCES", 10)
    clock = Clock()
    by = challenger(clock)
    values = []
    for _ in range(30):
        clock.now_s += 0.1
        values.append(answered(challenged(by)))
        assert verdict(by, values[-1]) == "ok"
    assert {verdict(by, value) for value in values} <= {"replayed", "stale"}
    assert len(by._used) == 10


def test_strangers_cost_no_memory() -> None:
    by = challenger()
    for i in range(200):
        by.challenge()
        assert verdict(by, answered(challenged(by), Credentials(f"user{i}", "x"))) == "wrong"
    assert len(by._used) == 0


def test_every_nonce_is_another() -> None:
    by = challenger()
    assert len({re.search(r'nonce="([^"]+)"', by.challenge()[0][1])[1] for _ in range(100)}) == 100  # type: ignore[index]
