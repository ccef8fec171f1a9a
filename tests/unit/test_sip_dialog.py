"""Dialogs: routes, targets, numbers (RFC 3261 section 12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telephony.sip.dialog import Dialog, cancel_of
from telephony.sip.grammar import Via
from telephony.sip.hop import Hop
from telephony.sip.message import Request, Response, SipError, encode, parse

HOP = Hop("udp", "192.0.2.1", 5070)
VIA = "UDP 192.0.2.9:5060"


def invite(extra: str = "", contact: str = "<sip:ann@192.0.2.1:5070>") -> Request:
    message = parse(
        "INVITE sip:bot@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=f\r\n"
        f"To: <sip:bot@b>\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\nContact: {contact}\r\n{extra}\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


def ok(extra: str = "") -> Response:
    message = parse(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=f\r\n"
        f"To: <sip:bot@b>;tag=t\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\nContact: <sip:h@192.0.2.3>\r\n{extra}\r\n".encode()
    )
    assert isinstance(message, Response)
    return message


def lines(request: Request) -> list[str]:
    return encode(request).decode().split("\r\n")


def test_a_server_sends_to_the_contact_with_from_and_to_turned_round() -> None:
    dialog = Dialog.as_server(invite(), "mine", HOP)
    assert dialog.key == ("c", "mine", "f")
    bye = lines(dialog.request("BYE", via=VIA))
    assert bye[0] == "BYE sip:ann@192.0.2.1:5070 SIP/2.0"
    assert "From: <sip:bot@b>;tag=mine" in bye
    assert "To: <sip:a@b>;tag=f" in bye
    assert "CSeq: 1 BYE" in bye
    assert "CSeq: 2 INFO" in lines(dialog.request("INFO", via=VIA))


def old(from_: str = "<sip:ann@gw.example:5070>", branch: str = "") -> Request:
    """An INVITE as RFC 2543 has it."""
    message = parse(
        f"INVITE sip:bot@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1{branch}\r\nFrom: {from_}\r\n"
        "To: sip:bot@b;user=phone\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("branch", ["", ";branch=1"])
def test_a_client_of_rfc_2543_is_sent_to_by_its_from_and_back_to_where_it_came_from(branch: str) -> None:
    dialog = Dialog.as_server(old(branch=branch), "mine", HOP)
    assert dialog.key == ("c", "mine", "")
    assert lines(dialog.request("BYE", via=VIA))[0] == "BYE sip:ann@gw.example:5070 SIP/2.0"
    assert dialog.next_hop() == HOP, "names are not looked up"


@pytest.mark.parametrize(
    ("from_", "branch"),
    [
        ("<sip:ann@gw.example>", ";branch=z9hG4bK1"),
        ("<tel:+4930>", ""),
        ("<sips:ann@gw.example>", ""),
        ("<http://x>", ""),
    ],
)
def test_other_invites_without_contact_are_refused(from_: str, branch: str) -> None:
    with pytest.raises(SipError):
        Dialog.as_server(old(from_, branch), "mine", HOP)


ROUTES = "Record-Route: <sip:p1.test;lr>, <sip:p2.test;lr>\r\nRecord-Route: <sip:p3.test;lr>\r\n"


def test_a_server_keeps_the_order_of_record_route_and_a_client_turns_it_round() -> None:
    server = Dialog.as_server(invite(ROUTES), "mine", HOP)
    assert server.routes == ("<sip:p1.test;lr>", "<sip:p2.test;lr>", "<sip:p3.test;lr>")
    client = Dialog.as_client(invite(), ok(ROUTES), HOP)
    assert client.routes == ("<sip:p3.test;lr>", "<sip:p2.test;lr>", "<sip:p1.test;lr>")
    assert client.next_uri().host == "p3.test"
    ack = lines(client.request("ACK", via=VIA, seq=5))
    assert ack[0] == "ACK sip:h@192.0.2.3 SIP/2.0"
    assert "CSeq: 5 ACK" in ack
    assert [line for line in ack if line.startswith("Route")] == [f"Route: {route}" for route in client.routes]


def test_a_strict_router_gets_its_uri_in_the_request_line() -> None:
    dialog = Dialog.as_server(invite("Record-Route: <sip:old.test>,<sip:new.test;lr>\r\n"), "mine", HOP)
    bye = lines(dialog.request("BYE", via=VIA))
    assert bye[0] == "BYE sip:old.test SIP/2.0"
    assert [line for line in bye if line.startswith("Route")] == [
        "Route: <sip:new.test;lr>",
        "Route: <sip:ann@192.0.2.1:5070>",
    ]


def test_numbers_must_rise() -> None:
    dialog = Dialog.as_server(invite(), "mine", HOP)
    request = invite()
    request.head.seq = 9
    dialog.check(request)
    for seq in (9, 8):
        request.head.seq = seq
        with pytest.raises(SipError) as caught:
            dialog.check(request)
        assert caught.value.status == 500


def test_a_reinvite_moves_the_target() -> None:
    dialog = Dialog.as_server(invite(), "mine", HOP)
    dialog.refresh(invite(contact="<sip:moved@192.0.2.8>;expires=3"))
    assert lines(dialog.request("BYE", via=VIA))[0] == "BYE sip:moved@192.0.2.8 SIP/2.0"


@pytest.mark.parametrize(
    "contact",
    [
        "*",
        "<sip:a@b>, <sip:c@d>",
        "<http://x>",
        "<sip:>",
        '"<sip:a@b>',
        "<sip:a@b:99999>",
        "<tel:+1>",
        "<sip:a@b;self=1>",
    ],
)
def test_a_contact_that_cannot_be_called_back_is_refused(contact: str) -> None:
    with pytest.raises(SipError) as caught:
        Dialog.as_server(invite(contact=contact), "mine", HOP)
    assert caught.value.status == 400


def test_headers_in_a_contact_do_not_get_into_our_requests() -> None:
    dialog = Dialog.as_server(invite(contact="<sip:a@192.0.2.1?Replaces=x>"), "mine", HOP)
    assert lines(dialog.request("BYE", via=VIA))[0] == "BYE sip:a@192.0.2.1 SIP/2.0"


@pytest.mark.parametrize("route", ["<sip:a", "nonsense", "<sip:a>,,", ",".join(["<sip:a;lr>"] * 21)])
def test_broken_or_endless_routes_are_refused(route: str) -> None:
    with pytest.raises(SipError):
        Dialog.as_server(invite(f"Record-Route: {route}\r\n"), "mine", HOP)


def test_escaped_line_ends_in_a_contact_stay_escaped() -> None:
    dialog = Dialog.as_server(invite(contact="<sip:a%0d%0aX-Evil:1@192.0.2.1;p=%0d%0ab>"), "mine", HOP)
    assert not any(line.startswith(("X-Evil", "b")) for line in lines(dialog.request("BYE", via=VIA)))


@pytest.mark.parametrize(
    ("contact", "hop", "wanted"),
    [
        ("<sip:ann@192.0.2.8:5080>", HOP, Hop("udp", "192.0.2.8", 5080)),
        ("<sip:ann@192.0.2.8>", HOP, Hop("udp", "192.0.2.8", 5060)),
        ("<sip:ann@192.0.2.8;transport=TCP>", HOP, Hop("tcp", "192.0.2.8", 5060)),
        ("<sip:ann@phone.test>", HOP, HOP),
        ("<sip:ann@[2001:db8::1]:5070>", HOP, Hop("udp", "2001:db8::1", 5070)),
        ("<sip:ann@192.0.2.8>", Hop("tls", "192.0.2.1", 40000, 7), Hop("tls", "192.0.2.8", 5061, 7)),
        ("<sips:ann@192.0.2.8>", Hop("tls", "192.0.2.1", 40000, 7), Hop("tls", "192.0.2.8", 5061, 7)),
        ("<sip:ann@192.0.2.8;transport=udp>", Hop("tls", "192.0.2.1", 1, 7), Hop("tls", "192.0.2.8", 5061, 7)),
    ],
)
def test_requests_go_to_the_contact_and_tls_stays_tls(contact: str, hop: Hop, wanted: Hop) -> None:
    dialog = Dialog.as_server(invite(contact=contact), "mine", hop)
    assert dialog.next_hop() == wanted


def test_a_sips_contact_is_believed_over_tls_only() -> None:
    with pytest.raises(SipError):
        Dialog.as_server(invite(contact="<sips:ann@192.0.2.1>"), "mine", HOP)


def test_a_refresh_keeps_the_route_set_and_what_we_know_of_the_way() -> None:
    known = Hop("tls", "192.0.2.1", 5061, 3, "carrier.test", "profile", "198.51.100.1")
    dialog = Dialog.as_server(invite(ROUTES), "mine", known)
    routes = dialog.routes
    dialog.refresh(invite("Record-Route: <sip:evil.test;lr>\r\n", "<sip:new@192.0.2.7>"), Hop("tls", "192.0.2.2", 9, 4))
    assert dialog.routes == routes
    assert dialog.hop == Hop("tls", "192.0.2.2", 9, 4, "carrier.test", "profile", "198.51.100.1")


def test_a_broken_refresh_changes_nothing() -> None:
    dialog = Dialog.as_server(invite(), "mine", HOP)
    with pytest.raises(SipError):
        dialog.refresh(invite(contact="*"), Hop("udp", "192.0.2.66", 1))
    assert (str(dialog.target), dialog.hop) == ("sip:ann@192.0.2.1:5070", HOP)


def test_what_the_peer_understands_is_kept_until_it_says_otherwise() -> None:
    dialog = Dialog.as_server(invite("Allow: INVITE, update,(,\r\nSupported: Timer\r\n"), "mine", HOP)
    assert (dialog.allows, dialog.supports) == ({"INVITE", "UPDATE"}, {"timer"})
    dialog.learn(invite())
    assert "UPDATE" in dialog.allows
    dialog.learn(invite("Allow: INVITE\r\n"))
    assert dialog.allows == {"INVITE"}
    dialog.learn(invite(f"Allow: {', '.join(f'M{n}' for n in range(500))}\r\n"))
    assert len(dialog.allows) == 64


def test_a_cancel_is_its_invites_twin() -> None:
    dialog = Dialog.as_client(invite(), ok(ROUTES), HOP)
    request = dialog.request("INVITE", via=VIA)
    cancel = cancel_of(request)
    for name in ("Via", "From", "To", "Call-ID"):
        assert cancel.headers[name] == request.headers[name]
    assert cancel.headers.getlist("Route") == request.headers.getlist("Route")
    assert cancel.headers["CSeq"] == "6 CANCEL"


@pytest.mark.parametrize(
    ("sent_by", "hop", "moved"),
    [("192.0.2.1", HOP, False), ("10.0.0.1", HOP, True), ("192.0.2.1", Hop("tcp", "192.0.2.1", 5070, 3), True)],
)
def test_the_way_back_is_learnt_from_peers_that_only_it_reaches(sent_by: str, hop: Hop, moved: bool) -> None:
    request = invite(contact=f"<sip:ann@{sent_by}:5070>")
    request.head.vias[0] = Via.parse(f"SIP/2.0/UDP {sent_by};branch=z9hG4bK1")
    dialog = Dialog.as_server(request, "mine", hop)
    dialog.note_source(replace(hop, port=40001, connection=4))
    assert (dialog.hop.port == 40001) is moved
    assert dialog.behind_nat == (sent_by == "10.0.0.1")
