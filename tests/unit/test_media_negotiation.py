"""Offers and answers of one dialog: what is said, what comes of it, and what may never happen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from telephony.call_policy import Terms
from telephony.sdp.agreement import Agreed
from telephony.sdp.negotiation import SdpError, check_offer
from tests.unit.negotiation_support import (
    G711,
    KEY,
    OURS,
    THEIRS,
    Media,
    body,
    lines,
    origin_version,
    ours,
    peer,
    settle,
    told,
)

# ── codecs and streams ──


def test_an_offer_has_the_codecs_of_the_terms_in_their_order_and_the_packet_time() -> None:
    said = ours(replace(G711, ptime_ms=30)).offer()
    assert lines(said, "m=") == ["m=audio 20000 RTP/AVP 8 0 101"]
    assert lines(said, "a=ptime") == ["a=ptime:30"]


def test_both_sides_end_up_with_the_same() -> None:
    first, second = ours(), peer(Terms(codecs=("PCMU", "PCMA")))
    settle(first, second)
    assert told(first) == [Agreed((THEIRS, 30000), "PCMU", 0, 101, "sendrecv", 20)]
    assert told(second) == [Agreed((OURS, 20000), "PCMU", 0, 101, "sendrecv", 20)]
    assert isinstance(first.media, Media)
    assert first.media.told[0][1] == THEIRS
    assert first.media.terms == G711


def test_our_order_of_codecs_decides_over_the_offers() -> None:
    assert lines(ours().answer(body("m=audio 4000 RTP/AVP 18 0 8 101")), "m=") == ["m=audio 20000 RTP/AVP 8"]


def test_one_audio_stream_of_many_is_taken_and_the_others_keep_their_place() -> None:
    said = ours().answer(
        body(
            "m=video 5000 RTP/AVP 31",
            "m=audio 4000 RTP/AVP 0",
            "m=audio 4002 RTP/AVP 8",
            "m=image 4004 udptl t38",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        )
    )
    assert lines(said, "m=") == [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/AVP 0",
        "m=audio 20000 RTP/AVP 8",
        "m=image 0 udptl t38",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]


def test_our_later_offers_keep_all_streams_in_their_place() -> None:
    negotiation = ours()
    negotiation.answer(body("m=video 5000 RTP/AVP 31", "m=audio 4000 RTP/AVP 8 0", "m=image 4004 udptl t38"))
    assert [line.split()[:2] for line in lines(negotiation.offer("sendonly"), "m=")] == [
        ["m=video", "0"],
        ["m=audio", "20000"],
        ["m=image", "0"],
    ]


def test_a_later_offer_keeps_the_numbers_in_use_and_gives_no_number_a_second_meaning() -> None:
    negotiation = ours()
    negotiation.answer(
        body("m=audio 4000 RTP/AVP 101 96", "a=rtpmap:101 PCMU/8000", "a=rtpmap:96 telephone-event/8000")
    )
    said = negotiation.offer()
    assert lines(said, "m=") == ["m=audio 20000 RTP/AVP 101 8 96"]
    assert "a=rtpmap:96 telephone-event/8000" in lines(said, "a=")


def test_an_answerer_may_number_otherwise_than_we_did() -> None:
    negotiation = ours()
    negotiation.offer()
    agreed = negotiation.accept(body("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000"))
    assert (agreed.dtmf_payload_type, agreed.own_dtmf_payload_type) == (96, 101)
    assert agreed.own_payload_type is None


def test_comfort_noise_of_the_peer_is_accepted() -> None:
    negotiation = ours()
    assert lines(negotiation.answer(body("m=audio 4000 RTP/AVP 8 13")), "m=") == ["m=audio 20000 RTP/AVP 8 13"]
    assert told(negotiation)[0].comfort_noise


@pytest.mark.parametrize(
    ("asked", "ptime_ms"),
    [
        (("a=ptime:10",), 10),
        (("a=ptime:30",), 30),
        (("a=ptime:60",), 20),
        (("a=maxptime:10",), 10),
        (("a=ptime:30", "a=maxptime:20"), 20),
        (("a=maxptime:5",), 10),
        ((), 20),
    ],
)
def test_packets_have_the_length_that_the_peer_likes_when_we_can(asked: tuple[str, ...], ptime_ms: int) -> None:
    negotiation = ours()
    said = negotiation.answer(body("m=audio 4000 RTP/AVP 8", *asked))
    assert told(negotiation)[0].ptime_ms == ptime_ms
    assert lines(said, "a=ptime") == [f"a=ptime:{ptime_ms}"]


# ── versions, refreshes, forks ──


def test_the_version_goes_up_with_each_change_and_only_then() -> None:
    first, second = ours(), peer()
    settle(first, second)
    assert origin_version(first.again()) == 1
    first.accept(second.answer(first.again()))
    assert origin_version(first.offer("sendonly")) == 2
    first.abandon()
    assert origin_version(first.offer("inactive")) == 3


def test_a_refresh_does_nothing_to_the_media() -> None:
    first, second = ours(), peer()
    settle(first, second)
    assert first.again() == first.again()
    first.accept(second.answer(first.again()))
    second.accept(first.answer(second.again()))
    assert (len(told(first)), len(told(second))) == (1, 1)


def test_the_same_offer_gets_the_same_answer() -> None:
    negotiation = ours()
    offered = body("m=audio 4000 RTP/SAVP 8", f"a=crypto:1 {KEY}")
    assert negotiation.answer(offered) == negotiation.answer(offered)
    assert len(told(negotiation)) == 1


def test_an_offer_that_cannot_be_answered_changes_nothing() -> None:
    first, second = ours(), peer()
    settle(first, second)
    with pytest.raises(SdpError):
        first.answer(body("m=audio 4000 RTP/AVP 18"))
    assert len(told(first)) == 1
    assert origin_version(first.again()) == 1


def test_an_abandoned_offer_leaves_all_as_it_was() -> None:
    first, second = ours(), peer()
    settle(first, second)
    before = first.again()
    first.offer("inactive")
    assert first.holding
    first.abandon()
    assert (first.holding, first.offering) == (False, False)
    assert re.sub(rb"o=.*", b"", first.again()) == re.sub(rb"o=.*", b"", before)


def test_a_late_offer_is_ours_and_the_answer_comes_after() -> None:
    first = ours()
    said = first.offer()
    assert (first.offering, first.agreed) == (True, None)
    first.accept(peer().answer(said))
    assert not first.offering
    assert first.agreed is not None


def test_an_early_answer_may_be_followed_by_another() -> None:
    first = ours()
    first.offer()
    first.accept(body("m=audio 4000 RTP/AVP 0"), early=True)
    assert first.offering
    first.accept(body("m=audio 4002 RTP/AVP 8"))
    assert not first.offering
    first.accept(body("m=audio 6666 RTP/AVP 8"))
    assert [agreed.remote[1] for agreed in told(first)] == [4000, 4002]


def test_each_fork_agrees_for_itself_on_the_same_offer() -> None:
    first = ours()
    first.offer()
    branches = [first.fork(), first.fork()]
    branches[0].accept(body("m=audio 4000 RTP/AVP 0"))
    branches[1].accept(body("m=audio 5000 RTP/AVP 8"))
    assert [branch.agreed.codec for branch in branches if branch.agreed] == ["PCMU", "PCMA"]
    assert first.agreed is None
    assert origin_version(branches[1].offer("sendonly")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        body("m=audio 0 RTP/AVP 0"),
        body("m=video 4000 RTP/AVP 31"),
        body("m=audio 4000 RTP/AVP 18"),
        body("m=audio 4000 RTP/SAVP 0"),
        body(),
    ],
)
def test_an_answer_without_what_was_offered_is_none(answer: bytes) -> None:
    first = ours()
    first.offer()
    with pytest.raises(SdpError) as caught:
        first.accept(answer)
    assert caught.value.status == 488
    assert first.agreed is None


# ── hold ──


@pytest.mark.parametrize(
    ("hold", "answered"),
    [
        (("a=sendonly",), "a=recvonly"),
        (("a=inactive",), "a=inactive"),
        (("c=IN IP4 0.0.0.0",), "a=inactive"),
        (("c=IN IP4 0.0.0.0", "a=sendonly"), "a=inactive"),
    ],
)
def test_every_dialect_of_hold_is_understood_and_so_is_its_end(hold: tuple[str, ...], answered: str) -> None:
    first = ours()
    first.answer(body("m=audio 4000 RTP/AVP 8"))
    said = first.answer(body("m=audio 4000 RTP/AVP 8", *hold, version=2))
    assert answered in lines(said, "a=")
    assert first.held
    assert "they hold" in first.describe()
    assert "a=sendrecv" in lines(first.answer(body("m=audio 4000 RTP/AVP 8", version=3)), "a=")
    assert not first.held


def test_we_hold_and_go_on() -> None:
    first, second = ours(), peer()
    settle(first, second)
    first.accept(second.answer(first.offer("sendonly")))
    assert (first.holding, first.held, second.held) == (True, False, True)
    assert "we hold" in first.describe()
    first.accept(second.answer(first.offer()))
    assert first.holding
    first.accept(second.answer(first.offer("sendrecv")))
    assert (first.holding, second.held) == (False, False)


def test_a_hold_of_ours_survives_a_refresh_of_the_peer() -> None:
    first, second = ours(), peer()
    settle(first, second)
    first.accept(second.answer(first.offer("sendonly")))
    said = first.answer(second.offer("sendrecv"))
    assert "a=sendonly" in lines(said, "a=")
    second.accept(said)
    assert second.held


def test_both_sides_may_hold_at_once() -> None:
    first, second = ours(), peer()
    settle(first, second)
    first.accept(second.answer(first.offer("sendonly")))
    second.accept(first.answer(second.offer("sendonly")))
    assert told(first)[-1].direction == told(second)[-1].direction == "inactive"
    assert (first.held, second.held) == (True, True)


# ── words ──


def test_the_agreement_in_words() -> None:
    first = ours()
    assert first.describe() == "nothing agreed"
    first.answer(
        body("m=audio 4000 RTP/SAVP 8 101", "a=rtpmap:101 telephone-event/8000", f"a=crypto:1 {KEY}", "a=sendonly")
    )
    assert first.describe() == "PCMA 20 ms, events 101, SRTP AES_CM_128_HMAC_SHA1_80, they hold"


def test_an_ipv6_peer_needs_an_ipv6_address_of_ours() -> None:
    offered = b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
    with pytest.raises(SdpError):
        check_offer(offered, OURS, G711)
    said = ours(ip="2001:db8::9").answer(offered)
    assert lines(said, "c=") == ["c=IN IP6 2001:db8::9"]
