"""Digest answers, against the examples of the RFCs."""

from __future__ import annotations

import pytest

from telephony.sip.digest import Challenge, Credentials, authorization, choose

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
