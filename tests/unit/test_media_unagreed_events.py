"""Telephone events that nobody agreed on are told from whatever else has four bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import pytest

from telephony.media.rtp import RtpPacket
from telephony.media.unagreed_events import UnagreedEvents
from tests.unit.key_packets import Phone, Sent, events, payload


def learned_at(sent: Iterable[Sent]) -> int | None:
    """Which packet was the first that was taken for an event."""
    unagreed = UnagreedEvents()
    for place, one in enumerate(sent):
        packet = one.packet
        if unagreed.is_like_event(packet.payload_type, packet.payload) and unagreed.learn(packet, one.at_ms):
            return place
    return None


@pytest.mark.parametrize(
    ("phone", "at"),
    [
        ({}, 2),
        ({"payload_type": 96}, 2),
        ({"payload_type": 127}, 2),
        ({"payload_type": 121}, 2),
        ({"marker": False}, 2),
        ({"level": 0}, 2),
        ({"level": 63}, 2),
        ({"beside": True}, 2),
        ({"ptime_ms": 50}, 2),
        ({"clock_hz": 48_000}, 2),
        ({"sequence": 65_535, "timestamp": 0xFFFFFFFF}, 2),
        ({"updates": 0}, 2),
        ({"updates": 1}, 2),
        ({"stamps": "end"}, 2),
        ({"stamps": "apart"}, 2),
        ({"stamps": "same"}, 2),
        ({"stamps": "rising"}, 5),
        ({"stamps": "rising", "updates": 2, "ends": 1}, 2),
    ],
)
def test_a_phones_events_are_known_by_three_packets(phone: dict[str, Any], at: int) -> None:
    assert learned_at(events(Phone(**phone).press("8").sent)) == at


def test_the_first_packet_may_say_that_nothing_has_passed_yet() -> None:
    """As sipp's recordings do; there time runs twice as fast, too."""
    durations = (0, 320, 640, 960)
    sent = [Sent(20.0 * at, RtpPacket(at == 0, 101, at, 7, 1, payload("1", one))) for at, one in enumerate(durations)]
    assert learned_at(sent) == 3


def test_a_reserved_bit_that_flickers_is_no_matter() -> None:
    """As sipp's own keys have it (RFC 4733 section 2.3.3: receivers ignore it)."""
    sent = [
        Sent(20.0 * at, RtpPacket(False, 96, at, 7, 1, payload("8", 160 * at, reserved=at % 3 == 2)))
        for at in range(1, 8)
    ]
    assert learned_at(sent) == 2


def test_a_press_of_which_packets_are_lost_is_known_by_any_three_that_are_left() -> None:
    whole = events(Phone().press("4").sent)
    for left in combinations(whole, 3):
        assert learned_at(left) == 2, left


def test_what_is_known_of_one_payload_type_says_nothing_of_another() -> None:
    unagreed = UnagreedEvents()
    for one in events(Phone().press("4").sent):
        unagreed.learn(one.packet, one.at_ms)
    assert unagreed.types == {101}
    assert not unagreed.learn(RtpPacket(False, 102, 9, 9, 1, payload("4", 160)), 200.0)


# ── what is no key ──

Payload = Callable[[int, random.Random], bytes]
STRANGERS: dict[str, Payload] = {
    "random": lambda at, dice: dice.randbytes(4),
    "random, like an event each": lambda at, dice: struct.pack(
        "!BBH", dice.randrange(16), dice.randrange(64) | dice.randrange(2) << 7, dice.randrange(65536)
    ),
    "nothing but zeros (no-op, filling)": lambda at, dice: bytes(4),
    "always the same": lambda at, dice: b"\x05\x0a\x03\x20",
    "always the same, with the end bit": lambda at, dice: b"\x05\x8a\x03\x20",
    "a counter": lambda at, dice: struct.pack("!I", at & 0xFFFFFFFF),
    "a counter of samples": lambda at, dice: struct.pack("!I", at * 160),
    "a clock in milliseconds": lambda at, dice: struct.pack("!I", 0x01234567 + 20 * at),
    "a counter from the other end": lambda at, dice: struct.pack("<I", at),
    "a sample, four times": lambda at, dice: bytes((at * 7 % 256,)) * 4,
    "text (T.140)": lambda at, dice: bytes(dice.choices(b"abcdefgh \r\n0123", k=4)),
    "a sparse codec": lambda at, dice: bytes((8, *dice.choices((0, 0, 0, 1, 128), k=3))),
    "silence of a speech codec": lambda at, dice: b"\x0c\x80\x00" + bytes((at % 4,)),
    "Opus at its lowest": lambda at, dice: b"\x08" + dice.randbytes(3),
    "two floats": lambda at, dice: struct.pack("!ee", dice.random(), dice.random()),
}


PACES = [(stranger, stand) for stranger in STRANGERS for stand in (False, True)]
PACES.remove(("always the same, with the end bit", True))  # copies of an end are just that


@pytest.mark.parametrize(("stranger", "stand"), PACES)
def test_a_codec_with_packets_of_four_bytes_presses_no_key(stranger: str, stand: bool) -> None:
    """A quarter of an hour of it, with a timestamp for each packet, or one for two."""
    dice = random.Random(4)
    make = STRANGERS[stranger]
    sent = (
        Sent(20.0 * at, RtpPacket(False, 101, at & 0xFFFF, 160 * (at // 2 * 2 if stand else at), 1, make(at, dice)))
        for at in range(45_000)
    )
    assert learned_at(sent) is None


ODD: dict[str, Sent] = {
    "of another payload type": Sent(40.0, RtpPacket(False, 100, 9, 1000, 1, payload("5", 480))),
    "of another source": Sent(40.0, RtpPacket(False, 101, 9, 1000, 2, payload("5", 480))),
    "the network's copy": Sent(40.0, RtpPacket(False, 101, 8, 1000, 1, payload("5", 480))),
    "far off in number": Sent(40.0, RtpPacket(False, 101, 200, 1000, 1, payload("5", 480))),
    "much later": Sent(600.0, RtpPacket(False, 101, 9, 1000, 1, payload("5", 480))),
    "of another level": Sent(40.0, RtpPacket(False, 101, 9, 1000, 1, payload("5", 480, level=11))),
    "of another key": Sent(40.0, RtpPacket(False, 101, 9, 1000, 1, payload("6", 480))),
    "grown too fast": Sent(40.0, RtpPacket(False, 101, 9, 1000, 1, payload("5", 20_000))),
    "not grown": Sent(40.0, RtpPacket(False, 101, 9, 1000, 1, payload("5", 320))),
    "shorter": Sent(40.0, RtpPacket(False, 101, 9, 1000, 1, payload("5", 160, end=True))),
    "of another time": Sent(40.0, RtpPacket(False, 101, 9, 1160, 1, payload("5", 480))),
}


@pytest.mark.parametrize("third", ODD)
def test_packets_that_are_not_of_one_press_prove_nothing(third: str) -> None:
    first = Sent(0.0, RtpPacket(True, 101, 7, 1000, 1, payload("5", 160)))
    second = Sent(20.0, RtpPacket(False, 101, 8, 1000, 1, payload("5", 320)))
    assert learned_at([first, second, Sent(40.0, RtpPacket(False, 101, 9, 1000, 1, payload("5", 480)))]) == 2
    assert learned_at([first, second, ODD[third]]) is None


@pytest.mark.parametrize("payload_type", [0, 8, 13, 34, 72, 95])
def test_static_payload_types_have_another_meaning(payload_type: int) -> None:
    assert learned_at(events(Phone(payload_type=payload_type).press("12").sent)) is None


@pytest.mark.parametrize("words", [b"", b"\x05\x0a\x00", b"\x05\x0a\x00\xa0\x00", b"\x10\x0a\x00\xa0"])
def test_an_event_is_four_bytes_with_a_key(words: bytes) -> None:
    assert not UnagreedEvents().is_like_event(101, words)
