"""Key presses: one each, whatever the network does to their packets."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from telephony.media.dtmf import KEYS, DtmfReceiver, DtmfSender, tones


def event(key: str, duration: int, end: bool = False) -> bytes:
    return struct.pack("!BBH", KEYS.index(key), 0x8A if end else 0x0A, duration)


def press(key: str, timestamp: int, updates: int = 5) -> list[tuple[int, bytes]]:
    packets = [(timestamp, event(key, 160 * (index + 1))) for index in range(updates)]
    return packets + [(timestamp, event(key, 160 * updates, end=True))] * 3


def keys_of(packets: list[tuple[int, bytes]]) -> str:
    receiver = DtmfReceiver()
    return "".join(key for packet in packets if (key := receiver.packet(*packet)))


def test_one_press_of_many_packets_is_one_key() -> None:
    assert keys_of(press("5", 1000)) == "5"


def test_the_same_key_twice_is_two_keys() -> None:
    assert keys_of(press("5", 1000) + press("5", 3000)) == "55"


def test_all_keys_come_through_in_order() -> None:
    assert keys_of([packet for index, key in enumerate(KEYS) for packet in press(key, 2000 * index)]) == KEYS


def test_lost_packets_lose_no_key_and_double_none() -> None:
    """Any loss that leaves one packet of each press leaves each key once."""
    dice = random.Random(4733)
    for _ in range(200):
        kept = []
        for index, key in enumerate("471102"):
            packets = press(key, 4_294_960_000 + 2000 * index & 0xFFFFFFFF)
            chosen = sorted(dice.sample(range(len(packets)), dice.randint(1, len(packets))))
            kept += [packets[at] for at in chosen]
        assert keys_of(kept) == "471102"


def test_wrong_durations_do_not_matter() -> None:
    packets = [(1000, event("9", duration)) for duration in (65535, 0, 3, 0)]
    assert keys_of([*packets, (1000, event("9", 0, end=True)), *press("9", 1160)]) == "99"


def test_a_packet_of_an_earlier_press_is_not_a_new_one() -> None:
    late = press("1", 1000)[2]
    assert keys_of([*press("1", 1000), *press("2", 3000)[:2], late, *press("2", 3000)[2:]]) == "12"


def test_a_press_longer_than_its_duration_field_stays_one_key() -> None:
    """RFC 4733 §2.5.1.3: it goes on as a segment with a new timestamp."""
    segments = [(0, event("7", 0xFFFF)), (0xFFFF, event("7", 160)), (0xFFFF, event("7", 320, end=True))]
    assert keys_of(segments) == "7"


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff" * 4])
def test_what_is_no_key_is_ignored(payload: bytes) -> None:
    assert DtmfReceiver().packet(1000, payload) is None


def test_a_sent_key_is_100_ms_with_three_ends() -> None:
    sender = DtmfSender()
    sender.press("#")
    slots = []
    while sender:
        slots.append(sender.next())
    packets = [slot for slot in slots if slot is not None]
    fields = [struct.unpack("!BBH", slot.payload) for slot in packets]
    assert [slot.marker for slot in packets] == [True] + [False] * 6
    assert [slot.offset_units for slot in packets] == [160 * index for index in range(7)]
    assert {code for code, _, _ in fields} == {11}
    assert [duration for _, _, duration in fields] == [160, 320, 480, 640, 800, 800, 800]
    assert [bool(flags & 0x80) for _, flags, _ in fields] == [False] * 4 + [True] * 3
    assert len(slots) - len(packets) == 4


@pytest.mark.parametrize(("ptime_ms", "clock_hz"), [(10, 8000), (20, 48000), (30, 8000)])
def test_a_key_is_about_100_ms_whatever_the_packets(ptime_ms: int, clock_hz: int) -> None:
    sender = DtmfSender()
    sender.press("7")
    slots = []
    while sender:
        slots.append(sender.next(ptime_ms, clock_hz))
    packets = [slot for slot in slots if slot is not None]
    fields = [struct.unpack("!BBH", slot.payload) for slot in packets]
    assert [bool(flags & 0x80) for _, flags, _ in fields[-4:]] == [False, True, True, True]
    assert 100 <= fields[-1][2] * 1000 / clock_hz <= 120
    assert (len(slots) - len(packets)) * ptime_ms >= 80
    assert [slot.offset_units for slot in packets] == [
        index * ptime_ms * clock_hz // 1000 for index in range(len(packets))
    ]


@pytest.mark.parametrize("keys", ["x", "1 2", "E", "①"])
def test_characters_that_are_on_no_keypad_are_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="keys"):
        DtmfSender().press(keys)


@pytest.mark.parametrize(
    ("key", "hertz"), [("1", (697, 1209)), ("#", (941, 1477)), ("D", (941, 1633)), ("5", (770, 1336))]
)
def test_tones_have_the_two_frequencies_of_the_key(key: str, hertz: tuple[int, int]) -> None:
    pcm = tones(key)
    assert len(pcm) == 800 + 640
    spectrum = np.abs(np.fft.rfft(pcm[:800], 8000))
    low, high = int(spectrum[:1050].argmax()), 1050 + int(spectrum[1050:].argmax())
    assert abs(low - hertz[0]) <= 5
    assert abs(high - hertz[1]) <= 5
