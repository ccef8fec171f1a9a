"""From hostile datagrams to the caller's audio and keys."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from telephony.agreement import Agreed
from telephony.receiver import Receiver
from telephony.rtp import pack

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


def test_ten_thousand_mutated_packets_do_not_end_the_call() -> None:
    """Acceptance 4: nothing is raised, and the caller is heard as before afterwards."""
    dice = random.Random(4)
    receiver = Receiver(AGREED)
    originals = [
        talk(0),
        talk(1, 8),
        talk(2, 101, b"\x05\x8a\x03\x20"),
        b"\x80\xc8\x00\x06" + bytes(24),
        talk(3, 13, b"@"),
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
