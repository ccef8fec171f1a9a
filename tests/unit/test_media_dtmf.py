"""Key presses as we send them: events, or tones."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from telephony.media.dtmf import DtmfSender, tones


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
