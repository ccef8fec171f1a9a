"""Strict parsing and safe writing of SIP messages."""

from __future__ import annotations

import pytest
from sipmessage import URI

from telephony.sip.grammar import NameAddr, Via, split_list
from telephony.sip.message import (
    MAX_HEADER_BYTES,
    Request,
    Response,
    SipError,
    encode,
    parse,
    read_head,
    respond,
)

OPTIONS = (
    b"OPTIONS sip:bot@127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport\r\n"
    b"From: Ann <sip:ann@example.com>;tag=1\r\n"
    b"To: <sip:bot@127.0.0.1>\r\n"
    b"Call-ID: c1@example.com\r\n"
    b"CSeq: 7 OPTIONS\r\n"
    b"Max-Forwards: 70\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def changed(old: bytes, new: bytes) -> bytes:
    assert old in OPTIONS
    return OPTIONS.replace(old, new)


def request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def assert_refused(data: bytes, status: int, *, answerable: bool = True) -> SipError:
    with pytest.raises(SipError) as caught:
        parse(data)
    assert caught.value.status == status
    assert (caught.value.request is not None) == answerable
    return caught.value


def test_a_request_is_read() -> None:
    message = request(OPTIONS)
    assert (message.method, str(message.uri), message.body) == ("OPTIONS", "sip:bot@127.0.0.1", b"")
    head = message.head
    assert (head.call_id, head.seq, head.method) == ("c1@example.com", 7, "OPTIONS")
    assert (head.from_.name, head.from_.uri, head.from_.tag, head.to.tag) == ("Ann", "sip:ann@example.com", "1", "")
    assert (head.vias[0].host, head.vias[0].port, head.vias[0].branch) == ("192.0.2.1", 5070, "z9hG4bKabc")


def test_compact_forms_and_folding_and_white_space_before_the_colon_are_the_same_headers() -> None:
    data = OPTIONS.replace(b"From:", b"f  \t:").replace(b"To: ", b"t:\r\n  ").replace(b"Call-ID", b"i")
    assert request(data).head == request(OPTIONS).head


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_a_missing_mandatory_header_is_refused(name: bytes) -> None:
    lines = [line for line in OPTIONS.split(b"\r\n") if not line.startswith(name + b":")]
    refused = assert_refused(b"\r\n".join(lines), 400, answerable=name != b"Via")
    if refused.request is not None:
        assert name + b":" not in encode(respond(refused.request, 400, tag="t"))


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
        (b"sip:bot@127.0.0.1 SIP", b"soap:bot@127.0.0.1 SIP", 416),
        (b"sip:bot@127.0.0.1 SIP", b"<sip:bot@127.0.0.1> SIP", 400),
        (b"sip:bot@127.0.0.1 SIP", b"sip:bot@127.0.0.1;lr; a SIP", 400),
        (b"sip:bot@127.0.0.1 SIP", b"sip:bot@127.0.0.1?Route=x SIP", 400),
        (b"sip:bot@127.0.0.1 SIP", b"sip:bot@127.0.0.1;self=1 SIP", 400),
        (b"sip:bot@127.0.0.1 SIP", b"sip:bot@127.0.0.1:70000 SIP", 400),
        (b"OPTIONS sip:bot", b"OPTIONS  sip:bot", 400),
        (b"SIP/2.0\r\nVia", b"SIP/2.0  \r\nVia", 400),
        (b"7 OPTIONS", b"7 INVITE", 400),
        (b"CSeq: 7", b"CSeq: 36893488147419103232", 400),
        (b"Max-Forwards: 70", b"Max-Forwards: 300", 400),
        (b"Max-Forwards: 70", b"Max-Forwards: -1", 400),
        (b"Content-Length: 0", b"Content-Length: -9", 400),
        (b"Content-Length: 0", b"Content-Length: 9", 400),
        (b"Content-Length: 0", b"Content-Length: 99999", 413),
        (b"Max-Forwards: 70", b"Call-ID: another", 400),
        (b"Max-Forwards: 70", b"no header at all", 400),
        (b"Max-Forwards: 70", b"X: a\nRoute: b", 400),
        (b":5070;", b":70000;", 400),
        (b"To: <sip:bot@127.0.0.1>", b'To: "Unbalanced <sip:bot@127.0.0.1>', 400),
    ],
)
def test_what_is_wrong_is_refused_with_the_status_that_fits(old: bytes, new: bytes, status: int) -> None:
    error = assert_refused(changed(old, new), status)
    assert error.request is not None
    assert encode(respond(error.request, error.status, tag="t")).startswith(b"SIP/2.0 %d " % status)


def test_a_bad_ack_is_never_answered() -> None:
    assert_refused(
        OPTIONS.replace(b"OPTIONS", b"ACK").replace(b"Max-Forwards: 70", b"Max-Forwards: x"), 400, answerable=False
    )


def test_a_bad_response_is_never_answered() -> None:
    response = b"SIP/2.0 200 OK\r\n" + OPTIONS.partition(b"\r\n")[2]
    assert_refused(response.replace(b"7 OPTIONS", b"99999999999 OPTIONS"), 400, answerable=False)


def test_too_much_header_is_refused() -> None:
    assert_refused(changed(b"Max-Forwards: 70", b"X: " + b"y" * MAX_HEADER_BYTES), 513, answerable=False)
    assert_refused(changed(b"Max-Forwards: 70", b"\r\n".join([b"X: y"] * 400)), 513)
    hops = b", ".join([b"SIP/2.0/UDP h"] * 80)
    assert_refused(changed(b"Max-Forwards: 70", b"Via: " + hops), 483)


def test_octets_behind_content_length_are_dropped() -> None:
    assert request(changed(b"Content-Length: 0", b"Content-Length: 3") + b"abcdef").body == b"abc"


def test_a_name_in_latin_1_is_read() -> None:
    assert request(changed(b"Ann", "Zoë".encode("latin-1"))).head.from_.name == "Zoë"


def test_a_response_copies_what_it_must_and_tags_once() -> None:
    response = respond(request(OPTIONS), 200, tag="mine")
    again = parse(encode(response))
    assert isinstance(again, Response)
    assert (again.code, again.phrase) == (200, "OK")
    assert again.head.to.tag == "mine"
    tagged = request(changed(b"To: <sip:bot@127.0.0.1>", b"To: <sip:bot@127.0.0.1>;tag=theirs"))
    assert b";tag=theirs\r\n" in encode(respond(tagged, 200, tag="mine"))


INJECTIONS = [
    f"{lead}{end}X-Evil: 1{tail}"
    for lead in (
        "",
        "Ann",
        '"',
        "\\",
        "<sip:a@b>",
        "\x00",
        "é",
        " ",
        "a" * 500,
        ";tag=1",
        "%0d%0a",
        "=?utf-8?q?=0d=0a?=",
    )
    for end in ("\r\n", "\n", "\r", "\r\n ", "\n\t", "\r\n\r\n", "\x0b\r\n", "\x00\n", "\x1f\r\n", "\r\r\n")
    for tail in ("", "\r\n", "\r\n\r\nINVITE sip:x SIP/2.0\r\n", '"\n', "\x00")
]


def test_no_value_ever_makes_a_header() -> None:
    """600 payloads in a name, a plain header, a phrase, and a To tag."""
    assert len(INJECTIONS) >= 500
    for payload in INJECTIONS:
        response = respond(request(OPTIONS), 200, payload, tag="t", headers=[("Subject", payload)])
        names = [line.split(b":")[0] for line in encode(response).split(b"\r\n")[1:] if line]
        assert names == [b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Subject", b"Content-Length"], payload
        assert encode(response).count(b"\r\n\r\n") == 1
        assert not set(encode(response).replace(b"\r\n", b"")) & {10, 13, 0}


def test_a_header_name_of_ours_that_is_no_token_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="header name"):
        encode(respond(request(OPTIONS), 200, headers=[("X: y\r\nZ", "1")]))


@pytest.mark.parametrize(
    ("text", "name", "uri", "tag"),
    [
        ('"A \\"quoted\\" <name>" <sip:a@b>;tag=x', 'A "quoted" <name>', "sip:a@b", "x"),
        ("sip:a@b;tag=x", "", "sip:a@b", "x"),
        ("Two Words<sip:a@b;lr>; tag = x", "Two Words", "sip:a@b;lr", "x"),
        ('<sip:a@b>;p="a;tag=no";TAG=x', "", "sip:a@b", "x"),
        ("<sip:a@b>;self=1", "", "sip:a@b", ""),
    ],
)
def test_an_address_is_read(text: str, name: str, uri: str, tag: str) -> None:
    address = NameAddr.parse(text)
    assert (address.name, address.uri, address.tag) == (name, uri, tag)


@pytest.mark.parametrize(
    "text", ["", "<>", "<sip:a b>", '"x <sip:a@b>', "<sip:a@b>;;", "<sip:a@b>x", "sip:a@b?x=y", "nobody"]
)
def test_a_broken_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        NameAddr.parse(text)


def test_commas_in_quotes_and_brackets_do_not_split() -> None:
    assert split_list('"a, b" <sip:x,y@z>;p="1,2" , <sip:q>') == ['"a, b" <sip:x,y@z>;p="1,2"', "<sip:q>"]
    for broken in ("a,,b", "a,", '"a', "<a"):
        with pytest.raises(ValueError, match=r"."):
            split_list(broken)


def test_a_via_survives_reading_and_writing() -> None:
    via = Via.parse("SIP / 2.0 / tcp [2001:db8::1]:5061 ; branch=z9hG4bK1;rport")
    assert str(via) == "SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bK1;rport"


def test_quotes_that_never_end_take_no_time() -> None:
    """Expressions that can be matched in many ways would hang here, and the test's time limit would end it."""
    evil = '<sip:a@b>;a="x"' + ';a="x"' * 5000 + "!"
    with pytest.raises(ValueError, match=r"."):
        NameAddr.parse(evil)
    with pytest.raises(ValueError, match=r"."):
        split_list('"\\' * 20000)


def test_read_head_wants_cseq_in_range() -> None:
    message = request(OPTIONS)
    message.headers.set("CSeq", "2147483648 OPTIONS")
    with pytest.raises(SipError):
        read_head(message.headers)


def test_no_uri_ends_the_first_line_of_a_request() -> None:
    data = encode(Request("INVITE", URI("sip", "h\r\nX-Evil: 1\x00", "a b")))
    assert data.split(b"\r\n")[1] == b"Content-Length: 0"


@pytest.mark.parametrize(
    "start", [b"OPTIONS sip:a@b SIP/7.0", b"OPTIONS sip:a@b SIP/3.1", b"OPTIONS  sip:a@b  SIP/1.0 "]
)
def test_another_version_is_refused_as_such_whatever_else_looks_wrong(start: bytes) -> None:
    data = OPTIONS.replace(b"OPTIONS sip:bot@127.0.0.1 SIP/2.0", start).replace(b"Via: SIP/2.0", b"Via: SIP/7.0")
    assert_refused(data.replace(b"CSeq: 7 OPTIONS", b"CSeq: seven"), 505)
