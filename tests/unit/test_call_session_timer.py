"""Session timers: who refreshes, how often, and when a call is over (RFC 4028)."""

from __future__ import annotations

import pytest

from telephony.call.dialog.session_timer import SessionTimer
from telephony.call_policy import SessionTimerPolicy as Wish
from telephony.sip.message import Request, Response, SipError, parse

START = (
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
    "From: <sip:a@b>;tag=f",
    "To: <sip:bot@b>;tag=t",
    "Call-ID: c",
    "CSeq: 5 INVITE",
)


def request(*headers: str) -> Request:
    message = parse("\r\n".join(["INVITE sip:bot@b SIP/2.0", *START, *headers, "", ""]).encode())
    assert isinstance(message, Request)
    return message


def response(status: int, *headers: str) -> Response:
    message = parse("\r\n".join([f"SIP/2.0 {status} X", *START, *headers, "", ""]).encode())
    assert isinstance(message, Response)
    return message


def test_a_caller_asks_for_its_interval_and_leaves_the_roles_open() -> None:
    assert SessionTimer(Wish(1800, 90)).request_headers() == [("Session-Expires", "1800")]
    assert SessionTimer(Wish(1800, 120)).request_headers() == [("Session-Expires", "1800"), ("Min-SE", "120")]
    assert SessionTimer(Wish(0)).request_headers() == []


@pytest.mark.parametrize(
    ("answer", "interval_s", "ours", "due"),
    [
        ("Session-Expires: 1000;refresher=uac", 1000, True, (600.0, "refresh")),
        ("Session-Expires: 1000;refresher=uas", 1000, False, (1068.0, "expire")),
        ("x: 60;refresher=uas", 60, False, (140.0, "expire")),
        ("Session-Expires: 1000", 1000, True, (600.0, "refresh")),
        ("Session-Expires: 1000;refresher=both", 1000, True, (600.0, "refresh")),
        ("Session-Expires: soon", 0, True, None),
        ("Supported: timer", 0, True, None),
    ],
)
def test_a_caller_does_what_the_answer_says(answer: str, interval_s: int, ours: bool, due: object) -> None:
    timer = SessionTimer(Wish(1800, 90))
    timer.answered(response(200, answer), 100.0)
    assert (timer.interval_s, timer.ours, timer.due()) == (interval_s, ours, due)


def test_a_422_raises_the_interval_once_and_not_to_what_we_had_asked_for_already() -> None:
    timer = SessionTimer(Wish(200, 90))
    assert not timer.raised(response(422))
    assert not timer.raised(response(422, "Min-SE: 100"))
    assert timer.raised(response(422, "Min-SE: 300"))
    assert timer.request_headers() == [("Session-Expires", "300"), ("Min-SE", "300")]
    assert not timer.raised(response(422, "Min-SE: 300"))


@pytest.mark.parametrize(
    ("headers", "answer", "ours"),
    [
        (["Supported: timer", "Session-Expires: 600"], "600;refresher=uac", False),
        (["Supported: timer", "Session-Expires: 600;refresher=uac"], "600;refresher=uac", False),
        (["Supported: timer", "Session-Expires: 600;refresher=uas"], "600;refresher=uas", True),
        (["Supported: 100rel, TIMER", "Session-Expires: 7200"], "1800;refresher=uac", False),
        (["Require: timer", "Session-Expires: 7200", "Min-SE: 3600"], "3600;refresher=uac", False),
        (["Session-Expires: 600"], "600;refresher=uas", True),  # a proxy wants it, the caller knows nothing of it
        (["Supported: timer"], "1800;refresher=uas", True),
        (["Supported: timer", "Min-SE: 3000"], "3000;refresher=uas", True),
    ],
)
def test_a_called_party_settles_the_interval_and_the_roles(headers: list[str], answer: str, ours: bool) -> None:
    timer = SessionTimer(Wish(1800, 90))
    said = timer.response_headers(request(*headers), 0.0)
    assert said[0] == ("Session-Expires", answer)
    assert (("Require", "timer") in said) == answer.endswith("uac")
    assert timer.ours == ours


@pytest.mark.parametrize("headers", [[], ["Session-Expires: 30"]])
def test_who_knows_no_timers_gets_none(headers: list[str]) -> None:
    timer = SessionTimer(Wish(1800, 90))
    assert timer.response_headers(request(*headers), 0.0) == []
    assert timer.due() is None


def test_wishing_for_none_answers_what_the_peer_wishes() -> None:
    timer = SessionTimer(Wish(0, 90))
    assert timer.response_headers(request("Supported: timer"), 0.0) == []
    headers = timer.response_headers(request("Supported: timer", "Session-Expires: 500"), 0.0)
    assert headers[0] == ("Session-Expires", "500;refresher=uac")


def test_too_short_an_interval_is_refused_to_those_who_can_understand_it() -> None:
    timer = SessionTimer(Wish(1800, 90))
    assert timer.refusal(request("Supported: timer", "Session-Expires: 89")) == [("Min-SE", "90")]
    assert timer.refusal(request("Supported: timer", "Session-Expires: 90")) is None
    assert timer.refusal(request("Session-Expires: 5")) is None
    assert timer.refusal(request()) is None


@pytest.mark.parametrize("value", ["soon", "-1", "99999999999", "60;=;", "1800,90"])
def test_a_malformed_interval_is_a_bad_request(value: str) -> None:
    with pytest.raises(SipError) as caught:
        SessionTimer(Wish()).refusal(request(f"Session-Expires: {value}"))
    assert caught.value.status == 400


def test_a_refresh_tells_who_refreshes_seen_from_this_transaction() -> None:
    timer = SessionTimer(Wish(1800, 90))
    timer.response_headers(request("Supported: timer", "Session-Expires: 600;refresher=uas"), 0.0)
    assert timer.request_headers() == [("Session-Expires", "600;refresher=uac")]
    timer.answered(response(200, "Session-Expires: 600;refresher=uas"), 10.0)
    assert timer.request_headers() == [("Session-Expires", "600;refresher=uas")]
    assert timer.response_headers(request("Supported: timer"), 20.0)[0] == ("Session-Expires", "600;refresher=uac")


def test_failed_refreshes_are_tried_again_at_shrinking_distances_until_the_end() -> None:
    timer = SessionTimer(Wish(1800, 90))
    timer.answered(response(200, "Session-Expires: 1000;refresher=uac"), 0.0)
    tries = []
    while (due := timer.due()) is not None and due[1] == "refresh":
        tries.append(due[0])
        timer.refreshing(due[0])
    assert tries[:3] == [500.0, 734.0, 851.0]
    assert len(tries) < 12
    assert timer.due() == (968.0, "expire")


def test_every_refresh_starts_the_interval_anew() -> None:
    timer = SessionTimer(Wish(1800, 90))
    timer.answered(response(200, "Session-Expires: 100;refresher=uas"), 0.0)
    timer.response_headers(request("Supported: timer", "Session-Expires: 100;refresher=uac"), 50.0)
    assert timer.due() == (118.0, "expire")
