"""What goes out, slot by slot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from telephony.call_policy import Terms
from telephony.media.codecs import Codec, decode
from telephony.media.dtmf_detector import DtmfDetector
from telephony.media.encoders import make_decoder
from telephony.media.rtp import RtpPacket, parse
from telephony.media.sender import Sender
from telephony.sdp.agreement import Agreed
from telephony.sdp.description import Direction

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
    """At once, as events would; what is queued waits and is counted alone."""
    source = sender(agreed(dtmf_payload_type=None))
    source.play(np.tile(TALK, 3))
    slots(source, 1)
    source.press("42")
    assert (source.queued_samples, source.played_samples) == (320, 160)
    assert source.flush() == 320
    source.play(TALK)
    packets = slots(source, 18)
    assert {packet.payload_type for packet in packets} == {0}
    assert DtmfDetector(8000).feed(decode(b"".join(packet.payload for packet in packets), "PCMU")) == "42"
    assert (source.queued_samples, source.played_samples) == (160, 160)
    assert (decode(slots(source, 1)[0].payload, "PCMU") > 4800).all()


def test_other_characters_are_refused_before_anything_is_sent() -> None:
    source = sender()
    with pytest.raises(ValueError, match="keys"):
        source.press("12x")
    assert {packet.payload_type for packet in slots(source, 3)} == {0}


# ── packets of other lengths, wideband, noise ──

WIDE = {"G722": (9, 8000), "opus": (107, 48000)}


def tone(rate_hz: int, seconds: float, hertz: float = 300) -> np.ndarray:
    return (np.sin(2 * np.pi * hertz * np.arange(int(rate_hz * seconds)) / rate_hz) * 8000).astype(np.int16)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30])
def test_packets_are_as_long_as_agreed(ptime_ms: int) -> None:
    source = sender(agreed(ptime_ms=ptime_ms))
    assert source.ptime_ms == ptime_ms
    source.play(np.tile(TALK, 30))
    packets = slots(source, 10)
    assert {len(packet.payload) for packet in packets} == {ptime_ms * 8}
    assert steps([packet.timestamp for packet in packets], 32) == {ptime_ms * 8}
    assert source.played_samples == 10 * ptime_ms * 8


@pytest.mark.parametrize("codec", ["G722", "opus"])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_wideband_codec_carries_a_leg_of_either_rate(codec: Codec, rate_hz: int) -> None:
    payload_type, clock_hz = WIDE[codec]
    source = sender(agreed(codec=codec, payload_type=payload_type), rate_hz=rate_hz)
    assert source.rate_hz == rate_hz
    source.play(tone(rate_hz, 1.0))
    assert source.queued_samples == rate_hz
    packets = slots(source, 50)
    assert steps([packet.timestamp for packet in packets], 32) == {clock_hz // 50}
    assert (source.queued_samples, source.played_samples) == (0, rate_hz)
    decoder = make_decoder(codec)
    heard = np.concatenate([decoder.decode(packet.payload) for packet in packets])
    assert len(heard) == 16000
    spectrum = np.abs(np.fft.rfft(heard[8000:].astype(float)))
    assert abs(int(spectrum.argmax()) * 2 - 300) <= 2
    assert heard[8000:].std() == pytest.approx(8000 / 2**0.5, rel=0.15)


def test_a_leg_has_the_rate_of_its_first_codec_for_good() -> None:
    assert sender(agreed(codec="G722", payload_type=9)).rate_hz == 16000
    narrow = sender()
    narrow.agree(agreed(codec="opus", payload_type=107))
    assert narrow.rate_hz == 8000
    early = Sender()
    early.play(TALK)
    early.agree(agreed(codec="G722", payload_type=9))
    assert (early.rate_hz, early.queued_samples) == (8000, 160)


def test_a_wideband_leg_goes_on_with_g711_and_back_and_counts_its_own_samples() -> None:
    source = sender(agreed(codec="G722", payload_type=9))
    source.play(tone(16000, 1.0))
    slots(source, 10)
    source.agree(agreed())
    assert source.queued_samples == 16000 - 10 * 320
    narrow = slots(source, 20)
    assert {len(packet.payload) for packet in narrow} == {160}
    heard = decode(b"".join(packet.payload for packet in narrow), "PCMU")[400:]
    spectrum = np.abs(np.fft.rfft(heard.astype(float)))
    assert abs(int(spectrum.argmax()) * 8000 / len(heard) - 300) <= 2
    source.agree(agreed(codec="G722", payload_type=9))
    slots(source, 20)
    assert (source.queued_samples, source.played_samples) == (0, 16000)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
def test_a_line_on_which_nobody_speaks_sounds_of_noise_at_the_level_of_the_terms(codec: Codec) -> None:
    payload_type = {"PCMU": 0, "PCMA": 8}.get(codec) or WIDE.get(codec, (0, 0))[0]
    source = sender(agreed(codec=codec, payload_type=payload_type), Terms(comfort_noise_dbov=-50))
    packets = slots(source, 100)
    decoder = make_decoder(codec)
    heard = np.concatenate([decoder.decode(packet.payload) for packet in packets])[1600:].astype(float)
    assert 20 * np.log10(heard.std() / 32768) == pytest.approx(-50, abs=4 if codec == "opus" else 1)
    assert len({packet.payload for packet in packets}) == 100
    assert not any(packet.marker for packet in packets)
    assert {packet.payload_type for packet in packets} == {payload_type}
    assert source.played_samples == 0


def test_noise_does_not_repeat_within_a_call_of_a_minute_by_the_same_packets() -> None:
    packets = slots(sender(agreed(), Terms()), 3000)
    assert len({packet.payload for packet in packets}) == 3000


def test_keys_go_as_tones_when_the_terms_say_so() -> None:
    source = sender(agreed(), Terms(keys="inband", comfort_noise_dbov=None))
    source.press("7")
    heard = decode(b"".join(packet.payload for packet in slots(source, 10)), "PCMU")
    assert DtmfDetector(8000).feed(heard) == "7"


def test_keys_are_counted_on_the_clock_of_the_codec() -> None:
    source = sender(agreed(codec="opus", payload_type=107))
    source.press("1")
    packets = [packet for packet in slots(source, 11) if packet.payload_type == 101]
    assert [int.from_bytes(packet.payload[2:4], "big") for packet in packets] == [960, 1920, 2880, 3840] + [4800] * 3
    assert len({packet.timestamp for packet in packets}) == 1


def test_beside_opus_events_may_have_a_clock_of_their_own() -> None:
    source = sender(agreed(codec="opus", payload_type=107, dtmf_clock_hz=8000))
    source.press("1")
    packets = [packet for packet in slots(source, 11) if packet.payload_type == 101]
    assert [int.from_bytes(packet.payload[2:4], "big") for packet in packets] == [160, 320, 480, 640] + [800] * 3
    assert len({packet.timestamp for packet in packets}) == 1
