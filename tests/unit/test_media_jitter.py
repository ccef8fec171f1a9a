"""The jitter buffer with a virtual clock: what comes out, and when."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from telephony.jitter import MAX_WAIT_MS, JitterBuffer
from telephony.rtp import RtpPacket


def packet(index: int, *, base: tuple[int, int] = (100, 5000), samples: int = 160, ssrc: int = 1) -> RtpPacket:
    sequence, timestamp = base
    payload = bytes([index & 0xFF]) * samples
    return RtpPacket(False, 0, (sequence + index) & 0xFFFF, (timestamp + index * samples) & 0xFFFFFFFF, ssrc, payload)


def play(arrivals: Iterable[tuple[float, RtpPacket]], until_ms: float, buffer: JitterBuffer) -> list[tuple[float, str]]:
    """Run a 5 ms ticker; returns (time, what came out): the packet's index or ``hole:<samples>``."""
    queue = sorted(arrivals, key=lambda arrival: arrival[0])
    out: list[tuple[float, str]] = []
    now_ms = 0.0
    while now_ms <= until_ms:
        while queue and queue[0][0] <= now_ms:
            one = queue.pop(0)[1]
            buffer.put(one, len(one.payload) if one.payload_type == 0 else 0, now_ms)
        for frame in buffer.take(now_ms):
            out.append((now_ms, f"hole:{frame}" if isinstance(frame, int) else str(frame.payload[0])))
        now_ms += 5
    return out


def names(out: list[tuple[float, str]]) -> list[str]:
    return [name for _, name in out]


def steady(count: int) -> list[tuple[float, RtpPacket]]:
    return [(20.0 * index, packet(index)) for index in range(count)]


def test_on_a_good_network_nothing_is_delayed() -> None:
    out = play(steady(50), 980, JitterBuffer())
    assert out == [(20.0 * index, str(index)) for index in range(50)]


@pytest.mark.parametrize("base", [(65530, 5000), (100, 0xFFFFFFFF - 500), (65535, 0xFFFFFFFF)])
def test_numbers_wrap_unnoticed(base: tuple[int, int]) -> None:
    arrivals = [(20.0 * index, packet(index, base=base)) for index in range(20)]
    assert names(play(arrivals, 380, JitterBuffer())) == [str(index) for index in range(20)]


@pytest.mark.parametrize("samples", [80, 160, 240, 320])
def test_packets_of_10_to_40_ms_flow(samples: int) -> None:
    arrivals = [(samples / 8 * index, packet(index, samples=samples)) for index in range(20)]
    buffer = JitterBuffer()
    assert names(play(arrivals, samples / 8 * 19, buffer)) == [str(index) for index in range(20)]
    assert buffer.lost == 0


def test_swapped_packets_come_out_in_order() -> None:
    arrivals = steady(10)
    arrivals[4], arrivals[5] = (85.0, packet(5)), (95.0, packet(4))
    buffer = JitterBuffer()
    assert names(play(arrivals, 180, buffer)) == [str(index) for index in range(10)]
    assert (buffer.lost, buffer.late) == (0, 0)


def test_a_lost_packet_is_waited_for_shortly_and_becomes_a_hole_of_its_length() -> None:
    arrivals = [arrival for index, arrival in enumerate(steady(10)) if index != 4]
    buffer = JitterBuffer()
    out = play(arrivals, 180, buffer)
    assert names(out) == ["0", "1", "2", "3", "hole:160", "5", "6", "7", "8", "9"]
    assert out[4][0] <= 80 + 25
    assert buffer.lost == 1


def test_duplicates_and_late_packets_are_dropped() -> None:
    arrivals = [arrival for index, arrival in enumerate(steady(20)) if index != 4]
    arrivals += [(101.0, packet(5)), (170.0, packet(4)), (171.0, packet(4))]
    buffer = JitterBuffer()
    assert names(play(arrivals, 380, buffer)).count("4") == 0
    assert (buffer.lost, buffer.late, buffer.duplicates) == (1, 1, 2)


def total_samples(out: list[tuple[float, str]], samples: int = 160) -> int:
    return sum(int(name[5:]) if name.startswith("hole") else samples for _, name in out)


def test_time_goes_on_while_a_silent_sender_sends_nothing() -> None:
    arrivals = steady(10)
    for index in range(10):
        later = packet(10 + index)._replace(timestamp=5000 + 160 * (60 + index))
        arrivals.append((1200.0 + 20 * index, later))
    buffer = JitterBuffer()
    out = play(arrivals, 1380, buffer)
    assert total_samples(out) == 70 * 160
    assert buffer.lost == 0
    heard_by_700 = total_samples([one for one in out if one[0] <= 700])
    assert 700 - MAX_WAIT_MS - 20 <= heard_by_700 / 8 <= 720
    assert names(out)[-10:] == [str(index) for index in range(10, 20)]


def test_a_sender_whose_clock_stands_still_in_silence_is_heard_again() -> None:
    frozen = steady(10) + [(1200.0 + 20 * index, packet(10 + index)) for index in range(20)]
    out = play(frozen, 1600, JitterBuffer())
    assert set(map(str, range(13, 30))) <= set(names(out))
    marked = steady(10) + [(1200.0 + 20 * index, packet(10 + index)._replace(marker=index == 0)) for index in range(20)]
    out = play(marked, 1600, JitterBuffer())
    assert set(map(str, range(30))) <= set(names(out))


def test_a_stalled_network_adds_no_lasting_delay() -> None:
    """Two seconds of packets arrive at once: those too late are dropped, and what follows is on time."""
    arrivals = [
        (max(20.0 * index, 3000.0) if 50 <= index < 150 else 20.0 * index, packet(index)) for index in range(200)
    ]
    buffer = JitterBuffer()
    out = play(arrivals, 3980, buffer)
    assert total_samples(out) == 200 * 160
    assert 90 <= buffer.late <= 100
    assert out[-1] == (3980.0, "199")


def test_a_longer_way_is_followed() -> None:
    """The network takes 150 ms more from one packet on, for good."""
    arrivals = [(20.0 * index + (150 if index >= 50 else 0), packet(index)) for index in range(150)]
    buffer = JitterBuffer()
    out = play(arrivals, 3200, buffer)
    assert buffer.late <= 3
    assert set(map(str, range(53, 150))) <= set(names(out))


def test_a_clock_that_jumps_is_followed() -> None:
    jumped = [(20.0 * index, packet(index)._replace(timestamp=7_000_000 + 160 * index)) for index in range(10, 20)]
    out = play(steady(10) + jumped, 380, JitterBuffer())
    assert names(out) == [str(index) for index in range(20)]


def test_a_new_source_is_followed_from_its_second_packet() -> None:
    other = [(20.0 * index, packet(index, base=(9, 9), ssrc=2)) for index in range(10, 20)]
    out = play(steady(10) + other, 380, JitterBuffer())
    assert [name for name in names(out) if not name.startswith("hole")] == [
        *map(str, range(10)),
        *map(str, range(11, 20)),
    ]


def test_a_second_source_in_between_changes_nothing() -> None:
    other = [(20.0 * index + 10, packet(index, base=(9, 9), ssrc=2)) for index in range(20)]
    out = play(steady(20) + other, 380, JitterBuffer())
    assert out == [(20.0 * index, str(index)) for index in range(20)]


def test_a_restarted_sequence_is_followed() -> None:
    again = [(20.0 * index, packet(index, base=(40_000, 5000))) for index in range(10, 20)]
    out = play(steady(10) + again, 380, JitterBuffer())
    assert names(out)[-9:] == [str(index) for index in range(11, 20)]


def test_events_keep_their_place_in_the_sequence() -> None:
    mixed = steady(10)
    mixed[5] = (100.0, packet(5)._replace(payload_type=101))
    buffer = JitterBuffer()
    out = play(mixed, 200, buffer)
    assert [name for name in names(out) if not name.startswith("hole")] == [str(index) for index in range(10)]
    assert total_samples(out) == 11 * 160  # the event's own 20 ms are a hole besides
    assert buffer.lost == 0


def test_jitter_makes_the_wait_longer_and_calm_makes_it_short_again() -> None:
    dice = random.Random(3550)
    shaky = [(20.0 * index + dice.uniform(0, 45), packet(index)) for index in range(200)]
    calm = [(20.0 * index, packet(index)) for index in range(200, 500)]
    buffer = JitterBuffer()
    assert buffer.wait_ms == 20
    play(shaky, 3980, buffer)
    assert 45 <= buffer.wait_ms <= 60
    assert buffer.jitter_ms > 5
    play([(at - 4000, one) for at, one in calm], 100, JitterBuffer())
    for at, one in calm:
        buffer.put(one, 160, at)
        buffer.take(at)
    assert buffer.wait_ms == 20


def test_shaky_arrivals_lose_nothing_once_known() -> None:
    dice = random.Random(1)
    buffer = JitterBuffer()
    out = play([(20.0 * index + dice.uniform(0, 35), packet(index)) for index in range(1000)], 20_100, buffer)
    assert buffer.late + buffer.lost <= 5
    # What was concealed too early makes a packet late; samples never drift away from the sender's clock.
    assert abs(total_samples(out) / 160 - 1004) <= 4


def test_random_packets_never_break_it_nor_pile_up() -> None:
    dice = random.Random(9)
    buffer = JitterBuffer()
    for now_ms in range(20_000):
        wild = RtpPacket(
            dice.random() < 0.1,
            dice.choice((0, 101)),
            dice.choice((dice.randrange(65536), now_ms & 0xFFFF)),
            dice.choice((dice.getrandbits(32), now_ms * 160 & 0xFFFFFFFF)),
            dice.choice((1, 1, 1, dice.getrandbits(32))),
            bytes(dice.randint(1, 400)),
        )
        buffer.put(wild, len(wild.payload) if wild.payload_type == 0 else 0, now_ms)
        out = buffer.take(now_ms)
        assert sum(frame if isinstance(frame, int) else len(frame.payload) for frame in out) < 50_000
        assert len(buffer._held) <= 33
        assert len(buffer._missing) <= 256
