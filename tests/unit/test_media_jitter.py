"""The jitter buffer with a virtual clock: what comes out, and when."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from telephony.media.jitter import MAX_WAIT_MS, Cut, JitterBuffer
from telephony.media.rtp import RtpPacket


def packet(index: int, *, base: tuple[int, int] = (100, 5000), samples: int = 160, ssrc: int = 1) -> RtpPacket:
    sequence, timestamp = base
    payload = bytes([index & 0xFF]) * samples
    return RtpPacket(False, 0, (sequence + index) & 0xFFFF, (timestamp + index * samples) & 0xFFFFFFFF, ssrc, payload)


def play(
    reception: Iterable[tuple[float, RtpPacket]], until_ms: float, buffer: JitterBuffer
) -> list[tuple[float, str]]:
    """Run a 5 ms ticker; returns (time, what came out): the packet's index or ``hole:<samples>``."""
    queue = sorted(reception, key=lambda arrival: arrival[0])
    out: list[tuple[float, str]] = []
    now_ms = 0.0
    while now_ms <= until_ms:
        while queue and queue[0][0] <= now_ms:
            one = queue.pop(0)[1]
            buffer.put(one, len(one.payload) if one.payload_type == 0 else 0, now_ms)
        for frame in buffer.take(now_ms):
            out.append((now_ms, f"hole:{frame}" if isinstance(frame, int) else str(whole(frame).payload[0])))
        now_ms += 5
    return out


def whole(frame: RtpPacket | Cut) -> RtpPacket:
    return frame.packet if isinstance(frame, Cut) else frame


def names(out: list[tuple[float, str]]) -> list[str]:
    return [name for _, name in out]


def steady(count: int) -> list[tuple[float, RtpPacket]]:
    return [(20.0 * index, packet(index)) for index in range(count)]


def test_on_a_good_network_nothing_is_delayed() -> None:
    out = play(steady(50), 980, JitterBuffer())
    assert out == [(20.0 * index, str(index)) for index in range(50)]


@pytest.mark.parametrize("base", [(65530, 5000), (100, 0xFFFFFFFF - 500), (65535, 0xFFFFFFFF)])
def test_numbers_wrap_unnoticed(base: tuple[int, int]) -> None:
    reception = [(20.0 * index, packet(index, base=base)) for index in range(20)]
    assert names(play(reception, 380, JitterBuffer())) == [str(index) for index in range(20)]


@pytest.mark.parametrize("samples", [80, 160, 240, 320])
def test_packets_of_10_to_40_ms_flow(samples: int) -> None:
    reception = [(samples / 8 * index, packet(index, samples=samples)) for index in range(20)]
    buffer = JitterBuffer()
    assert names(play(reception, samples / 8 * 19, buffer)) == [str(index) for index in range(20)]
    assert buffer.lost == 0


def test_swapped_packets_come_out_in_order() -> None:
    reception = steady(10)
    reception[4], reception[5] = (85.0, packet(5)), (95.0, packet(4))
    buffer = JitterBuffer()
    assert names(play(reception, 180, buffer)) == [str(index) for index in range(10)]
    assert (buffer.lost, buffer.late) == (0, 0)


def test_a_lost_packet_is_waited_for_shortly_and_becomes_a_hole_of_its_length() -> None:
    """And for less long once the network is known to be calm."""
    lost = 4, 990
    reception = [arrival for index, arrival in enumerate(steady(1000)) if index not in lost]
    buffer = JitterBuffer()
    out = play(reception, 19_980, buffer)
    assert names(out) == ["hole:160" if index in lost else str(index & 0xFF) for index in range(1000)]
    assert out[4][0] <= 80 + 65
    assert out[990][0] <= 990 * 20 + 30
    assert (buffer.lost, buffer.bursts, buffer.longest_burst) == (2, 2, 1)


def test_what_is_late_but_in_time_is_not_given_up_with_what_is_lost() -> None:
    """Each missing packet has its own time: 4 is lost, 5 comes 50 ms late, and 6 waits for it."""
    reception = [arrival for index, arrival in enumerate(steady(20)) if index not in (4, 5)]
    reception.append((150.0, packet(5)))
    buffer = JitterBuffer()
    out = play(reception, 380, buffer)
    assert names(out) == [*map(str, range(4)), "hole:160", *map(str, range(5, 20))]
    assert (buffer.lost, buffer.late, buffer.reordered) == (1, 0, 1)


def test_a_run_of_lost_packets_is_one_burst() -> None:
    reception = [arrival for index, arrival in enumerate(steady(50)) if index not in (10, 11, 12, 30)]
    buffer = JitterBuffer()
    out = play(reception, 980, buffer)
    assert total_samples(out) == 50 * 160
    assert (buffer.lost, buffer.bursts, buffer.longest_burst) == (4, 2, 3)


@pytest.mark.parametrize("drift", [-0.0005, 0.0005])
def test_a_clock_that_drifts_loses_and_makes_up_nothing(drift: float) -> None:
    """Ten minutes at 500 parts per million, 300 ms in all."""
    reception = [(20.0 * (1 + drift) * index, packet(index)) for index in range(30_000)]
    buffer = JitterBuffer()
    out = play(reception, reception[-1][0] + 5, buffer)
    assert names(out) == [str(index & 0xFF) for index in range(30_000)]
    assert (buffer.lost, buffer.late) == (0, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_2_percent_loss_and_30_ms_of_jitter_only_the_lost_is_made_up(seed: int) -> None:
    """Ten minutes: every packet that came is handed on, once and in order, and half of them at once."""
    dice = random.Random(seed)
    sent = [(index, 20.0 * index + dice.uniform(0, 60)) for index in range(30_000)]
    came = sorted(((at, index) for index, at in sent if dice.random() >= 0.02), key=lambda one: one[0])
    buffer = JitterBuffer()
    out = play([(at, packet(index)) for at, index in came], 600_200, buffer)
    handed_on = [(at, name) for at, name in out if not name.startswith("hole")]
    first = came[0][1]
    wanted = [str(index & 0xFF) for index in sorted(index for _, index in came) if index >= first]
    assert [name for _, name in handed_on] == wanted
    assert buffer.late == 0
    assert buffer.lost == buffer.reception.expected - len(wanted)
    assert 400 < buffer.lost < 800


def test_packets_may_become_longer_and_shorter_in_mid_call() -> None:
    lengths = [80] * 10 + [160] * 10 + [240] * 10 + [480] * 10 + [160] * 10
    reception, time = [], 0
    for index, samples in enumerate(lengths):
        one = RtpPacket(False, 0, index, time, 1, bytes([index]) * samples)
        time += samples
        reception.append((time / 8, one))
    buffer = JitterBuffer()
    out = play(reception, time / 8, buffer)
    assert names(out) == [str(index) for index in range(50)]


def test_another_clock_in_mid_call_is_followed() -> None:
    """G.711, then Opus, whose 20 ms are 960 units."""
    buffer = JitterBuffer()
    handed_on = []
    for index in range(50):
        units, clock_hz = (160, 8000) if index < 25 else (960, 48000)
        buffer.put(packet(index)._replace(timestamp=index * units), units, 20.0 * index, clock_hz)
        handed_on += buffer.take(20.0 * index)
    assert len(handed_on) == 50
    assert not any(isinstance(frame, int) for frame in handed_on)
    assert buffer.clock_hz == 48000
    assert buffer.reception.jitter_ms < 1


def test_duplicates_and_late_packets_are_dropped() -> None:
    reception = [arrival for index, arrival in enumerate(steady(20)) if index != 4]
    reception += [(101.0, packet(5)), (170.0, packet(4)), (171.0, packet(4))]
    buffer = JitterBuffer()
    assert names(play(reception, 380, buffer)).count("4") == 0
    assert (buffer.lost, buffer.late, buffer.duplicates) == (1, 1, 2)


def total_samples(out: list[tuple[float, str]], samples: int = 160) -> int:
    return sum(int(name[5:]) if name.startswith("hole") else samples for _, name in out)


def test_time_goes_on_while_a_silent_sender_sends_nothing() -> None:
    reception = steady(10)
    for index in range(10):
        later = packet(10 + index)._replace(timestamp=5000 + 160 * (60 + index))
        reception.append((1200.0 + 20 * index, later))
    buffer = JitterBuffer()
    out = play(reception, 1380, buffer)
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
    reception = [
        (max(20.0 * index, 3000.0) if 50 <= index < 150 else 20.0 * index, packet(index)) for index in range(200)
    ]
    buffer = JitterBuffer()
    out = play(reception, 3980, buffer)
    assert total_samples(out) == 200 * 160
    assert 90 <= buffer.late <= 100
    assert out[-1] == (3980.0, "199")


def test_a_longer_way_is_followed() -> None:
    """The network takes 150 ms more from one packet on, for good."""
    reception = [(20.0 * index + (150 if index >= 50 else 0), packet(index)) for index in range(150)]
    buffer = JitterBuffer()
    out = play(reception, 3200, buffer)
    assert buffer.late <= 3
    assert set(map(str, range(53, 150))) <= set(names(out))


def test_a_clock_that_jumps_is_followed() -> None:
    jumped = [(20.0 * index, packet(index)._replace(timestamp=7_000_000 + 160 * index)) for index in range(10, 20)]
    out = play(steady(10) + jumped, 380, JitterBuffer())
    assert names(out) == [str(index) for index in range(20)]


def test_a_new_source_is_heard_from_its_first_packet_once_a_second_has_come() -> None:
    other = [(20.0 * index, packet(index, base=(9, 9), ssrc=2)) for index in range(10, 20)]
    out = play(steady(10) + other, 380, JitterBuffer())
    assert [name for name in names(out) if not name.startswith("hole")] == [*map(str, range(20))]


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
    calm = [(20.0 * index, packet(index)) for index in range(200, 1000)]
    buffer = JitterBuffer()
    play(shaky, 3980, buffer)
    assert 50 <= buffer.wait_ms <= 70
    assert buffer.reception.jitter_ms > 5
    for at, one in calm:
        buffer.put(one, 160, at)
        buffer.take(at)
    assert buffer.wait_ms == 25


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
        assert sum(frame if isinstance(frame, int) else len(whole(frame).payload) for frame in out) < 50_000
        assert len(buffer._held) <= 49
        assert len(buffer._missing) <= 256
