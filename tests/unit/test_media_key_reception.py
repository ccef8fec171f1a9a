"""Keys of a whole stream of datagrams: each once, agreed or not, with tones or without, and at no cost to the audio."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from telephony.call_policy import Terms
from telephony.media import mos
from telephony.media.codecs import FORMATS, encode
from telephony.media.dtmf import tones
from telephony.media.key_reception import UnagreedEventType
from telephony.media.receiver import Heard, Receiver
from telephony.media.rtcp import Reporter
from telephony.media.rtp import RtpPacket, pack
from telephony.sdp.agreement import Agreed
from tests.unit.key_packets import Phone, Sent, payload

CALLER = ("192.0.2.1", 4000)
AGREED = Agreed(CALLER, "PCMU", 0, 101, "sendrecv", 20)
NO_EVENTS = replace(AGREED, dtmf_payload_type=None)
TALK = bytes([0x90]) * 160
PIN = "846766"


def datagram(packet: RtpPacket, *, padding: int = 0) -> bytes:
    data = pack(packet.marker, packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc, packet.payload)
    return bytes((data[0] | 0x20,)) + data[1:] + bytes(padding - 1) + bytes((padding,)) if padding else data


def hear(receiver: Receiver, sent: Iterable[Sent], *, padding: int = 0, rest_ms: float = 60) -> list[Heard]:
    """What is heard of datagrams that arrive as they were sent, with the engine's tick of 5 ms."""
    heard: list[Heard] = []
    now_ms = 0.0
    for one in sorted(sent, key=lambda one: one.at_ms):
        while now_ms < one.at_ms:
            heard += receiver.take(now_ms)
            now_ms += 5
        receiver.datagram(
            datagram(one.packet, padding=0 if one.packet.payload_type == 0 else padding), CALLER, one.at_ms
        )
    end_ms = now_ms + rest_ms
    while now_ms < end_ms:
        heard += receiver.take(now_ms)
        now_ms += 5
    return heard


def keys(heard: Iterable[Heard]) -> str:
    return "".join(one for one in heard if isinstance(one, str))


def samples(heard: Iterable[Heard]) -> int:
    return sum(len(one) for one in heard if isinstance(one, np.ndarray))


def calling(**phone: Any) -> list[Sent]:
    return Phone(**phone).talk(2000).press(PIN).talk(500).sent


# ── agreed events ──


@pytest.mark.parametrize("stamps", ["right", "rising", "end", "apart", "same"])
@pytest.mark.parametrize("ssrc", [1, 77], ids=["the audio's source", "a source of its own"])
@pytest.mark.parametrize("numbers", ["shared", "apart", "near"])
def test_keys_are_heard_however_they_are_stamped_and_numbered(stamps: str, ssrc: int, numbers: str) -> None:
    sent = calling(stamps=stamps)
    if numbers != "shared":
        audio = events = 0
        for at, one in enumerate(sent):
            audio, events = audio + (not one.key), events + one.key
            sequence = (1030 if numbers == "near" else 40_000) + events if one.key else 1000 + audio
            sent[at] = replace(one, packet=one.packet._replace(sequence=sequence & 0xFFFF))
    sent = [replace(one, packet=one.packet._replace(ssrc=ssrc)) if one.key else one for one in sent]
    receiver = Receiver(AGREED)
    heard = hear(receiver, sent)
    assert keys(heard) == PIN
    if numbers != "near":
        assert (receiver.buffer.lost, receiver.buffer.late, receiver.buffer.duplicates) == (0, 0, 0)
        assert receiver.concealed_samples == 0
        assert receiver.malformed == 0
        assert receiver.buffer.reception.beginnings == 1


@pytest.mark.parametrize("padding", [4, 8, 100])
def test_padding_is_no_key(padding: int) -> None:
    assert keys(hear(Receiver(AGREED), calling(), padding=padding)) == PIN


def test_events_of_8000_hz_beside_opus_are_understood() -> None:
    agreed = Agreed(CALLER, "opus", 107, 101, "sendrecv", 20, dtmf_clock_hz=8000)
    assert keys(hear(Receiver(agreed, rate_hz=16_000), calling())) == PIN
    agreed = replace(agreed, dtmf_clock_hz=None)
    assert keys(hear(Receiver(agreed, rate_hz=16_000), calling(clock_hz=48_000))) == PIN


def test_a_number_that_is_the_codecs_and_that_of_events_is_both() -> None:
    """The peer answered Opus as 101, while it sends events by our numbers."""
    agreed = Agreed(CALLER, "opus", 101, 100, "sendrecv", 20, own_payload_type=107, own_dtmf_payload_type=101)
    receiver = Receiver(agreed, rate_hz=16_000)
    opus = bytes((0x78, *range(60)))
    sent = [
        replace(one, packet=one.packet._replace(payload_type=101, payload=one.packet.payload if one.key else opus))
        for one in Phone(clock_hz=48_000).talk(200).press("42").talk(200).sent
    ]
    heard = hear(receiver, sent)
    assert keys(heard) == "42"
    assert receiver.malformed == 0
    assert samples(heard) > 16 * 500


def test_keys_come_while_a_lost_packet_of_audio_is_waited_for() -> None:
    sent = Phone().talk(200).press("5").sent
    receiver = Receiver(AGREED)
    for one in sent[:9] + sent[10:12]:
        receiver.datagram(datagram(one.packet), CALLER, one.at_ms)
    assert keys(receiver.take(sent[11].at_ms)) == "5"


def test_a_hold_presses_no_key() -> None:
    receiver = Receiver(replace(AGREED, direction="inactive"))
    assert keys(hear(receiver, calling())) == ""


# ── the time of keys ──


def score(receiver: Receiver) -> float | None:
    return mos.received_mos(receiver.codec, receiver.buffer, Reporter())


@pytest.mark.parametrize("phone", [
    {}, {"stamps": "rising"}, {"stamps": "same"}, {"updates": 0, "pause_ms": 120}, {"ends": 0}, {"updates": 60},
    {"ptime_ms": 10}, {"ptime_ms": 30}, {"marker": False}, {"updates": 1, "ends": 1}, {"payload_type": 110},
    {"beside": True},
])  # fmt: skip
def test_the_time_of_keys_is_no_concealment(phone: dict[str, Any]) -> None:
    receiver, quiet = Receiver(NO_EVENTS if "payload_type" in phone else AGREED), Receiver(AGREED)
    sent = [
        replace(one, packet=one.packet._replace(payload=TALK[:8] * phone.get("ptime_ms", 20))) if not one.key else one
        for one in calling(**phone)
    ]
    heard = hear(receiver, sent, rest_ms=20)
    assert keys(heard) == PIN
    assert receiver.concealed_samples == 0
    buffer = receiver.buffer
    assert (buffer.lost, buffer.late, buffer.discarded, buffer.reordered, buffer.longest_burst) == (0, 0, 0, 0, 0)
    assert buffer.reception.jitter_ms == pytest.approx(0, abs=0.1)
    hear(quiet, Phone(ptime_ms=phone.get("ptime_ms", 20)).talk(4000).sent)
    assert score(receiver) == pytest.approx(score(quiet))
    assert samples(heard) == pytest.approx(8 * sent[-1].at_ms, abs=8 * 100)


def test_the_time_of_keys_is_silence() -> None:
    receiver = Receiver(AGREED)
    sent = [one if one.key else replace(one, packet=one.packet._replace(payload=TALK)) for one in calling()]
    heard = np.concatenate([one for one in hear(receiver, sent) if isinstance(one, np.ndarray)])
    assert set(np.unique(heard).tolist()) == {0, 15996}


def test_a_clock_that_stood_still_while_keys_were_pressed_costs_no_word() -> None:
    """sipsorcery#669: the audio after a key goes on with the timestamp at which the key began."""
    phone = Phone().talk(2000)
    for key in PIN:
        before = phone.timestamp
        phone.pause_ms = 0
        phone.press(key)
        phone.timestamp = before
        phone.talk(400)
    receiver = Receiver(AGREED)
    sent = [one if one.key else replace(one, packet=one.packet._replace(payload=TALK)) for one in phone.sent]
    heard = hear(receiver, sent)
    assert keys(heard) == PIN
    said = np.concatenate([one for one in heard if isinstance(one, np.ndarray)])
    assert int((said == 15996).sum()) == 160 * sum(not one.key for one in sent)
    assert receiver.concealed_samples == receiver.buffer.late == receiver.buffer.discarded == 0
    assert receiver.buffer.reception.jitter_ms == pytest.approx(0, abs=0.1)


def test_what_is_lost_after_a_key_is_concealed_as_ever() -> None:
    phone = Phone().talk(1000).press("5")
    at = len(phone.talk(1000).sent)
    sent = phone.sent[: at - 20] + phone.sent[at - 18 :]
    receiver = Receiver(AGREED)
    hear(receiver, sent)
    assert receiver.concealed_samples == 320
    assert receiver.buffer.lost == 2


def test_a_peer_that_falls_silent_with_a_key_down_is_concealed_in_the_end() -> None:
    phone = Phone(ends=0, pause_ms=0).talk(1000).press("5")
    receiver = Receiver(AGREED)
    hear(receiver, phone.sent, rest_ms=4000)
    assert 8000 < receiver.concealed_samples < 3 * 8000


def test_comfort_noise_goes_on_between_keys() -> None:
    phone = Phone(silent=True).talk(1000)
    phone._send(13, b"\x46", phone.timestamp, key=False)
    receiver = Receiver(AGREED)
    heard = hear(receiver, phone.talk(200).press(PIN).sent)
    assert keys(heard) == PIN
    assert receiver.concealed_samples == 0


# ── events that were not agreed ──


@pytest.mark.parametrize("stamps", ["right", "rising", "end", "apart", "same"])
@pytest.mark.parametrize("payload_type", [96, 100, 101, 107, 121, 127])
@pytest.mark.parametrize("agreed", [NO_EVENTS, replace(AGREED, dtmf_payload_type=105)], ids=["none", "another"])
def test_events_that_were_not_agreed_are_keys(stamps: str, payload_type: int, agreed: Agreed) -> None:
    """107 is Opus in our offers, which was not agreed either."""
    receiver = Receiver(agreed)
    heard = hear(receiver, calling(stamps=stamps, payload_type=payload_type))
    assert keys(heard) == PIN
    assert [one for one in heard if isinstance(one, UnagreedEventType)] == [UnagreedEventType(payload_type)]
    assert receiver.keys.unagreed_type == payload_type
    assert receiver.malformed == receiver.buffer.lost == 0


@pytest.mark.parametrize("way", ["rfc4733", "info"])
def test_events_that_were_not_agreed_are_keys_on_trunks_of_other_ways(way: Any) -> None:
    assert keys(hear(Receiver(NO_EVENTS, None, Terms(keys=way)), calling())) == PIN


def test_a_trunk_of_tones_presses_no_key_by_events() -> None:
    assert keys(hear(Receiver(NO_EVENTS, None, Terms(keys="inband")), calling())) == ""


@pytest.mark.parametrize("payload_type", [101, 107])
def test_random_bytes_press_no_key(payload_type: int) -> None:
    dice = random.Random(5)
    phone = Phone().talk(1000)
    for _ in range(5000):
        phone._send(payload_type, dice.randbytes(4), phone.timestamp)
        phone.pass_time()
    receiver = Receiver(NO_EVENTS)
    heard = hear(receiver, phone.sent)
    assert keys(heard) == ""
    assert receiver.keys.unagreed_type is None


@pytest.mark.parametrize("lead_ms", [0, 40, 60, 100])
@pytest.mark.parametrize("beside", [True, False], ids=["tones go on", "tones stop"])
def test_a_press_that_comes_as_tone_and_as_events_counts_once(lead_ms: int, beside: bool) -> None:
    """A gateway lets the beginning of the tone through, or all of it."""
    phone = Phone(beside=beside, pause_ms=0).talk(1000)
    for key in "4421":
        tone = encode(np.concatenate((tones(key)[:800], tones(key)[:800])), "PCMU")
        begin = len(phone.sent)
        phone.talk(lead_ms).press(key)
        audio = [at for at in range(begin, len(phone.sent)) if not phone.sent[at].key]
        for place, at in enumerate(audio):
            one = phone.sent[at]
            piece = tone[place * 160 : place * 160 + 160].ljust(160, b"\xff")
            phone.sent[at] = replace(one, packet=one.packet._replace(payload=piece))
        phone.talk(200)
    assert keys(hear(Receiver(NO_EVENTS), phone.sent)) == "4421"


def test_tones_are_listened_for_again_when_no_events_come_any_more() -> None:
    """The caller was put through to another phone."""
    phone = Phone().talk(1000).press("12").talk(1500)
    tone = encode(tones("34"), "PCMU")
    begin = len(phone.sent)
    for place, one in enumerate(phone.talk(400).sent[begin:]):
        piece = tone[place * 160 : place * 160 + 160].ljust(160, b"\xff")
        phone.sent[begin + place] = replace(one, packet=one.packet._replace(payload=piece))
    assert keys(hear(Receiver(NO_EVENTS), phone.sent)) == "1234"


def test_the_first_key_is_not_lost_with_its_first_packets() -> None:
    for lost in range(1, 6):
        phone = Phone().talk(1000)
        begin = len(phone.sent)
        phone.press("7")
        assert keys(hear(Receiver(NO_EVENTS), phone.sent[:begin] + phone.sent[begin + lost :])) == "7", lost


def test_a_codec_at_its_lowest_is_heard_where_it_was_agreed() -> None:
    agreed = Agreed(CALLER, "opus", 101, None, "sendrecv", 20, own_payload_type=107)
    receiver = Receiver(agreed, rate_hz=16_000)
    packets = [RtpPacket(False, 101, at, 960 * at, 1, payload("1", 160 * (at + 1))) for at in range(5)]
    hear(receiver, [Sent(20.0 * at, packet) for at, packet in enumerate(packets)])
    assert receiver.keys.unagreed_type is None
    assert receiver.codec == "opus"
    assert FORMATS["opus"].clock_hz == receiver.buffer.clock_hz
