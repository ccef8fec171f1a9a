"""What goes out, slot by slot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from telephony.agreement import Agreed
from telephony.codecs import decode
from telephony.description import Direction
from telephony.rtp import RtpPacket, parse
from telephony.sender import Sender
from telephony.terms import Terms

REMOTE = ("192.0.2.1", 4000)
TALK = np.full(160, 5000, np.int16)


def agreed(direction: Direction = "sendrecv", **changes: object) -> Agreed:
    fields: dict[str, object] = {"codec": "PCMU", "payload_type": 0, "dtmf_payload_type": 101, "ptime_ms": 20} | changes
    return Agreed(remote=REMOTE, direction=direction, **fields)  # type: ignore[arg-type]


QUIET = Terms(comfort_noise_dbov=None)


def sender(terms: Agreed | None = None, wishes: Terms = QUIET, rate_hz: int | None = None) -> Sender:
    made = Sender(rate_hz)
    made.agree(terms or agreed(), wishes)
    return made


def slots(source: Sender, count: int) -> list[RtpPacket]:
    packets = [parse(source.next_packet() or b"") for _ in range(count)]
    return [packet for packet in packets if packet is not None]


def steps(values: list[int], bits: int) -> set[int]:
    return {(after - before) % (1 << bits) for before, after in pairwise(values)}


def test_silence_goes_out_when_nothing_is_queued() -> None:
    packets = slots(sender(), 5)
    assert [packet.payload for packet in packets] == [b"\xff" * 160] * 5
    assert slots(sender(agreed(codec="PCMA", payload_type=8)), 1)[0].payload == b"\xd5" * 160


def test_sequence_timestamp_and_source_run_on_evenly() -> None:
    source = sender()
    packets = slots(source, 10)
    source.play(np.tile(TALK, 5))
    packets += slots(source, 10)
    source.agree(agreed(codec="PCMA", payload_type=8))
    packets += slots(source, 10)
    assert steps([packet.sequence for packet in packets], 16) == {1}
    assert steps([packet.timestamp for packet in packets], 32) == {160}
    assert len({packet.ssrc for packet in packets}) == 1


def test_the_first_packet_of_talk_is_marked() -> None:
    source = sender()
    slots(source, 1)
    source.play(np.tile(TALK, 2))
    marks = [packet.marker for packet in slots(source, 4)]
    source.play(TALK)
    assert marks + [packet.marker for packet in slots(source, 1)] == [True, False, False, False, True]


def test_audio_is_counted_and_its_end_padded_with_silence() -> None:
    source = sender()
    source.play(np.full(250, 5000, np.int16))
    assert source.queued_samples == 250
    first, second = slots(source, 2)
    assert (source.queued_samples, source.played_samples) == (0, 250)
    assert (decode(first.payload + second.payload[:90], "PCMU") > 4800).all()
    assert second.payload[90:] == b"\xff" * 70


def test_a_flush_silences_the_very_next_packet() -> None:
    source = sender()
    source.play(np.tile(TALK, 10))
    slots(source, 3)
    assert source.flush() == 7 * 160
    assert slots(source, 1)[0].payload == b"\xff" * 160
    assert (source.queued_samples, source.played_samples) == (0, 480)


def test_queued_audio_follows_a_change_of_codec() -> None:
    source = sender()
    source.play(np.tile(TALK, 2))
    slots(source, 1)
    source.agree(agreed(codec="PCMA", payload_type=8))
    packet = slots(source, 1)[0]
    assert packet.payload_type == 8
    assert (abs(decode(packet.payload, "PCMA").astype(int) - 5000) < 200).all()


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_a_hold_stops_packets_and_keeps_audio_and_clock(direction: Direction) -> None:
    source = sender()
    before = slots(source, 1)[0]
    source.agree(agreed(direction))
    source.play(TALK)
    assert slots(source, 50) == []
    assert source.queued_samples == 160
    source.agree(agreed())
    after = slots(source, 1)[0]
    assert after.marker
    assert (after.timestamp - before.timestamp) % (1 << 32) == 51 * 160
    assert (after.sequence - before.sequence) % (1 << 16) == 1


def test_skipped_slots_move_the_clock_and_not_the_audio() -> None:
    source = sender()
    source.play(np.tile(TALK, 3))
    first = slots(source, 1)[0]
    source.skip(10)
    second = slots(source, 1)[0]
    assert (second.timestamp - first.timestamp) % (1 << 32) == 11 * 160
    assert second.marker
    assert source.queued_samples == 160


def test_keys_interrupt_audio_and_give_the_clock_back() -> None:
    source = sender()
    source.play(np.tile(TALK, 4))
    before = slots(source, 2)
    source.press("1#")
    packets = slots(source, 22)
    events = [packet for packet in packets if packet.payload_type == 101]
    assert len(events) == 14
    assert [packet.payload[0] for packet in events] == [1] * 7 + [11] * 7
    assert [packet.marker for packet in events] == ([True] + [False] * 6) * 2
    begins = sorted({(packet.timestamp - before[0].timestamp) % (1 << 32) for packet in events})
    assert begins == [2 * 160, 13 * 160]
    pauses = [packet for packet in packets if packet.payload_type == 0]
    assert {packet.payload for packet in pauses} == {b"\xff" * 160}
    talk = slots(source, 3)
    assert (talk[0].timestamp - before[0].timestamp) % (1 << 32) == 24 * 160
    assert talk[0].marker
    assert source.played_samples == 4 * 160
    assert steps([packet.sequence for packet in before + packets + talk], 16) == {1}


def test_a_peer_without_events_gets_tones() -> None:
    source = sender(agreed(dtmf_payload_type=None))
    source.press("42")
    assert source.queued_samples == 2 * (800 + 640)
    assert {packet.payload_type for packet in slots(source, 20)} == {0}


def test_other_characters_are_refused_before_anything_is_sent() -> None:
    source = sender()
    with pytest.raises(ValueError, match="keys"):
        source.press("12x")
    assert {packet.payload_type for packet in slots(source, 3)} == {0}
