"""What stands in the requests of a running call: keys by INFO, reasons, transfers."""

from __future__ import annotations

import pytest

from telephony.call.dialog.dtmf_info import held_s, keys_of
from telephony.call.dialog.offer_answer import back_off_s
from telephony.call.dialog.refer_out import refer_to
from telephony.call.dialog.termination import EXPIRED, LOCAL, NO_MEDIA, ended_here, failed
from telephony.sip.dialog import Dialog
from telephony.sip.hop import Hop
from telephony.sip.message import Request, SipError, parse
from telephony.sip.reason_header import Reason, read


def info(body: bytes = b"", kind: str = "application/dtmf-relay", extra: str = "") -> Request:
    message = parse(
        b"INFO sip:bot@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=f\r\n"
        b"To: <sip:bot@b>;tag=t\r\nCall-ID: c\r\nCSeq: 5 INFO\r\n"
        + f"Content-Type: {kind}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    ("body", "kind", "keys"),
    [
        (b"Signal=5\r\nDuration=160\r\n", "application/dtmf-relay", "5"),
        (b"signal = *\nduration=100", "Application/DTMF-Relay; charset=utf-8", "*"),
        (b"Duration=100\r\nSignal= d;\r\n", "application/dtmf-relay", "D"),
        (b"Signal=10\r\n", "application/dtmf-relay", "*"),
        (b"Signal=11\r\n", "application/dtmf-relay", "#"),
        (b"7", "application/dtmf", "7"),
        (b" 12#\r\n", "application/dtmf", "12#"),
        (b"", "application/dtmf-relay", ""),
    ],
)
def test_keys_are_read_in_both_dialects(body: bytes, kind: str, keys: str) -> None:
    assert keys_of(info(body, kind)) == keys


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"Signal=\r\n", "application/dtmf-relay", 400),
        (b"Signal=16\r\n", "application/dtmf-relay", 400),
        (b"Duration=5\r\n", "application/dtmf-relay", 400),
        (b"\xff\xfe", "application/dtmf", 400),
        (b"1" * 17, "application/dtmf", 400),
        (b"1" * 300, "application/dtmf", 413),
        (b"<x/>", "application/media_control+xml", 415),
    ],
)
def test_what_presses_no_key_is_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(SipError) as caught:
        keys_of(info(body, kind))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b"Signal=5\r\nDuration=1600\r\n", 1.6),
        (b"duration = 250 ;\nsignal=5", 0.25),
        (b"Signal=5\r\n", 0),
        (b"Signal=5\r\nDuration=-4\r\n", 0),
        (b"Signal=5\r\nDuration=9999999999\r\n", 0),
        (b"5", 0),
    ],
)
def test_an_info_may_say_how_long_its_key_was_pressed(body: bytes, seconds: float) -> None:
    assert held_s(info(body)) == seconds


def test_an_info_package_is_refused_with_the_list_of_none() -> None:
    with pytest.raises(SipError) as caught:
        keys_of(info(b"5", "application/dtmf", "Info-Package: conference\r\n"))
    assert (caught.value.status, caught.value.headers) == (469, [("Recv-Info", "")])


def test_reasons_are_read_and_broken_ones_left_out() -> None:
    values = ['Q.850;cause=16;text="Normal; call, clearing", SIP ;cause=200', "(broken", "X.y;cause=9999999"]
    assert read(values) == [Reason("Q.850", 16, "Normal; call, clearing"), Reason("SIP", 200), Reason("X.y")]
    assert str(Reason("SIP", 486, 'Bu"sy')) == 'SIP;cause=486;text="Bu\\"sy"'


def test_a_reason_of_a_peer_cannot_grow_or_hide_control_characters() -> None:
    (reason,) = read([f'SIP;cause=1;text="{"x" * 5000}"'])
    assert len(reason.text) == 200
    (reason,) = read(['SIP;text="a\x1b[2Jb"'])
    assert reason.words == "SIP a [2Jb"


def test_our_bye_says_why() -> None:
    assert str(LOCAL.header) == 'Q.850;cause=16;text="Normal call clearing"'
    assert ended_here("the shop closes").header == LOCAL.header
    assert NO_MEDIA.header.cause == 102
    assert EXPIRED.header == Reason("SIP", 408, "Session expired")
    assert failed("no ACK").header == Reason("SIP", 500, "no ACK")


def dialog() -> Dialog:
    invite = parse(
        b"INVITE sip:bot@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=f&m\r\n"
        b"To: <sip:bot@b>\r\nCall-ID: x;y@192.0.2.1\r\nCSeq: 5 INVITE\r\nContact: <sip:ann@192.0.2.1:5070>\r\n\r\n"
    )
    assert isinstance(invite, Request)
    return Dialog.as_server(invite, "mine", Hop("udp", "192.0.2.1", 5070))


def test_replaces_names_the_dialog_from_the_targets_side_and_is_escaped() -> None:
    assert refer_to("sip:t@192.0.2.4", None) == "<sip:t@192.0.2.4>"
    assert refer_to("sip:t@192.0.2.4", dialog()) == (
        "<sip:t@192.0.2.4?Replaces=x%3By%40192.0.2.1%3Bto-tag%3Df%26m%3Bfrom-tag%3Dmine>"
    )


def test_after_glare_the_owner_of_the_call_waits_longer() -> None:
    owner = [back_off_s(True) for _ in range(500)]
    other = [back_off_s(False) for _ in range(500)]
    assert min(owner) >= 2.1 and max(owner) <= 4.0
    assert min(other) >= 0.0 and max(other) <= 2.0
    assert all(abs(round(s * 100) - s * 100) < 1e-9 for s in owner + other)
    assert len(set(owner)) > 50 and len(set(other)) > 50
