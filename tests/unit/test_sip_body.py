"""Bodies as phones and carriers write them: where the session description is, and what has to be refused."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from telephony.sip.body import MAX_DEPTH, MAX_PARTS, check_body, sdp_of
from telephony.sip.message import Request, Response, SipError, parse

SDP = b"v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
SESSION = b"Content-Type: application/sdp\r\n\r\n" + SDP
ISUP = (
    b"Content-Type: application/isup; version=itu-t92+\r\nContent-Disposition: signal; handling=optional\r\n"
    b"Content-Transfer-Encoding: binary\r\n\r\n\x01\x11\x48\x00\r\n\x00\xff--b\r\n\x00\r"
)
PIDF = b"Content-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n\r\n<presence/>"


def message(kind: str, body: bytes, *headers: str, line: str = "INVITE sip:bot@h SIP/2.0") -> Request | Response:
    head = [
        line,
        "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        "From: <sip:a@b>;tag=1",
        "To: <sip:bot@h>",
        "Call-ID: c",
        "CSeq: 1 INVITE",
        *headers,
    ]
    if kind:
        head.append(f"Content-Type: {kind}")
    return parse("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)


def invite(kind: str, body: bytes, *headers: str) -> Request:
    found = message(kind, body, *headers)
    assert isinstance(found, Request)
    return found


def parts(*each: bytes, boundary: bytes = b"b", end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + one + b"\r\n" for one in each) + b"--" + boundary + end


def refusal(request: Request) -> tuple[int, list[tuple[str, str]]]:
    with pytest.raises(SipError) as caught:
        check_body(request)
    return caught.value.status, caught.value.headers


NESTED = b"Content-Type: multipart/alternative;boundary=b2\r\n\r\n" + parts(PIDF, SESSION, boundary=b"b2")
"""Its boundary begins with the outer one's."""


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("Application/SDP", SDP),
        ("application/sdp;charset=ISO-10646", SDP),
        (" application / sdp ; level=1", SDP),
        ("multipart/mixed;boundary=b", parts(SESSION, ISUP)),
        ("multipart/mixed; boundary=b", parts(ISUP, SESSION)),
        ("MULTIPART/MIXED; BOUNDARY=b", parts(PIDF, SESSION)),
        ('multipart/mixed;boundary="b";type="application/sdp"', parts(SESSION)),
        ('multipart/related; start="<a@b>" ; boundary = b', parts(PIDF, SESSION)),
        ("multipart/x-own;boundary=b", parts(ISUP, PIDF, SESSION)),
        ("multipart/mixed;boundary=----=_Part_1.2", parts(SESSION, boundary=b"----=_Part_1.2")),
        ('multipart/mixed;boundary="a b;c=\\"d\\" (e)?/:,\'"', parts(SESSION, boundary=b'a b;c="d" (e)?/:,\'')),
        ('multipart/mixed;boundary="(+*[b"', parts(SESSION, boundary=b"(+*[b")),
        ("multipart/mixed;boundary=b", parts(ISUP, NESTED)),
        ("multipart/mixed;boundary=b", b"This is a preamble.\r\n" + parts(ISUP, SESSION) + b"and an epilogue --b"),
        ("multipart/mixed;boundary=b", parts(ISUP, SESSION, end=b"")),
        ("multipart/mixed;boundary=b", parts(ISUP, SESSION).removesuffix(b"\r\n--b--\r\n")),
        ("multipart/mixed;boundary=b", b"--b\n" + PIDF.replace(b"\r\n", b"\n") + b"\n--b\n" + SESSION + b"\n--b--"),
        ("multipart/mixed;boundary=b", parts(ISUP, SESSION).replace(b"--b\r\n", b"--b \t\r\n")),
        ("multipart/mixed;boundary=b", parts(b"\r\nplain text", SESSION)),
        ("multipart/mixed;boundary=b", parts(b"c : Application/Sdp\r\n\r\n" + SDP)),
        ("multipart/mixed;boundary=b", parts(b"CONTENT-TYPE:\r\n application/sdp\r\n\r\n" + SDP)),
        (
            "multipart/mixed;boundary=b",
            parts(b"Content-Disposition: session;handling=required\r\ncontent-encoding: identity\r\n" + SESSION),
        ),
        (
            "multipart/mixed;boundary=b",
            parts(
                b"Content-Disposition: early-session;handling=optional\r\nContent-Type: application/sdp\r\n\r\nv=1",
                SESSION,
            ),
        ),
        ("multipart/mixed;boundary=b", parts(b"Content-Disposition: by-reference\r\n" + PIDF, SESSION)),
    ],
)
def test_the_session_description_is_found_wherever_it_stands(kind: str, body: bytes) -> None:
    request = invite(kind, body)
    assert check_body(request).strip() == SDP.strip()
    for status in ("183 Session Progress", "200 OK"):
        assert sdp_of(message(kind, body, line=f"SIP/2.0 {status}")).strip() == SDP.strip()


def test_compact_headers_are_the_same_headers() -> None:
    assert check_body(invite("", SDP, "c: application/sdp")) == SDP
    assert refusal(invite("", SDP, "c: application/sdp", "e: gzip")) == (415, [("Accept-Encoding", "identity")])


def test_of_alternatives_the_last_that_is_understood_is_taken() -> None:
    better = SESSION.replace(b"4000", b"5000")
    body = parts(SESSION, better, b"Content-Type: application/sdpng\r\nContent-Disposition: session\r\n\r\n<sdpng/>")
    assert b"5000" in check_body(invite("multipart/alternative;boundary=b", body))


REQUIRED = ISUP.replace(b"optional", b"required")


@pytest.mark.parametrize(
    ("request_", "header"),
    [
        (invite("application/isup", b"\x01"), ("Accept", "application/sdp")),
        (invite("text/plain", SDP), ("Accept", "application/sdp")),
        (invite("", SDP), ("Accept", "application/sdp")),
        (invite("a/b", b"<x/>", "Content-Disposition: render;handling=required"), ("Accept", "application/sdp")),
        (invite("application/sdp", SDP, "Content-Encoding: gzip"), ("Accept-Encoding", "identity")),
        (invite("application/sdp", SDP, "Content-Encoding: identity, deflate"), ("Accept-Encoding", "identity")),
        (invite("application/sdp", SDP, "Content-Transfer-Encoding: base64"), ("Accept", "application/sdp")),
        (invite("application/sdp", SDP, "Content-Disposition: early-session"), ("Accept", "application/sdp")),
        (invite("multipart/mixed;boundary=b", parts(SESSION, REQUIRED)), ("Accept", "application/sdp")),
        (invite("multipart/mixed;boundary=b", parts(REQUIRED, SESSION)), ("Accept", "application/sdp")),
        (
            invite("multipart/mixed;boundary=b", parts(SESSION, ISUP.replace(b"; handling=optional", b""))),
            ("Accept", "application/sdp"),
        ),
        (
            invite(
                "multipart/mixed;boundary=b",
                parts(b"Content-Disposition: session\r\nContent-Encoding: gzip\r\n" + SESSION),
            ),
            ("Accept-Encoding", "identity"),
        ),
        (
            invite(
                "multipart/mixed;boundary=b",
                parts(b"Content-Disposition: session\r\nContent-Transfer-Encoding: Quoted-Printable\r\n" + SESSION),
            ),
            ("Accept", "application/sdp"),
        ),
        (invite("multipart/mixed;boundary=b", SDP, "Content-Encoding: gzip"), ("Accept-Encoding", "identity")),
    ],
)  # fmt: skip
def test_what_has_to_be_understood_and_is_not_gets_415_with_what_would_be(
    request_: Request, header: tuple[str, str]
) -> None:
    assert refusal(request_) == (415, [header])


@pytest.mark.parametrize(
    ("kind", "body", "headers"),
    [
        ("application/isup", b"\x01", ["Content-Disposition: signal;handling=optional"]),
        ("application/sdp", SDP, ["Content-Disposition: session;handling=optional", "Content-Encoding: gzip"]),
        ("multipart/mixed;boundary=b", parts(ISUP, PIDF), []),
        ("multipart/mixed;boundary=b", parts(REQUIRED), ["Content-Disposition: render; HANDLING=Optional"]),
        ("application/sdp", b"\r\n\r\n\0", []),
        ("", b"", ["Content-Encoding: gzip"]),
    ],
)
def test_a_body_that_may_be_passed_over_is_as_none(kind: str, body: bytes, headers: list[str]) -> None:
    assert check_body(invite(kind, body, *headers)) == b""


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/mixed", parts(SESSION)),
        ('multipart/mixed;boundary=""', parts(SESSION)),
        ("multipart/mixed;boundary=other", parts(SESSION)),
        ("multipart/mixed;boundary=b", b"--b--\r\n"),
        ("multipart/mixed;boundary=b", b"x--b\r\n" + SESSION),
    ],
)
def test_a_multipart_without_parts_is_malformed(kind: str, body: bytes) -> None:
    assert refusal(invite(kind, body))[0] == 400
    assert sdp_of(message(kind, body, line="SIP/2.0 200 OK")) == b""


def test_depth_and_number_of_parts_are_bounded() -> None:
    deep = SESSION
    for level in range(MAX_DEPTH):
        deep = f"Content-Type: multipart/mixed;boundary=d{level}x\r\n\r\n".encode() + parts(
            deep, boundary=f"d{level}x".encode()
        )
    assert not sdp_of(invite("multipart/mixed;boundary=b", parts(deep)))
    assert sdp_of(invite("multipart/mixed;boundary=b", parts(*[PIDF] * (MAX_PARTS - 1), SESSION)))
    assert not sdp_of(invite("multipart/mixed;boundary=b", parts(*[PIDF] * MAX_PARTS, SESSION)))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/mixed;boundary=b", b"--b\r\n" * 13_000),
        ("multipart/mixed;boundary=b", (b"--b" + b" " * 50) * 1200),
        ("multipart/mixed;boundary=b", b"--b\r\n" + b" " * 65_000),
        ("multipart/mixed;boundary=b", b"--b\r\n" + b"\r\n " * 21_000),
        ("multipart/mixed" + ';x="a\\' * 10_000, b"--b\r\n"),
        ("multipart/mixed" + ";" * 60_000, b"--b\r\n"),
    ],
)
def test_hostile_bodies_cost_no_more_than_long_ones(kind: str, body: bytes) -> None:
    request = invite(kind, body)
    began_s = time.thread_time()
    sdp_of(request)
    assert time.thread_time() - began_s < 0.5


def test_mutated_multiparts_raise_nothing_but_sip_errors() -> None:
    dice = random.Random(20261201)
    whole = parts(b"preamble", ISUP, NESTED, SESSION)
    for _ in range(3000):
        mutated = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(mutated))
            mutated[at : at + dice.randint(0, 6)] = dice.randbytes(dice.randint(0, 6))
        with contextlib.suppress(SipError):
            check_body(invite("multipart/mixed;boundary=b", bytes(mutated)))
