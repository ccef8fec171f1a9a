"""Headers that only trusted peers may send: not there for the application when anybody else did (acceptance 8)."""

from __future__ import annotations

import pytest

from telephony.sip.message import Request, parse
from telephony.sip.trusted_headers import HeaderView, needs_trust, without_verstat


def request(*lines: str) -> Request:
    message = parse(
        b"INVITE sip:bot@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
        b"From: <sip:+1;verstat=TN-Validation-Passed@h>;tag=a\r\n"
        b"To: <sip:bot@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n" + "".join(f"{x}\r\n" for x in lines).encode() + b"\r\n"
    )
    assert isinstance(message, Request)
    return message


FORGED = [
    "P-Asserted-Identity: <sip:boss@h>",
    "p-asserted-identity : <sip:boss@h>",
    "P-Asserted-Identity\t: <sip:boss@h>",
    "Diversion: <sip:a@b>;reason=unknown",
    "Remote-Party-ID: <sip:boss@h>",
    "History-Info: <sip:a@b>;index=1",
    "Identity: abc.def.ghi;info=<https://x>",
    "y: abc.def.ghi;info=<https://x>",
    "User-to-User: 56a390f3;encoding=hex",
    "X-Customer: 17",
    "P-Identity-Level: A",
    "Attestation-Info: A",
]


@pytest.mark.parametrize("line", FORGED)
def test_it_is_there_from_a_trusted_peer_only(line: str) -> None:
    plain = set(HeaderView(request(), trusted=True))
    assert set(HeaderView(request(line), trusted=False)) == plain
    assert len(set(HeaderView(request(line), trusted=True)) - plain) == 1


def test_the_verification_result_in_a_number_is_not_believed_either() -> None:
    untrusted = HeaderView(request(), trusted=False)
    assert untrusted.first("From") == "<sip:+1@h>;tag=a"
    assert "verstat" in HeaderView(request(), trusted=True).first("from")
    assert without_verstat("tel:+1; VERSTAT = x;cpc=ordinary") == "tel:+1;cpc=ordinary"


def test_privacy_is_a_wish_of_the_caller_and_stays() -> None:
    assert HeaderView(request("Privacy: id"), trusted=False)["privacy"] == ("id",)
    assert not needs_trust("Subject")


def test_all_values_are_found_in_any_case_and_the_request_stays_as_it_is() -> None:
    sent = request("Subject: one", "s: two", "X-A: 1")
    view = HeaderView(sent, trusted=False)
    assert view["SUBJECT"] == ("one", "two") and view.first("subject") == "one"
    assert view.first("X-A", "none") == "none" and "x-a" not in view
    assert sent.headers["X-A"] == "1"
    with pytest.raises(KeyError):
        view["x-a"]
