"""Streams that begin anew, and packets that only look so: row by row, and through the jitter buffer."""

from __future__ import annotations

import struct

import pytest
from test_media_jitter import names, packet, play

from telephony.media.jitter import JitterBuffer
from telephony.media.receiver import Receiver
from telephony.media.rtp import RtpPacket, pack
from telephony.media.stream_restart import Arrival, Sign, StreamRestart
from telephony.sdp.agreement import Agreed

Reception = list[tuple[float, RtpPacket]]
CALLER = ("192.0.2.1", 4000)
RECORDING = 40


def recording(from_ms: float, count: int = RECORDING, base: tuple[int, int] = (1000, 5000), ssrc: int = 1) -> Reception:
    return [(from_ms + 20.0 * index, packet(index, base=base, ssrc=ssrc)) for index in range(count)]


def heard(reception: Reception, buffer: JitterBuffer | None = None) -> list[str]:
    """What was handed on, without holes."""
    end_ms = max(at for at, _ in reception) + 500
    return [name for name in names(play(reception, end_ms, buffer or JitterBuffer())) if not name.startswith("hole")]


def sounds(count: int = RECORDING, times: int = 1) -> list[str]:
    return [*map(str, range(count))] * times


@pytest.mark.parametrize(
    ("sign", "quiet_ms", "needed"),
    [
        ("elsewhere", 60.0, 2),
        ("after-pause", 1100.0, 2),
        ("in-time", 20.0, 2),
        ("again", 20.0, 5),
    ],
)
def test_each_sign_needs_so_many_packets_in_a_row(sign: Sign, quiet_ms: float, needed: int) -> None:
    restart = StreamRestart()
    verdicts = [
        restart.packet(Arrival(packet(index), 160, 20.0 * index, 8000), sign, quiet_ms, 20.0) for index in range(needed)
    ]
    assert verdicts == [False] * (needed - 1) + [True]
    assert [one.packet for one in restart.run] == [packet(index) for index in range(needed)]


def test_a_packet_out_of_the_row_begins_the_row_anew() -> None:
    restart = StreamRestart()
    rows = [(7, 1), (9, 1), (10, 2), (11, 1)]
    for index, ssrc in rows:
        assert not restart.packet(Arrival(packet(index, ssrc=ssrc), 160, 0, 8000), "after-pause", 2000, 20)
    assert restart.packet(Arrival(packet(12), 160, 20, 8000), "after-pause", 2000, 20)


@pytest.mark.parametrize("pause_ms", [20, 300, 900, 980, 1020, 1100, 3000, 60_000])
@pytest.mark.parametrize("base", [(1000, 5000), (65_510, 5000), (0, 0xFFFFFFFF - 2000), (65_535, 0)])
def test_a_recording_that_is_played_again_is_heard_whole_each_time(pause_ms: float, base: tuple[int, int]) -> None:
    length_ms = 20.0 * RECORDING - 20 + pause_ms
    buffer = JitterBuffer()
    reception = [one for time in range(3) for one in recording(time * length_ms, base=base)]
    assert heard(reception, buffer) == sounds(times=3)
    assert (buffer.duplicates, buffer.lost, buffer.late) == (0, 0, 0)
    assert buffer.restarts == 2
    assert buffer.reception.expected == RECORDING


@pytest.mark.parametrize("count", [2, 3, 5, 99, 100, 101, 250])
def test_recordings_of_any_length_are_heard_again(count: int) -> None:
    again = recording(count * 20.0 + 1500, count)
    assert heard(recording(0, count) + again) == [str(n & 0xFF) for n in range(count)] * 2


def test_a_recording_is_heard_again_though_its_first_packets_are_lost() -> None:
    again = recording(3000)
    del again[0], again[2]
    assert heard(recording(0) + again) == sounds() + [str(n) for n in range(1, RECORDING) if n != 3]


def test_a_recording_is_heard_again_though_its_first_packets_overtake_one_another() -> None:
    again = recording(3000)
    again[0], again[1] = (3020.0, again[0][1]), (3015.0, again[1][1])
    assert len(heard(recording(0) + again)) >= 2 * RECORDING - 2


def test_another_recording_with_another_ssrc_is_heard_whole_after_a_pause() -> None:
    assert heard(recording(0) + recording(2000, base=(3, 4), ssrc=2)) == sounds(times=2)


def test_the_same_numbers_under_another_ssrc_are_a_new_stream_at_once() -> None:
    assert heard(recording(0) + recording(20.0 * RECORDING, ssrc=2)) == sounds(times=2)


def test_a_sequence_that_goes_back_while_the_clock_goes_on_is_followed() -> None:
    """A gateway that renumbers in mid-call: the times say that nothing of it was heard before."""
    later = [(20.0 * n, packet(n, base=(960, 5000))) for n in range(40, 80)]
    assert heard(recording(0) + later) == sounds(80)


def test_a_sequence_that_jumps_ahead_while_the_clock_goes_on_is_followed() -> None:
    later = [(20.0 * n, packet(n, base=(1500, 5000))) for n in range(40, 80)]
    assert heard(recording(0) + later) == sounds(80)


@pytest.mark.parametrize("jump", [-400_000, -8000, 8000, 400_000])
def test_a_clock_that_jumps_while_the_sequence_goes_on_is_followed(jump: int) -> None:
    later = [(20.0 * n, packet(n, base=(1000, 500_000 + jump))) for n in range(40, 80)]
    out = heard(recording(0, base=(1000, 500_000)) + later)
    assert out[:40] == sounds()
    assert out[-37:] == [str(n) for n in range(43, 80)]


def test_packets_that_come_late_after_a_pause_are_no_new_beginning() -> None:
    """Two were given up before the pause, and come after it."""
    first = [one for index, one in enumerate(recording(0)) if index not in (30, 31)]
    late = [(2000.0, packet(30, base=(1000, 5000))), (2020.0, packet(31, base=(1000, 5000)))]
    on = [(20.0 * (n + 62), packet(n, base=(1000, 5000 + 160 * 62))) for n in range(40, 60)]
    buffer = JitterBuffer()
    assert heard(first + late + on, buffer) == [str(n) for n in range(60) if n not in (30, 31)]
    assert (buffer.late, buffer.restarts) == (2, 0)


def test_packets_that_overtake_each_other_after_a_pause_are_no_new_beginning() -> None:
    on = [(20.0 * (n + 60), packet(n, base=(1000, 5000 + 160 * 60))) for n in range(40, 60)]
    on[:3] = [(2001.0, on[2][1]), (2002.0, on[1][1]), (2003.0, on[0][1])]
    buffer = JitterBuffer()
    assert heard(recording(0) + on, buffer) == sounds(60)
    assert buffer.restarts == 0


def test_one_packet_that_comes_twice_with_a_pause_between_is_a_duplicate() -> None:
    again = [(2500.0, packet(38, base=(1000, 5000)))]
    on = [(20.0 * (n + 150), packet(n, base=(1000, 5000 + 160 * 150))) for n in range(40, 60)]
    buffer = JitterBuffer()
    assert heard(recording(0) + again + on, buffer) == sounds(60)
    assert (buffer.duplicates, buffer.restarts) == (1, 0)


@pytest.mark.parametrize("delay_ms", [1.0, 25.0, 200.0, 900.0])
def test_a_network_that_doubles_every_packet_begins_nothing(delay_ms: float) -> None:
    """The doubles come between the packets of the talker."""
    twice = recording(0, 100) + [(at + delay_ms, one) for at, one in recording(0, 100)]
    talk_on = recording(2000, 100, base=(1100, 5000 + 160 * 100))
    buffer = JitterBuffer()
    assert heard(twice + talk_on, buffer)[:100] == sounds(100)
    assert (buffer.duplicates, buffer.restarts) == (100, 0)


def test_doubles_that_a_stalled_network_delivers_at_once_begin_nothing() -> None:
    doubles = [(795.0, one) for _, one in recording(0)[-10:]]
    buffer = JitterBuffer()
    assert heard(recording(0) + doubles + recording(800, base=(1040, 5000 + 160 * 40)), buffer) == sounds(times=2)
    assert (buffer.duplicates, buffer.restarts) == (10, 0)


@pytest.mark.parametrize("lost", [(), (7,), (3, 12, 25)])
def test_a_second_stream_in_between_changes_nothing_though_packets_of_the_first_are_lost(lost: tuple[int, ...]) -> None:
    """From the same address, so that only the numbers tell them apart."""
    other = [(at + 10, one) for at, one in recording(0, base=(9, 9), ssrc=2)]
    first = [one for index, one in enumerate(recording(0)) if index not in lost]
    assert heard(first + other[:-3])[: RECORDING - len(lost)] == [n for n in sounds() if int(n) not in lost]


def test_keys_of_a_recording_are_pressed_again_each_time_it_is_played() -> None:
    """The same sequence numbers and timestamps as before, so that only the new beginning tells the presses apart."""
    receiver = Receiver(Agreed(CALLER, "PCMU", 0, 101, "sendrecv", 20))
    keys: list[object] = []
    now_ms = 0.0
    for _ in range(3):
        for index in range(12):
            end, duration = (0x80 if index >= 9 else 0), min(index + 1, 10) * 160
            event = struct.pack("!BBH", 5, end | 10, duration)
            receiver.datagram(pack(index == 0, 101, 700 + index, 32_000, 9, event), CALLER, now_ms)
            keys += [one for one in receiver.take(now_ms) if isinstance(one, str)]
            now_ms += 20
        for _ in range(100):
            keys += [one for one in receiver.take(now_ms) if isinstance(one, str)]
            now_ms += 20
    assert keys == ["5", "5", "5"]


def test_a_press_whose_packets_are_late_after_a_new_source_is_one_press() -> None:
    """Another SSRC in mid-press is no second press: only its own numbers begin anew."""
    receiver = Receiver(Agreed(CALLER, "PCMU", 0, 101, "sendrecv", 20))
    keys: list[object] = []
    for index in range(16):
        event = struct.pack("!BBH", 5, 10, (index + 1) * 160)
        receiver.datagram(pack(index == 0, 101, 700 + index, 32_000, 9 + index // 8, event), CALLER, 20.0 * index)
        keys += [one for one in receiver.take(20.0 * index) if isinstance(one, str)]
    assert keys == ["5"]
