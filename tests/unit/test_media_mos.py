"""Mean opinion scores: known points of the E-model, and what calls make of them."""

from __future__ import annotations

import random

import pytest

from telephony.media.jitter import JitterBuffer
from telephony.media.mos import mean_opinion, rating, received_mos, reported_mos
from telephony.media.rtcp import Reporter
from telephony.media.rtp import RtpPacket, parse
from telephony.media.sender import Sender
from telephony.sdp.agreement import Agreed

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    ("rating_", "mos"), [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (100, 4.5)]
)
def test_ratings_mean_what_the_standard_says(rating_: float, mos: float) -> None:
    """ITU-T G.107 annex B, table B.1."""
    assert mean_opinion(rating_) == pytest.approx(mos, abs=0.01)


@pytest.mark.parametrize(
    ("delay_ms", "cost"), [(0, 0), (100, 0), (150, 0.2), (200, 3.0), (300, 14.5), (400, 24.0), (500, 30.8)]
)
def test_delay_costs_little_up_to_150_ms_and_much_from_250_on(delay_ms: float, cost: float) -> None:
    """The curve of G.107, figure: R over Ta without echo."""
    assert 93.2 - rating("PCMA", 0, delay_ms) == pytest.approx(cost, abs=0.8)


def test_loss_costs_as_g113_says_for_g711_with_concealment() -> None:
    """Ie,eff = 95 * Ppl / (Ppl + 25.1)."""
    assert 93.2 - rating("PCMU", 2, 0) == pytest.approx(95 * 2 / 27.1)
    assert rating("PCMU", 2, 0, burst_ratio=2) < rating("PCMU", 2, 0)


def test_no_figure_leaves_the_scale() -> None:
    dice = random.Random(107)
    for _ in range(1000):
        one = rating("opus", dice.uniform(-10, 1e6), dice.uniform(0, 1e7), dice.uniform(-1, 1e6))
        assert 0 <= one <= 93.2
        assert 1 <= mean_opinion(one) <= 4.5


def carried(loss: float, jitter_ms: float, packets: int = 3000) -> JitterBuffer:
    dice, buffer, reception = random.Random(7), JitterBuffer(), []
    for index in range(packets):
        if dice.random() >= loss:
            reception.append((20.0 * index + dice.uniform(0, jitter_ms), index))
    reception.sort()
    for at, index in reception:
        buffer.put(RtpPacket(False, 0, index, index * 160, 1, b"x"), 160, at)
        buffer.take(at)
    return buffer


def test_a_good_call_is_good_and_loss_and_jitter_lower_it() -> None:
    reporter = Reporter()
    good, shaky, lossy = (received_mos("PCMA", carried(*line), reporter) for line in ((0, 0), (0.02, 60), (0.1, 60)))
    assert good == pytest.approx(4.41, abs=0.01)
    assert shaky is not None
    assert lossy is not None
    assert 4.0 < shaky < 4.4
    assert 2.4 < lossy < 3.6


def test_too_little_says_nothing() -> None:
    assert received_mos("PCMA", carried(0, 0, 20), Reporter()) is None
    assert received_mos("PCMA", JitterBuffer(), Reporter()) is None


def test_what_the_peer_hears_is_told_by_its_reports() -> None:
    sender, buffer, ours, theirs = Sender(), JitterBuffer(), Reporter(), Reporter()
    sender.agree(Agreed(("192.0.2.1", 4000), "PCMU", 0, None, "sendrecv", 20))
    assert reported_mos(sender, ours) is None
    for index in range(1000):
        packet = parse(sender.next_packet() or b"")
        assert packet is not None
        if index % 20:
            buffer.put(packet, 160, 20.0 * index)
        buffer.take(20.0 * index + 19)
    ours.read(theirs.write(SECOND_NS, Sender(), buffer), SECOND_NS, sender.ssrc)
    assert ours.peer_lost == 49  # the first never counts: nobody knows of it
    mos = reported_mos(sender, ours)
    assert mos is not None
    assert mos == pytest.approx(mean_opinion(rating("PCMU", 4.9, 0)), abs=0.01)
