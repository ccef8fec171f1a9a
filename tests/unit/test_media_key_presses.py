"""One key for each press, however the phone stamps, ends and numbers it, and whatever the network does to that."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from telephony.media.dtmf import KEYS
from telephony.media.key_presses import MAX_BLOCKS, OVERTAKEN_MS, RULES, Comparison, KeyPresses, read_events
from telephony.media.rtp import RtpPacket
from tests.unit.key_packets import Phone, Sent, events, payload, swapped

PIN = "846766"


def keys_of(sent: Iterable[Sent], clock_hz: int = 8000) -> str:
    presses = KeyPresses()
    return "".join(presses.packet(one.packet, one.at_ms, clock_hz) for one in sent)


def pressed(phone: Phone, keys: str = PIN) -> list[Sent]:
    return events(phone.talk(100).press(keys).sent)


# ── the table, row by row ──

SAME = Comparison(grown_ms=0, later_ms=0, since_ms=20, after=1, lasted_ms=100, marker=False)
"""What a repeated packet looks like beside its press."""
OPEN_UPDATE, OPEN_END = (False, False), (False, True)
OVER_UPDATE, OVER_END = (True, False), (True, True)
HERE, ELSEWHERE = True, False
ROWS: list[tuple[tuple[bool, bool], bool, dict[str, Any], bool]] = [
    (OPEN_UPDATE, HERE, {"grown_ms": 20}, True),
    (OPEN_UPDATE, HERE, {"grown_ms": 20, "since_ms": 900, "marker": True}, True),
    (OPEN_UPDATE, HERE, {"grown_ms": 0, "marker": True}, True),
    (OPEN_UPDATE, HERE, {"grown_ms": -80}, True),
    (OPEN_UPDATE, HERE, {"grown_ms": -80, "marker": True}, False),
    (OPEN_UPDATE, HERE, {"grown_ms": -80, "since_ms": 140}, False),
    (OPEN_UPDATE, HERE, {"grown_ms": 0, "since_ms": 250, "after": 12}, False),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 20, "later_ms": 20}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 60, "later_ms": 60, "since_ms": 65, "after": 3, "marker": True}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 60, "later_ms": 7e6, "since_ms": 65, "after": 3}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 20, "later_ms": 7e6, "since_ms": 300}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 20, "later_ms": 180, "since_ms": 200, "after": 10}, False),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": -80, "later_ms": 100}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": -80, "later_ms": 100, "marker": True}, False),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": -80, "later_ms": 160, "since_ms": 80, "after": 4}, False),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": -8000, "later_ms": 8190, "lasted_ms": 8130, "after": 4}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": -80, "later_ms": 80, "since_ms": 80, "after": 4}, False),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 0, "later_ms": 20}, True),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 0, "later_ms": 20, "marker": True}, False),
    (OPEN_UPDATE, ELSEWHERE, {"grown_ms": 0, "later_ms": 320, "since_ms": 320, "after": 2}, False),
    (OPEN_END, HERE, {"grown_ms": 1500, "since_ms": 1500}, True),
    (OPEN_END, HERE, {"grown_ms": -100, "since_ms": 20}, True),
    (OPEN_END, ELSEWHERE, {"later_ms": 100}, True),
    (OPEN_END, ELSEWHERE, {"grown_ms": -100, "later_ms": 7e6, "since_ms": 100, "after": 5}, True),
    (OPEN_END, ELSEWHERE, {"grown_ms": 400, "later_ms": 7e6, "since_ms": 410, "after": 20}, True),
    (OPEN_END, ELSEWHERE, {"later_ms": 250, "since_ms": 250, "after": 13}, False),
    (OVER_UPDATE, HERE, {"grown_ms": 0}, True),
    (OVER_UPDATE, HERE, {"grown_ms": 20}, True),
    (OVER_UPDATE, HERE, {"grown_ms": -80}, False),
    (OVER_UPDATE, HERE, {"grown_ms": 20, "since_ms": 101}, False),
    (OVER_UPDATE, ELSEWHERE, {"grown_ms": 20, "later_ms": 20}, False),
    (OVER_END, HERE, {}, True),
    (OVER_END, HERE, {"since_ms": 100, "after": 6}, True),
    (OVER_END, HERE, {"since_ms": 101, "after": 6}, False),
    (OVER_END, HERE, {"since_ms": 240, "after": 2}, True),
    (OVER_END, HERE, {"since_ms": 260, "after": 1}, False),
    (OVER_END, HERE, {"since_ms": 240, "after": None}, False),
    (OVER_END, HERE, {"grown_ms": -60}, False),
    (OVER_END, ELSEWHERE, {"later_ms": 20}, True),
    (OVER_END, ELSEWHERE, {"later_ms": 7e6, "since_ms": 100, "after": None}, True),
    (OVER_END, ELSEWHERE, {"later_ms": 120, "since_ms": 101, "after": 6}, False),
    (OVER_END, ELSEWHERE, {"grown_ms": 20, "later_ms": 20}, True),
    (OVER_END, ELSEWHERE, {"grown_ms": 60, "later_ms": 400, "since_ms": 95, "after": 9}, False),
    (OVER_END, ELSEWHERE, {"grown_ms": -20, "later_ms": 20}, False),
]  # fmt: skip


@pytest.mark.parametrize(("case", "here", "changes", "same"), ROWS)
def test_a_rule_says_whether_a_packet_goes_on_with_a_press(
    case: tuple[bool, bool], here: bool, changes: dict[str, Any], same: bool
) -> None:
    assert RULES[(*case, here)].holds(SAME._replace(**changes)) is same


def test_every_case_has_a_rule_and_a_sentence() -> None:
    assert len(RULES) == 8
    assert {(*case, here) for case, here, _, _ in ROWS} == set(RULES)
    assert all(rule.words for rule in RULES.values())


# ── phones, one a line ──

PHONES: dict[str, dict[str, Any]] = {
    "by the book": {},
    "each packet with a timestamp of its own (peers#7)": {"stamps": "rising"},
    "the same, marked nowhere": {"stamps": "rising", "marker": False},
    "the same, marked nowhere, never an end": {"stamps": "rising", "marker": False, "ends": 0},
    "the same, one end": {"stamps": "rising", "ends": 1},
    "the same, never an end": {"stamps": "rising", "ends": 0},
    "the same beside audio": {"stamps": "rising", "beside": True},
    "the ends with another timestamp (rtpengine#1929)": {"stamps": "end"},
    "the ends with another timestamp, one update": {"stamps": "end", "updates": 1, "pause_ms": 120},
    "each end with a timestamp of its own (rtpengine#1812)": {"stamps": "apart"},
    "each end apart, every 50 ms": {"stamps": "apart", "ptime_ms": 50, "updates": 3},
    "one timestamp for all keys": {"stamps": "same"},
    "one timestamp for all keys, unmarked": {"stamps": "same", "marker": False},
    "one timestamp for all keys, never an end": {"stamps": "same", "ends": 0, "pause_ms": 120},
    "one timestamp for all keys, unmarked, never an end": {
        "stamps": "same", "marker": False, "ends": 0, "pause_ms": 120,
    },
    "no marker": {"marker": False},
    "no end at all": {"ends": 0},
    "no end at all, no marker": {"ends": 0, "marker": False},
    "one end": {"ends": 1},
    "ends only": {"updates": 0, "pause_ms": 120},
    "ends only, one each": {"updates": 0, "ends": 1, "pause_ms": 140},
    "ends only, one timestamp for all": {"updates": 0, "stamps": "same", "pause_ms": 120},
    "ends only, each apart": {"updates": 0, "stamps": "apart", "pause_ms": 120},
    "ends only, nothing sent in pauses": {"updates": 0, "silent": True, "pause_ms": 300},
    "ends only, one timestamp for all, nothing sent in pauses": {
        "updates": 0, "stamps": "same", "silent": True, "pause_ms": 300,
    },
    "nothing sent in pauses": {"silent": True},
    "audio beside the events": {"beside": True},
    "short presses, short pauses": {"updates": 2, "ends": 1, "pause_ms": 40},
    "quick ones, 60 ms from one to the next": {"updates": 1, "ends": 1, "pause_ms": 20},
    "packets of 10 ms": {"ptime_ms": 10, "updates": 8},
    "packets of 30 ms": {"ptime_ms": 30, "updates": 4},
    "packets of 60 ms": {"ptime_ms": 60, "updates": 3},
    "numbers that wrap in a press": {"sequence": 65_530, "timestamp": 0xFFFFFFFF - 1500},
    "the same, timestamps rising": {"sequence": 65_530, "timestamp": 0xFFFFFFFF - 1500, "stamps": "rising"},
    "the reserved bit set": {"reserved": True},
    "the loudest": {"level": 0},
    "the faintest": {"level": 63},
    "a long press": {"updates": 200},
    "a long press, timestamps rising": {"updates": 200, "stamps": "rising"},
}  # fmt: skip


@pytest.mark.parametrize("phone", PHONES)
def test_every_phone_is_understood(phone: str) -> None:
    assert keys_of(pressed(Phone(**PHONES[phone]))) == PIN


@pytest.mark.parametrize("phone", PHONES)
@pytest.mark.parametrize("every", [2, 3, 7])
def test_packets_that_overtake_one_another_change_nothing(phone: str, every: int) -> None:
    assert keys_of(swapped(pressed(Phone(**PHONES[phone])), every)) == PIN


@pytest.mark.parametrize("phone", PHONES)
def test_packets_that_come_twice_change_nothing(phone: str) -> None:
    twice = [two for one in pressed(Phone(**PHONES[phone])) for two in (one, replace(one, at_ms=one.at_ms + 15))]
    assert keys_of(sorted(twice, key=lambda one: one.at_ms)) == PIN


@pytest.mark.parametrize("clock_hz", [8000, 16_000, 32_000, 48_000])
@pytest.mark.parametrize("stamps", ["right", "rising", "end", "apart", "same"])
def test_the_clock_of_events_may_be_any(clock_hz: int, stamps: str) -> None:
    assert keys_of(pressed(Phone(clock_hz=clock_hz, stamps=stamps)), clock_hz) == PIN


@pytest.mark.parametrize("stamps", ["right", "rising", "end", "apart"])
def test_an_unknown_clock_is_no_matter(stamps: str) -> None:
    """Events of 8000 Hz beside Opus at 48000, and the other way round."""
    assert keys_of(pressed(Phone(clock_hz=48_000, stamps=stamps)), 8000) == PIN
    assert keys_of(pressed(Phone(clock_hz=8000, stamps=stamps)), 48_000) == PIN


def test_all_keys_come_through_in_order() -> None:
    assert keys_of(pressed(Phone(), KEYS)) == KEYS


@pytest.mark.parametrize("stamps", ["right", "rising", "end", "same"])
def test_flash_and_other_codes_are_no_keys_and_end_none(stamps: str) -> None:
    phone = Phone(stamps=stamps)
    phone.press("1").press([16]).press("2").press([64, 255]).press("2")
    assert keys_of(events(phone.sent)) == "122"


def test_comfort_noise_between_packets_is_no_matter() -> None:
    """It only takes sequence numbers."""
    sent = pressed(Phone())
    spread = [replace(one, packet=one.packet._replace(sequence=1000 + 2 * at)) for at, one in enumerate(sent)]
    assert keys_of(spread) == PIN


# ── what a network and boxes on the way do ──


@pytest.mark.parametrize("stamps", ["right", "rising"])
@pytest.mark.parametrize("seed", range(40))
def test_lost_packets_lose_no_key_and_double_none(seed: int, stamps: str) -> None:
    """Any loss that leaves two packets in a row of each press leaves each key once."""
    dice = random.Random(seed)
    phone = Phone(stamps=stamps, pause_ms=120)
    kept: list[Sent] = []
    for key in "47110299":
        begin = len(phone.sent)
        packets = events(phone.press(key).sent[begin:])
        at = dice.randrange(len(packets) - 1)
        kept += [one for place, one in enumerate(packets) if place in (at, at + 1) or dice.random() < 0.3]
    assert keys_of(kept) == "47110299"


@pytest.mark.parametrize("seed", range(200))
def test_one_packet_of_each_press_is_enough(seed: int) -> None:
    """Where timestamps are right, any loss that leaves one packet of each press leaves each key once."""
    dice = random.Random(4733 + seed)
    phone = Phone(timestamp=4_294_960_000, pause_ms=120)
    kept: list[Sent] = []
    for key in "471102":
        begin = len(phone.sent)
        packets = events(phone.press(key).sent[begin:])
        kept += [packets[at] for at in sorted(dice.sample(range(len(packets)), dice.randint(1, len(packets))))]
    assert keys_of(kept) == "471102"


@pytest.mark.parametrize("stamps", ["right", "end", "apart", "rising"])
@pytest.mark.parametrize("pause_ms", [40, 60, 100, 500])
def test_the_same_key_again_is_a_press_of_its_own_when_all_ends_are_lost(stamps: str, pause_ms: int) -> None:
    sent = pressed(Phone(stamps=stamps, pause_ms=pause_ms), "555")
    assert keys_of(one for one in sent if not one.packet.payload[1] & 0x80) == "555"


def test_all_ends_lost_with_one_timestamp_for_all_keys() -> None:
    for marker in (True, False):
        sent = pressed(Phone(stamps="same", marker=marker), "5566")
        assert keys_of(one for one in sent if not one.packet.payload[1] & 0x80) == "5566"


def test_a_network_that_stands_still_in_a_press_doubles_no_key() -> None:
    """Then all comes at once."""
    sent = pressed(Phone(), "77")
    for begin in range(len(sent)):
        for ms in (120, 220):
            held_ms = sent[begin].at_ms + ms
            late = [one if at < begin else replace(one, at_ms=max(one.at_ms, held_ms)) for at, one in enumerate(sent)]
            assert keys_of(late) == "77", (begin, ms)


def test_a_straggler_never_begins_a_press() -> None:
    one, two, three = (Phone(timestamp=2560 * at, sequence=16 * at, at_ms=320.0 * at) for at in range(3))
    first, second, third = (pressed(phone, key) for phone, key in ((one, "1"), (two, "2"), (three, "1")))
    for late in first:
        assert keys_of([*first, *second[:3], replace(late, at_ms=second[3].at_ms), *second[3:]]) == "12"
    for late in first + third:
        straggler = replace(late, at_ms=third[-1].at_ms + 5)
        assert keys_of([*first, *second, *third, straggler]) == "121"


def test_a_player_that_begins_again_presses_again() -> None:
    """sipp plays the same file: source, numbers and timestamps are the same, and its three ends have one number."""
    once = [(7984 + at, 320 * at, False) for at in range(7)] + [(7991, 2240, True)] * 3
    sent = [
        Sent(start_ms + 20.0 * at, RtpPacket(at == 0, 101, sequence, 13280, 7, payload("1", duration, end=end)))
        for start_ms in (0, 1000, 2000)
        for at, (sequence, duration, end) in enumerate(once)
    ]
    assert 1000 - 20 * len(once) > OVERTAKEN_MS
    assert keys_of(sent) == "111"


def test_another_key_of_a_player_may_lie_back() -> None:
    sent: list[Sent] = []
    for key, sequence, at_ms in (("5", 8100, 0.0), ("4", 8060, 300.0), ("6", 8186, 600.0)):
        sent += pressed(Phone(sequence=sequence, timestamp=sequence, at_ms=at_ms), key)
    assert keys_of(sent) == "546"


def test_a_box_that_stamps_every_packet_anew_doubles_no_key() -> None:
    dice = random.Random(1812)
    sent = [replace(one, packet=one.packet._replace(timestamp=dice.getrandbits(32))) for one in pressed(Phone())]
    assert keys_of(sent) == PIN
    assert keys_of(one for at, one in enumerate(sent) if at % 5) == PIN


def test_a_box_that_changes_the_source_in_a_press_doubles_no_key() -> None:
    sent = pressed(Phone())
    moved = [
        one if at < 20 else replace(one, packet=one.packet._replace(ssrc=9, sequence=at)) for at, one in enumerate(sent)
    ]
    assert keys_of(moved) == PIN


def test_numbers_that_never_rise_are_no_matter() -> None:
    sent = [replace(one, packet=one.packet._replace(sequence=at // 8)) for at, one in enumerate(pressed(Phone()))]
    assert keys_of(sent) == PIN


# ── what packets say ──


def at(timestamp: int, words: bytes, place: int) -> Sent:
    return Sent(20.0 * place, RtpPacket(False, 101, place, timestamp, 1, words))


def test_wrong_durations_do_not_matter() -> None:
    durations = (65535, 0, 3, 0)
    sent = [at(1000, payload("9", duration), place) for place, duration in enumerate(durations)]
    sent.append(at(1000, payload("9", 0, end=True), 4))
    again = Phone(timestamp=1160, sequence=8, at_ms=160).press("9").sent
    assert keys_of([*sent, *events(again)]) == "99"


@pytest.mark.parametrize("duration", [0, 160, 400])
def test_a_duration_that_stands_still_does_not_matter(duration: int) -> None:
    for step in (0, 160, 400):
        sent = [at(1000 + step * place, payload("3", duration), place) for place in range(6)]
        assert keys_of([*sent, at(1000 + step * 6, payload("3", duration, end=True), 6)]) == "3"


def test_a_phone_that_speaks_of_a_press_at_its_beginning_and_end_only_presses_once() -> None:
    """unimrcp#44: 160, 320, and after 1.4 s the end."""
    sent = [at(0, payload("1", 160), 0), at(0, payload("1", 320), 1)]
    for number in range(3):
        sent.append(Sent(1700.0 + 20 * number, RtpPacket(False, 101, 90 + number, 0, 1, payload("1", 13568, end=True))))
    assert keys_of(sent) == "1"


@pytest.mark.parametrize("most", [0xFFFF, 0xFFFF - 95, 0x3FFF])
@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_press_longer_than_its_duration_field_stays_one_key(most: int, lost: int) -> None:
    """RFC 4733 section 2.5.1.3: it goes on as a segment with a new timestamp, begun where the last one stopped."""
    sent, start, place = list[Sent](), 0, 0
    for segment in range(3):
        packets = range(160, most + 160, 160)
        for index, duration in enumerate(packets):
            if lost == 0 or index < len(packets) - lost:
                sent.append(at(start, payload("7", min(duration, most)), place))
            place += 1
        start += most
        assert keys_of(sent) == "7", segment
    sent += [at(start, payload("7", 160), place), at(start, payload("7", 320, end=True), place + 1)]
    assert keys_of(sent) == "7"


def test_events_that_follow_one_another_in_one_packet_are_keys_each() -> None:
    """RFC 4733 section 2.5.1.5; the packet is sent three times, as an end is."""
    words = payload("4", 400, end=True) + payload("2", 400, end=True) + payload("2", 80)
    packet = RtpPacket(True, 101, 1, 1000, 1, words)
    assert [event.timestamp for event in read_events(packet)] == [1000, 1400, 1800]
    sent = [Sent(20.0 * again, packet._replace(sequence=1 + again)) for again in range(3)]
    assert keys_of(sent)[:2] == "42"
    two = RtpPacket(True, 101, 1, 1000, 1, payload("4", 400, end=True) + payload("2", 400, end=True))
    assert keys_of(Sent(20.0 * again, two._replace(sequence=1 + again)) for again in range(3)) == "42"


@pytest.mark.parametrize("filling", [b"\0", b"\0" * 4, b"\xff" * 4, b"\0" * 12, b"\x01\x0a\x00"])
def test_bytes_that_fill_a_packet_are_no_keys(filling: bytes) -> None:
    sent = pressed(Phone())
    assert (
        keys_of(replace(one, packet=one.packet._replace(payload=one.packet.payload + filling)) for one in sent) == PIN
    )


@pytest.mark.parametrize("words", [b"", b"\x01", b"\x01\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff" * 4])
def test_what_is_no_key_is_ignored(words: bytes) -> None:
    assert KeyPresses().packet(RtpPacket(False, 101, 1, 1000, 1, words), 0.0) == ""


def test_a_packet_full_of_keys_presses_a_few() -> None:
    words = b"".join(payload(KEYS[number % 16], 160, end=True) for number in range(400))
    assert len(KeyPresses().packet(RtpPacket(False, 101, 1, 0, 1, words), 0.0)) <= MAX_BLOCKS


def test_whatever_comes_nothing_is_raised_and_little_is_kept() -> None:
    dice = random.Random(2833)
    presses = KeyPresses()
    now_ms = 0.0
    for _ in range(20_000):
        now_ms += dice.choice((0, 1, 20, 600))
        words = struct.pack("!BBH", dice.randrange(20), dice.randrange(256), dice.randrange(65536))
        packet = RtpPacket(
            dice.random() < 0.2,
            101,
            dice.randrange(65536),
            dice.getrandbits(32),
            dice.randrange(3),
            words * dice.randrange(3),
        )
        presses.packet(packet, now_ms, dice.choice((8000, 48_000)))
    assert len(presses._presses) <= 8
