"""Where 3xx answers lead: in order of preference, so many times, never in circles, never from sips to sip."""

from __future__ import annotations

from telephony.call.outbound.redirects import MAX_CONTACTS, Redirects
from telephony.sip.message import Response, parse, parse_uri


def moved(*contacts: str, status: int = 302) -> Response:
    lines = "".join(f"Contact: {contact}\r\n" for contact in contacts)
    response = parse(
        f"SIP/2.0 {status} Moved\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=a\r\n"
        f"To: <sip:b@h>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{lines}\r\n".encode()
    )
    assert isinstance(response, Response)
    return response


def redirects(limit: int = 3, first: str = "sip:b@h", allowed: str = "") -> Redirects:
    found = Redirects(parse_uri(first), limit, lambda uri: allowed in uri.host)
    assert str(found.next()) == first
    return found


def targets(found: Redirects) -> list[str]:
    left = []
    while (uri := found.next()) is not None:
        left.append(str(uri))
    return left


def test_contacts_are_tried_by_preference() -> None:
    found = redirects()
    assert found.follow(moved("<sip:x@h>;q=0.1, <sip:y@h>;q=0.9", "<sip:z@h>"))
    assert targets(found) == ["sip:z@h", "sip:y@h", "sip:x@h"]


def test_none_are_followed_without_leave() -> None:
    found = redirects(limit=0)
    assert not found.follow(moved("<sip:x@h>"))
    assert found.next() is None


def test_only_so_many_answers_are_followed() -> None:
    found = redirects(limit=2)
    assert found.follow(moved("<sip:1@h>")) and found.follow(moved("<sip:2@h>"))
    assert not found.follow(moved("<sip:3@h>"))


def test_circles_are_seen() -> None:
    found = redirects()
    assert not found.follow(moved("<sip:b@H>"))
    assert found.follow(moved("<sip:x@h>, <sip:x@h>"))
    assert targets(found) == ["sip:x@h"]
    assert not found.follow(moved("<sip:x@h>"))


def test_a_secure_call_is_never_made_plain_and_other_schemes_are_not_called() -> None:
    found = redirects(first="sips:b@h")
    assert found.follow(moved("<sip:x@h>, <sips:y@h>, <tel:+49301>, <http://x>, <mailto:a@b>"))
    assert targets(found) == ["sips:y@h"]
    plain = redirects()
    assert plain.follow(moved("<sips:x@h>"))
    assert targets(plain) == ["sips:x@h"]


def test_only_allowed_targets_are_called() -> None:
    found = redirects(allowed="good")
    assert not found.follow(moved("<sip:x@evil.example>"))
    assert found.follow(moved("<sip:x@good.example>"))


def test_headers_that_the_redirecting_server_wants_in_our_invite_are_left_out() -> None:
    found = redirects()
    assert found.follow(moved("<sip:x@h?Route=%3Csip:evil%3E&X-Priority=1>"))
    assert targets(found) == ["sip:x@h"]


def test_use_proxy_and_other_services_are_refusals() -> None:
    for status in (305, 380, 399):
        assert not redirects().follow(moved("<sip:x@h>", status=status))


def test_broken_contacts_are_passed_over_and_many_are_not_all_read() -> None:
    found = redirects()
    assert not found.follow(moved("<sip:", ",,", "*", "<sip:x@h:99999>"))
    assert found.follow(moved(", ".join(f"<sip:{n}@h>" for n in range(100)), "<sip:x@h>;q=x, <sip:y@h>;q=7"))
    assert len(targets(found)) <= MAX_CONTACTS
