"""Reports: two of ours understand each other, and broken ones do nothing."""

from __future__ import annotations

import random

import pytest

from telephony.media.jitter import JitterBuffer
from telephony.media.rtcp import Reporter
from telephony.media.rtp import parse
from telephony.media.sender import Sender
from telephony.sdp.agreement import Agreed

SECOND_NS = 1_000_000_000


def stream(sender: Sender, buffer: JitterBuffer, count: int, lose_every: int = 0) -> None:
    """Carry packets from one to the other, some of them lost."""
    for index in range(count):
        packet = parse(sender.next_packet() or b"")
        assert packet is not None
        if not lose_every or index % lose_every != lose_every // 2:
            buffer.put(packet, 160, 20.0 * index)
        buffer.take(20.0 * index + 19)


@pytest.fixture
def sender() -> Sender:
    made = Sender()
    made.agree(Agreed(("192.0.2.1", 4000), "PCMU", 0, None, "sendrecv", 20))
    return made


def test_the_peers_report_tells_loss_and_round_trip(sender: Sender) -> None:
    ours, theirs, buffer = Reporter(), Reporter(), JitterBuffer()
    stream(sender, buffer, 248, lose_every=4)
    theirs.read(ours.write(10 * SECOND_NS, sender, None), 1010 * SECOND_NS, ssrc=5)
    ours.read(theirs.write(1012 * SECOND_NS, Sender(), buffer), 12 * SECOND_NS + 80_000_000, sender.ssrc)
    assert ours.round_trip_ms == pytest.approx(80, abs=0.1)
    assert ours.peer_lost_percent == pytest.approx(25, abs=1)
    assert ours.peer_jitter_ms is not None


def test_loss_is_of_the_last_interval_only(sender: Sender) -> None:
    ours, theirs, buffer = Reporter(), Reporter(), JitterBuffer()
    stream(sender, buffer, 200, lose_every=2)
    theirs.write(SECOND_NS, Sender(), buffer)
    stream(sender, buffer, 200)
    ours.read(theirs.write(2 * SECOND_NS, Sender(), buffer), SECOND_NS, sender.ssrc)
    assert ours.peer_lost_percent == pytest.approx(0, abs=2)


def test_reports_about_others_and_impossible_times_are_not_believed(sender: Sender) -> None:
    ours, theirs, buffer = Reporter(), Reporter(), JitterBuffer()
    stream(sender, buffer, 50)
    theirs.read(ours.write(10 * SECOND_NS, sender, None), 1000 * SECOND_NS, ssrc=5)
    report = theirs.write(1100 * SECOND_NS, Sender(), buffer)
    ours.read(report, 11 * SECOND_NS, ssrc=sender.ssrc ^ 1)
    assert ours.peer_lost_percent is None
    ours.read(report, 11 * SECOND_NS, sender.ssrc)
    assert ours.peer_lost_percent is not None
    assert ours.round_trip_ms is None


def test_compound_packets_are_whole_words_and_end_in_goodbye_when_asked(sender: Sender) -> None:
    sender.next_packet()
    report = Reporter().write(SECOND_NS, sender, None, bye=True)
    kinds, rest = [], report
    while rest:
        kinds.append(rest[1])
        rest = rest[4 * (int.from_bytes(rest[2:4], "big") + 1) :]
    assert kinds == [200, 202, 203]
    assert len(report) % 4 == 0


def test_mutated_reports_do_nothing_worse_than_wrong_statistics(sender: Sender) -> None:
    dice = random.Random(3550)
    buffer = JitterBuffer()
    stream(sender, buffer, 50)
    original = Reporter().write(SECOND_NS, sender, buffer, bye=True)
    ours = Reporter()
    for _ in range(5000):
        data = bytearray(original)
        for _ in range(dice.randint(1, 5)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        ours.read(bytes(data[: dice.randint(0, len(data))]), 2 * SECOND_NS, sender.ssrc)
        assert ours.round_trip_ms is None or 0 <= ours.round_trip_ms < 60_000
        ours.write(3 * SECOND_NS, sender, buffer)
