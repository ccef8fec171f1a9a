"""From hostile datagrams to the caller's audio and keys."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from telephony.call_policy import Terms
from telephony.media.codecs import FORMATS, Codec, encode
from telephony.media.dtmf import tones
from telephony.media.encoders import make_encoder
from telephony.media.receiver import Receiver
from telephony.media.rtp import pack
from telephony.sdp.agreement import Agreed

CALLER = ("192.0.2.1", 4000)
STRANGER = ("198.51.100.66", 9999)
AGREED = Agreed(CALLER, "PCMU", 0, 101, "sendrecv", 20)
TALK = bytes([0x90]) * 160  # µ-law, loud
LOUD = 15996


def talk(index: int, payload_type: int = 0, payload: bytes = TALK, ssrc: int = 1) -> bytes:
    return pack(False, payload_type, index & 0xFFFF, index * 160 & 0xFFFFFFFF, ssrc, payload)


def blocks(receiver: Receiver, now_ms: float) -> list[np.ndarray]:
    return [block for block in receiver.take(now_ms) if not isinstance(block, str)]


def test_the_callers_audio_is_decoded_by_its_payload_type() -> None:
    receiver = Receiver(AGREED)
    receiver.datagram(talk(0), CALLER, 0)
    receiver.datagram(talk(1, 8, bytes([0x2A]) * 160), CALLER, 20)
    loud, other = blocks(receiver, 20)
    assert set(loud.tolist()) == {LOUD}
    assert set(other.tolist()) == {-32256}


def test_ten_thousand_packets_of_a_stranger_have_no_effect() -> None:
    """Acceptance 14."""
    receiver = Receiver(AGREED)
    receiver.datagram(talk(0), CALLER, 0)
    blocks(receiver, 0)
    heard = []
    for index in range(10_000):
        receiver.datagram(talk(index + 1), STRANGER, 0.002 * index)
        heard += blocks(receiver, 0.002 * index)
    assert heard == []
    assert receiver.wrong_source == 10_000
    assert receiver.lock.target == CALLER
    receiver.datagram(talk(1), CALLER, 20)
    assert len(blocks(receiver, 20)) == 1


def test_keys_come_once_and_in_order_with_audio_around_them() -> None:
    receiver = Receiver(AGREED)
    heard: list[object] = []
    sequence = 0
    for key in (4, 7, 1):
        for payload_type, payload in [(0, TALK)] * 3 + [(101, struct.pack("!BBH", key, 10, 160))] * 5:
            time = sequence * 160 if payload_type == 0 else 1_000_000 + key
            receiver.datagram(pack(False, payload_type, sequence, time, 1, payload), CALLER, 20.0 * sequence)
            heard += receiver.take(20.0 * sequence)
            sequence += 1
    assert [one for one in heard if isinstance(one, str)] == ["4", "7", "1"]


def test_a_lost_packet_is_concealed_by_the_one_before() -> None:
    receiver = Receiver(AGREED)
    for index in (0, 1, 2, 4, 5, 6):
        receiver.datagram(talk(index), CALLER, 20.0 * index)
    heard = blocks(receiver, 160)
    assert [len(block) for block in heard] == [160] * 7
    assert 0.6 * LOUD < heard[3].min() <= heard[3].max() <= LOUD
    assert receiver.concealed_samples == 160


def test_comfort_noise_is_heard_at_the_level_that_the_peer_names() -> None:
    receiver = Receiver(AGREED)
    receiver.datagram(talk(0), CALLER, 0)
    receiver.datagram(talk(1, 13, b"\x40"), CALLER, 20)
    heard = np.concatenate(blocks(receiver, 400))
    assert set(heard[:160].tolist()) == {LOUD}
    assert len(heard) > 15 * 160
    noise = heard[160:].astype(float)
    assert 20 * np.log10(noise.std() / 32768) == pytest.approx(-64, abs=1)
    assert receiver.concealed_samples == 0


def test_a_hold_lets_nothing_through_and_a_new_address_is_learned_anew() -> None:
    receiver = Receiver(AGREED)
    receiver.datagram(talk(0), CALLER, 0)
    assert len(blocks(receiver, 0)) == 1
    receiver.agree(Agreed(CALLER, "PCMU", 0, 101, "inactive", 20))
    receiver.datagram(talk(1), CALLER, 20)
    assert blocks(receiver, 500) == []
    moved = ("192.0.2.2", 5000)
    receiver.agree(Agreed(moved, "PCMU", 0, 101, "sendrecv", 20))
    receiver.datagram(talk(50), moved, 1000)
    assert len(blocks(receiver, 1000)) > 0
    receiver.datagram(talk(51), CALLER, 1020)
    assert receiver.wrong_source == 1


def test_other_payload_types_are_counted_and_dropped() -> None:
    receiver = Receiver(AGREED)
    for index, payload_type in enumerate((3, 10, 18, 72, 96, 127)):
        receiver.datagram(talk(index, payload_type), CALLER, 0)
    assert blocks(receiver, 0) == []
    assert receiver.malformed == 6
    assert receiver.lock.locked is None


@pytest.mark.parametrize("codec", ["PCMU", "G722", "opus"])
def test_ten_thousand_mutated_packets_do_not_end_the_call(codec: Codec) -> None:
    """Acceptance 4: nothing is raised, and the caller is heard as before afterwards."""
    dice = random.Random(4)
    # Without events, so that the detector hears all of it, too.
    receiver = Receiver(Agreed(CALLER, codec, FORMATS[codec].payload_type, None, "sendrecv", 20), rate_hz=8000)
    originals = [
        talk(0),
        talk(1, 8),
        talk(2, 101, b"\x05\x8a\x03\x20"),
        b"\x80\xc8\x00\x06" + bytes(24),
        talk(3, 13, b"@"),
        *(talk(4 + index, 9, payload) for index, payload in enumerate(wide("G722", 3))),
        *(talk(7 + index, 107, payload) for index, payload in enumerate(wide("opus", 3))),
    ]
    now_ms = 0.0
    for round_ in range(10_000):
        data = bytearray(dice.choice(originals))
        data[2:4] = struct.pack("!H", round_ & 0xFFFF)
        for _ in range(dice.randint(1, 4)):
            match dice.randrange(3):
                case 0:
                    data[dice.randrange(min(len(data), 16))] = dice.randrange(256)
                case 1:
                    del data[dice.randrange(1, len(data) + 1) :]
                case _:
                    data += dice.randbytes(dice.randrange(64))
            data = data or bytearray(b"\x80")
        now_ms += 2
        receiver.datagram(bytes(data), CALLER, now_ms)
        for heard in receiver.take(now_ms):
            assert isinstance(heard, str) or len(heard) <= 8000
    heard_again = 0
    for index in range(50):
        now_ms += 20
        receiver.datagram(talk(30_000 + index, ssrc=77), CALLER, now_ms)
        heard_again += sum(int((block == LOUD).sum()) for block in blocks(receiver, now_ms))
    assert heard_again >= 45 * 160


# ── codecs, keys in the sound, silence ──


def wide(codec: Codec, count: int, hertz: float = 300, ptime_ms: int = 20) -> list[bytes]:
    """Payloads of a tone."""
    rate_hz = FORMATS[codec].rate_hz
    time_s = np.arange(rate_hz * ptime_ms * count // 1000) / rate_hz
    pcm = (np.sin(2 * np.pi * hertz * time_s) * 8000).astype(np.int16)
    encoder, size = make_encoder(codec), rate_hz * ptime_ms // 1000
    pieces = [pcm[start : start + size] for start in range(0, len(pcm), size)]
    return [encode(piece, codec) if encoder is None else encoder.encode(piece) for piece in pieces]


def pitch(pcm: np.ndarray, rate_hz: int) -> float:
    return float(np.abs(np.fft.rfft(pcm.astype(float))).argmax() * rate_hz / len(pcm))


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
def test_every_codec_is_heard_at_the_rate_of_the_leg(codec: Codec, rate_hz: int) -> None:
    form = FORMATS[codec]
    receiver = Receiver(Agreed(CALLER, codec, form.payload_type, 101, "sendrecv", 20), rate_hz=rate_hz)
    heard = []
    for index, payload in enumerate(wide(codec, 50)):
        packet = pack(False, form.payload_type, index, index * form.clock_hz // 50, 1, payload)
        receiver.datagram(packet, CALLER, 20.0 * index)
        heard += blocks(receiver, 20.0 * index)
    assert [len(block) for block in heard] == [rate_hz // 50] * 50
    assert pitch(np.concatenate(heard)[rate_hz // 2 :], rate_hz) == pytest.approx(300, abs=2)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
def test_a_loss_is_concealed_in_every_codec(codec: Codec) -> None:
    """A tone goes on as a tone: no silence where 20 ms are missing. (libopus itself takes Opus back to a fifth.)"""
    form = FORMATS[codec]
    receiver = Receiver(Agreed(CALLER, codec, form.payload_type, 101, "sendrecv", 20))
    heard = []
    for index, payload in enumerate(wide(codec, 60)):
        if index not in (30, 45):
            packet = pack(False, form.payload_type, index, index * form.clock_hz // 50, 1, payload)
            receiver.datagram(packet, CALLER, 20.0 * index)
        heard += blocks(receiver, 20.0 * index)
    size = form.rate_hz // 50
    assert [len(block) for block in heard[20:]] == [size] * len(heard[20:])
    loudness = [float(block.std()) for block in heard[20:]]
    assert min(loudness) > (0.05 if codec == "opus" else 0.6) * 8000 / 2**0.5
    assert receiver.concealed_samples == 2 * size


def test_another_codec_and_packet_length_in_mid_call_is_heard_at_once() -> None:
    receiver = Receiver(Agreed(CALLER, "G722", 9, 101, "sendrecv", 20))
    heard, time, sequence, now_ms = [], 0, 0, 0.0
    stretches: tuple[tuple[Codec, int], ...] = (("G722", 20), ("PCMA", 60), ("G722", 10), ("PCMU", 30))
    for codec, ptime_ms in stretches:
        form = FORMATS[codec]
        for payload in wide(codec, 600 // ptime_ms, ptime_ms=ptime_ms):
            receiver.datagram(pack(False, form.payload_type, sequence, time, 1, payload), CALLER, now_ms)
            heard += blocks(receiver, now_ms)
            sequence, time, now_ms = sequence + 1, time + ptime_ms * 8, now_ms + ptime_ms
    out = np.concatenate(heard)
    assert len(out) == 4 * 600 * 16
    assert pitch(out, 16000) == pytest.approx(300, abs=2)
    assert receiver.concealed_samples == 0


def test_keys_are_listened_for_only_where_no_events_can_come() -> None:
    """So none counts twice."""
    pcm = np.concatenate((np.zeros(400, np.int16), tones("42#")))
    payloads = [encode(pcm[start : start + 160], "PCMU") for start in range(0, len(pcm), 160)]

    def keys(events: int | None, terms: Terms) -> str:
        receiver = Receiver(Agreed(CALLER, "PCMU", 0, events, "sendrecv", 20), None, terms)
        heard: list[object] = []
        for index, payload in enumerate(payloads):
            receiver.datagram(talk(index, payload=payload), CALLER, 20.0 * index)
            heard += receiver.take(20.0 * index)
        count = len(payloads)
        receiver.datagram(pack(True, 101, count, count * 160, 1, b"\x07\x0a\x00\xa0"), CALLER, 20.0 * count)
        heard += receiver.take(20.0 * count)
        return "".join(one for one in heard if isinstance(one, str))

    assert keys(None, Terms()) == "42#"
    assert keys(101, Terms()) == "7"
    assert keys(101, Terms(keys="inband")) == "42#"
    assert keys(None, Terms(keys="info")) == ""
    assert keys(101, Terms(keys="rfc4733")) == "7"


def test_comfort_noise_as_loud_as_speech_is_not_believed() -> None:
    receiver = Receiver(AGREED)
    receiver.datagram(talk(0), CALLER, 0)
    receiver.datagram(talk(1, 13, b"\x00"), CALLER, 20)
    heard = np.concatenate(blocks(receiver, 400))[160:]
    assert 20 * np.log10(heard.astype(float).std() / 32768) < -29


def test_after_comfort_noise_speech_is_heard_again_without_seam() -> None:
    receiver = Receiver(AGREED)
    for index in range(5):
        receiver.datagram(talk(index), CALLER, 20.0 * index)
    receiver.datagram(pack(False, 13, 5, 5 * 160, 1, b"\x46"), CALLER, 100)
    heard = blocks(receiver, 100)
    for now_ms in range(120, 1000, 20):
        heard += blocks(receiver, now_ms)
    for index in range(50, 60):
        receiver.datagram(pack(index == 50, 0, index - 44, index * 160, 1, TALK), CALLER, 20.0 * index)
        heard += blocks(receiver, 20.0 * index)
    out = np.concatenate(heard)
    assert len(out) == 60 * 160
    assert int((out == LOUD).sum()) == 15 * 160
    assert receiver.buffer.lost == 0


def bad_line(dice: random.Random) -> list[tuple[float, bytes]]:
    """A thousand packets with everything a network and a phone do to them, by time of arrival."""
    sent: list[tuple[float, bytes]] = []
    sequence, timestamp, ssrc, now_ms, ptime_ms = 65_400, 0xFFFFFFFF - 9000, 1, 0.0, 20
    for _ in range(1000):
        now_ms += ptime_ms
        if dice.random() < 0.01:
            ptime_ms = dice.choice((10, 20, 30))
        if dice.random() < 0.005:
            timestamp += dice.choice((800, 5000, 90_000, -700))
        if dice.random() < 0.003:
            ssrc, sequence, timestamp = ssrc + 1, dice.randrange(65_536), dice.randrange(1 << 32)
        sequence, timestamp = (sequence + 1) & 0xFFFF, (timestamp + 8 * ptime_ms) & 0xFFFFFFFF
        kind = dice.random()
        if kind < 0.02:
            continue
        if kind < 0.03:
            now_ms += dice.choice((60, 400, 2000))
        payload = bytes(dice.choices(range(256), k=8 * ptime_ms))
        payload_type = 0 if dice.random() < 0.97 else dice.choice((8, 13, 101))
        late_ms = dice.choice((0, 0, 0, 3, 12, 45)) if kind < 0.3 else 0
        datagram = pack(dice.random() < 0.01, payload_type, sequence, timestamp, ssrc, payload)
        sent += [(now_ms + late_ms, datagram)] * (2 if kind > 0.99 else 1)
    return sorted(sent, key=lambda one: one[0])


@pytest.mark.parametrize("seed", range(4))
def test_the_short_way_through_the_buffer_is_heard_as_the_long_one(seed: int) -> None:
    """Audio that comes in order is played without `put` and `take`: nobody may notice."""
    short, long = Receiver(AGREED), Receiver(AGREED)
    short._noise._at = long._noise._at
    passed = 0
    pass_on = short.buffer.pass_on

    def counted(*words: int | float) -> bool:
        nonlocal passed
        went = pass_on(*words)  # type: ignore[arg-type]
        passed += went
        return went

    short.buffer.pass_on = counted  # type: ignore[method-assign,assignment]
    long.buffer.pass_on = lambda *_: False  # type: ignore[method-assign]
    reception = bad_line(random.Random(seed))
    now_ms, end_ms = 0.0, reception[-1][0] + 1000
    while now_ms < end_ms:
        while reception and reception[0][0] <= now_ms:
            _, datagram = reception.pop(0)
            assert short.datagram(datagram, CALLER, now_ms) == long.datagram(datagram, CALLER, now_ms)
        first, second = short.take(now_ms), long.take(now_ms)
        assert [str(one) if isinstance(one, str) else one.tobytes() for one in first] == [
            str(one) if isinstance(one, str) else one.tobytes() for one in second
        ]
        now_ms += 5
    for name in ("received", "lost", "late", "discarded", "duplicates", "reordered", "bursts", "longest_burst"):
        assert getattr(short.buffer, name) == getattr(long.buffer, name), name
    assert vars(short.buffer.reception) == vars(long.buffer.reception)
    assert short.concealed_samples == long.concealed_samples > 0
    assert passed > 500
