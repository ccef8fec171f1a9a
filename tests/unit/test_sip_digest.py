"""Digest answers, against the examples of the RFCs."""

from __future__ import annotations

import pytest

from telephony.sip.digest import Challenge, Credentials, DigestClient, authorization, choose, parameters
from telephony.sip.message import Request, Response, parse, respond

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    value = authorization(
        Challenge.parse(RFC7616.format(algorithm)),
        MUFASA,
        "GET",
        "/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert f'response="{response}"' in value
    assert "qop=auth, nc=00000001" in value


def test_without_qop_the_old_form_is_used() -> None:
    """RFC 2069's form, checked against a digest computed by hand with md5sum."""
    value = authorization(Challenge.parse('digest realm="r", nonce="n"'), Credentials("u", "p"), "INVITE", "sip:x@y")
    assert 'response="d15c26d1f9dbc965980a7b6cff61f746"' in value
    assert "nc=" not in value
    assert "opaque" not in value
    assert "cnonce" not in value


def test_the_stronger_challenge_is_chosen_and_unknown_ones_are_skipped() -> None:
    values = ["Basic realm=x", RFC7616.format("MD5"), RFC7616.format("SHA-256"), RFC7616.format("SHA-512-256")]
    assert choose(values).algorithm == "SHA-256"


@pytest.mark.parametrize(
    "value",
    [
        *("", "Digest", "Digest realm", 'Digest realm="r"', 'Digest realm="r", nonce="n", qop="auth-int"', "Bearer x"),
        'Digest realm="r", nonce="n", algorithm=ROT13',
        'Digest realm="r" nonce="n"',
        'Digest nonce="' + 'a="b",' * 5000,
    ],
)
def test_what_cannot_be_answered_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Challenge.parse(value)


def test_the_password_is_in_no_repr() -> None:
    assert "Circle" not in repr(MUFASA)


def request(method: str = "REGISTER", seq: int = 1, call: str = "c") -> Request:
    message = parse(
        f"{method} sip:carrier.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{seq}\r\nFrom: <sip:u@h>;tag=1\r\n"
        f"To: <sip:u@h>\r\nCall-ID: {call}\r\nCSeq: {seq} {method}\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


def refusal(to: Request, nonce: str, *, realm: str = "r", stale: bool = False, status: int = 401) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    value = f'Digest realm="{realm}", nonce="{nonce}", qop="auth,auth-int"' + (", stale=TRUE" if stale else "")
    return respond(to, status, tag="t", headers=[(name, value), (name, value.replace("Digest", "Unheard"))])


def sent(message: Request, header: str = "Authorization") -> list[tuple[str, str, str]]:
    """Realm, nonce and count of each answer in a request."""
    answers = [parameters(value) for value in message.headers.getlist(header)]
    return [(one["realm"], one["nonce"], one["nc"]) for one in answers]


def test_a_challenge_is_answered_and_later_requests_are_sent_with_the_next_count() -> None:
    login = DigestClient(MUFASA)
    login.add_credentials(first := request(seq=1))
    assert sent(first) == []
    assert login.answer(refusal(first, "n1"), again := request(seq=2))
    assert sent(again) == [("r", "n1", "00000001")]
    for count in (2, 3):
        login.add_credentials(later := request("INVITE", call=f"call{count}"))
        assert sent(later) == [("r", "n1", f"0000000{count}")]


def test_a_refused_password_is_not_sent_again() -> None:
    login = DigestClient(MUFASA)
    assert login.answer(refusal(request(seq=1), "n1"), again := request(seq=2))
    assert not login.answer(refusal(again, "n2"), request(seq=3))
    login.add_credentials(later := request(seq=9))
    assert sent(later) == []


def test_an_expired_nonce_is_replaced_and_a_server_that_always_says_so_is_left() -> None:
    login = DigestClient(MUFASA)
    tries = 0
    for seq in range(1, 20):
        if not login.answer(refusal(request(seq=seq), f"n{seq}", stale=True), request(seq=seq + 1)):
            break
        tries += 1
    assert tries == 3


def test_a_nonce_refused_in_advance_is_asked_for_anew_with_or_without_stale() -> None:
    login = DigestClient(MUFASA)
    assert login.answer(refusal(request(seq=1), "n1"), request(seq=2))
    for seq in (10, 20, 30):
        login.add_credentials(early := request(seq=seq))
        assert sent(early)
        assert login.answer(refusal(early, f"n{seq}"), again := request(seq=seq + 1))
        assert sent(again) == [("r", f"n{seq}", "00000001")]


def test_a_proxy_and_a_server_are_both_answered() -> None:
    login = DigestClient(MUFASA)
    assert login.answer(refusal(request("INVITE", 1), "p", realm="proxy", status=407), second := request("INVITE", 2))
    assert login.answer(refusal(second, "s", realm="server"), third := request("INVITE", 3))
    assert sent(third, "Proxy-Authorization") == [("proxy", "p", "00000002")]
    assert sent(third) == [("server", "s", "00000001")]
    assert not login.answer(refusal(third, "s2", realm="server"), request("INVITE", 4))


@pytest.mark.parametrize("status", [200, 403, 486])
def test_only_challenges_are_answered(status: int) -> None:
    assert not DigestClient(MUFASA).answer(respond(request(), status, tag="t"), request(seq=2))


def test_a_challenge_that_cannot_be_answered_is_not() -> None:
    response = respond(request(), 401, tag="t", headers=[("WWW-Authenticate", "Basic realm=x")])
    assert not DigestClient(MUFASA).answer(response, request(seq=2))


def test_a_server_that_invents_realms_fills_no_memory() -> None:
    login = DigestClient(MUFASA)
    for i in range(1000):
        asked = request("INVITE", call=f"call{i}")
        assert login.answer(refusal(asked, "n", realm=f"realm{i}"), request("INVITE", 2, f"call{i}"))
    login.add_credentials(later := request(seq=9))
    assert len(sent(later)) == 4
    assert len(login._chains) <= 256
