"""The Replaces header: which dialog it names, and what is no such header (RFC 3891)."""

from __future__ import annotations

import contextlib
import random

import pytest

from telephony.sip.message import Request, SipError, parse
from telephony.sip.replaces import Replaces


def request(*lines: str) -> Request:
    head = "".join(f"{line}\r\n" for line in lines)
    message = parse(
        b"INVITE sip:bot@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=a\r\n"
        b"To: <sip:bot@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n" + head.encode() + b"\r\n"
    )
    assert isinstance(message, Request)
    return message


def test_it_names_a_dialog_from_our_side() -> None:
    found = Replaces.of(request("Replaces: 425928@b.example ; to-tag=7743 ; from-tag=6472;early-only"))
    assert found == Replaces("425928@b.example", "7743", "6472", early_only=True)
    assert found.keys == (("425928@b.example", "7743", "6472"),)
    assert Replaces.parse(str(found)) == found


def test_a_from_tag_of_zero_also_means_a_peer_without_tags() -> None:
    assert Replaces("c", "t", "0").keys == (("c", "t", "0"), ("c", "t", ""))


def test_an_invite_without_it_replaces_nothing() -> None:
    assert Replaces.of(request("Join: a;to-tag=b;from-tag=c")) is None


@pytest.mark.parametrize(
    "lines",
    [
        ["Replaces: a;to-tag=b;from-tag=c", "Replaces: a;to-tag=b;from-tag=c"],
        ["Replaces: a;to-tag=b;from-tag=c, d;to-tag=e;from-tag=f"],
        ["Replaces: a;to-tag=b;from-tag=c", "Join: a;to-tag=b;from-tag=c"],
        ["Replaces: a;to-tag=b"],
        ["Replaces: a;to-tag;from-tag=c"],
        ["Replaces: ;to-tag=b;from-tag=c"],
        ["Replaces: a b;to-tag=b;from-tag=c"],
        ["Replaces:"],
    ],
)
def test_what_cannot_be_meant_gets_400(lines: list[str]) -> None:
    with pytest.raises(SipError) as caught:
        Replaces.of(request(*lines))
    assert caught.value.status == 400


def test_it_is_found_escaped_in_a_refer_to() -> None:
    escaped = "Subject=x&Replaces=12345%40192.0.2.1%3Bto-tag%3Da%3Bfrom-tag%3Db"
    assert Replaces.from_uri(escaped) == Replaces("12345@192.0.2.1", "a", "b")
    assert Replaces.from_uri("Subject=x") is None


def test_nonsense_raises_nothing_but_sip_errors() -> None:
    dice = random.Random(1)
    text = "abc@h;to-tag=x;from-tag=y;early-only"
    for _ in range(3000):
        chars = list(text)
        for _ in range(dice.randint(1, 5)):
            chars[dice.randrange(len(chars))] = dice.choice(';=,"<>@ \t\\%äx')
        with contextlib.suppress(SipError):
            Replaces.parse("".join(chars))
