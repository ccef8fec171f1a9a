"""The arithmetic of ``bench edge``, and its callers' reading of SIP."""

from __future__ import annotations

import pytest

from telephony.call_policy import Terms
from telephony.sdp.negotiation import check_offer
from telephony.sip.message import Request, parse
from voicebot.bench.edge import flood, media, setup, soak
from voicebot.bench.edge.figures import as_text, at, gaps_ms, limits, missed, percentiles, slope
from voicebot.bench.edge.sip import confirm, offer, read, request

MS = 1_000_000


def test_silence_at_both_ends_of_the_window_is_a_gap() -> None:
    stamps = [[0, 20 * MS, 40 * MS, 900 * MS], []]
    assert gaps_ms(stamps, 10 * MS, 100 * MS) == [20.0, 60.0, 90.0]


def test_the_slope_of_a_line_is_found_with_its_error() -> None:
    rise, error = slope([(x, 3 * x + 1) for x in range(10)])
    assert rise == pytest.approx(3) and error == pytest.approx(0, abs=1e-9)
    _, error = slope([(x, 3 * x + (x % 2)) for x in range(10)])
    assert 0.01 < error < 0.2
    assert slope([(1, 2), (2, 3)]) == (0.0, 0.0) == slope([(1, 2)] * 5)


def test_percentiles_are_of_all_values() -> None:
    assert percentiles([float(number) for number in range(101)], 50, 99.9) == {"p50": 50.0, "p99.9": 99.9, "max": 100.0}
    assert percentiles([], 50) == {}


def test_a_bar_that_is_missed_or_cannot_be_seen_is_told() -> None:
    found = {"gap_ms": {"p99": 26.0}, "ok": False, "missed": ["gap_p99 …"]}
    bars = limits("gap_p99=25,gap_max=50", media.NAMES)
    assert missed(found, bars, media.NAMES) == ["gap_p99 is 26, more than 25", "gap_max is unknown, more than 50"]
    assert missed(found, {"gap_p99": 26.0}, media.NAMES) == []
    assert at(found, "gap_ms/p99") == 26.0 and at(found, "ok/p99") is None
    assert as_text(found).endswith("MISSED: gap_p99 …")
    for wrong in ("p99=1", "gap_p99=x", "gap_p99"):
        with pytest.raises(ValueError, match=r"none of|float"):
            limits(wrong, media.NAMES)


@pytest.mark.parametrize("suite", [media, setup, flood, soak])
def test_the_projects_own_bars_are_limits_of_the_suite(suite: object) -> None:
    assert limits(suite.BARS, suite.NAMES)  # type: ignore[attr-defined]


def test_floods_come_from_this_machine_only() -> None:
    assert flood.addresses("127.0.0.254", 3) == ("127.0.0.254", "127.0.0.255", "127.0.1.0")
    for first, count in (("192.0.2.1", 1), ("127.255.255.255", 2), ("127.0.0.1", 0), ("nonsense", 1)):
        with pytest.raises(ValueError, match=r".+"):
            flood.addresses(first, count)


@pytest.mark.parametrize("key", [b"", bytes(30)])
def test_our_callers_speak_proper_sip(key: bytes) -> None:
    body = offer("127.0.0.1", 4000, "opus", key)
    message = parse(request("INVITE", "a1", ("127.0.0.1", 5070), ("127.0.0.1", 5060), body=body))
    assert isinstance(message, Request)
    assert message.method == "INVITE"
    check_offer(message.body, "127.0.0.1", Terms())


def test_an_answer_is_read() -> None:
    text = (
        "SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:a@b>;tag=7\r\nCall-ID: x\r\n"
        "CSeq: 1 INVITE\r\nRetry-After: 5\r\n\r\nm=audio 99 RTP/AVP 0\r\n"
    )
    answer = read(text.encode())
    assert answer is not None
    assert (answer.status, answer.method, answer.call, answer.tag, answer.retry_after) == (
        503,
        "INVITE",
        "x",
        "7",
        True,
    )
    assert read(b"nonsense") is None
    bye = read(
        b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:b>\r\nTo: <sip:a>\r\nCall-ID: x\r\nCSeq: 2 BYE\r\n\r\n"
    )
    assert bye is not None and bye.status == 0
    assert read(confirm(bye)) is not None and confirm(bye).count(b"\r\n") == 8
