"""The browser leg's audio without a browser: order, holes, pace, resampling, all against a clock of the test."""

from __future__ import annotations

import asyncio
import random

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from telephony.leg import Pcm
from telephony.webrtc.incoming_audio import BLOCK, MAX_AHEAD_S, Decimator, IncomingAudio, OpusPacket, ReorderBuffer
from telephony.webrtc.outgoing_audio import FRAME_S, SETTLED_FRAMES, AudioQueue, OutgoingTrack, Pacer, TrackEncoder


def tone(hz: float, seconds: float, rate_hz: int = 16000, level: float = 8000.0) -> Pcm:
    return np.asarray(level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.int16)


def blocks(pcm: Pcm) -> list[Pcm]:
    return [pcm[i : i + BLOCK] for i in range(0, len(pcm) - BLOCK + 1, BLOCK)]


def packets(pcm: Pcm, first: int = 0) -> list[OpusPacket]:
    encoder = TrackEncoder()
    return [OpusPacket(1, (first + n) & 0xFFFF, 960 * n, encoder.encode(block)) for n, block in enumerate(blocks(pcm))]


def hear(arrivals: list[OpusPacket], hearing: IncomingAudio | None = None) -> Pcm:
    hearing = hearing or IncomingAudio()
    heard = [block for n, packet in enumerate(arrivals) for block in hearing.add(packet, n * FRAME_S)]
    assert all(block.shape == (BLOCK,) and block.dtype == np.int16 for block in heard)
    return np.concatenate(heard) if heard else np.zeros(0, np.int16)


def power_at(pcm: Pcm, hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(spectrum[round(hz * len(pcm) / 16000)] / spectrum.sum())


# ── order ──


def order(sequences: list[int]) -> list[int]:
    reorder = ReorderBuffer()
    return [due.sequence for sequence in sequences for due in reorder.add(OpusPacket(1, sequence, 0, b""))]


def test_packets_in_order_pass_at_once() -> None:
    assert order([65534, 65535, 0, 1]) == [65534, 65535, 0, 1]


def test_swapped_packets_are_put_right() -> None:
    assert order([10, 12, 11, 13]) == [10, 11, 12, 13]


def test_duplicates_and_late_packets_are_dropped() -> None:
    assert order([10, 11, 11, 10, 12, 12]) == [10, 11, 12]


def test_a_lost_packet_holds_up_three_and_no_more() -> None:
    reorder = ReorderBuffer()
    due = [[p.sequence for p in reorder.add(OpusPacket(1, s, 0, b""))] for s in (1, 2, 4, 5, 6, 7)]
    assert due == [[1], [2], [], [], [4, 5, 6], [7]]
    assert reorder.lost == 1


def test_a_jump_is_a_new_beginning() -> None:
    assert order([1, 2, 30000, 30001]) == [1, 2, 30000, 30001]


def test_a_new_source_is_a_new_beginning() -> None:
    reorder = ReorderBuffer()
    reorder.add(OpusPacket(1, 500, 0, b""))
    assert [p.sequence for p in reorder.add(OpusPacket(2, 490, 0, b""))] == [490]


def test_random_arrivals_never_go_back_and_hold_little() -> None:
    rng = random.Random(3)
    reorder = ReorderBuffer()
    last = -1
    for n in range(5000):
        for due in reorder.add(OpusPacket(1, min(max(n + rng.randint(-6, 6), 0), 4999), 0, b"")):
            assert due.sequence > last
            last = due.sequence
        assert len(reorder._held) < 3


# ── hearing ──


def test_a_tone_comes_out_as_it_went_in() -> None:
    heard = hear(packets(tone(440, 1.0)))
    assert len(heard) == 16000
    assert power_at(heard[4000:], 440) > 0.3
    assert np.abs(heard[4000:]).max() == pytest.approx(8000, rel=0.15)


def test_a_lost_packet_keeps_the_time() -> None:
    sent = packets(tone(300, 1.0))
    assert len(hear(sent[:20] + sent[21:])) == 16000


def test_a_pause_of_the_sender_is_silence_of_its_length() -> None:
    sent = packets(tone(300, 0.4))
    later = [packet._replace(timestamp=packet.timestamp + 4800) for packet in sent[10:]]
    heard = hear(sent[:10] + later)
    assert len(heard) == 6400 + 1600
    assert not heard[10 * BLOCK + 400 : 10 * BLOCK + 1200].any()


def test_what_is_no_opus_is_counted_and_the_call_goes_on() -> None:
    hearing = IncomingAudio()
    good = packets(tone(300, 1.0))
    rng = random.Random(5)
    bad = [p._replace(payload=b"") if p.sequence % 2 else p._replace(payload=b"\xff" * 3) for p in good[:10]]
    heard = hear(bad + good[10:], hearing)
    assert hearing.undecodable > 0
    assert power_at(heard[-8000:], 300) > 0.3
    for n in range(2000):
        payload = rng.randbytes(rng.randint(0, 300))
        hearing.add(OpusPacket(rng.randint(0, 2), rng.randrange(65536), rng.getrandbits(32), payload), 2 + n * FRAME_S)


def test_a_flood_is_dropped_before_it_is_decoded() -> None:
    hearing = IncomingAudio()
    sent = packets(tone(300, 1.0))
    flood = [p._replace(sequence=n, timestamp=960 * n) for n, p in enumerate(sent * 10)]
    heard = sum(len(block) for packet in flood for block in hearing.add(packet, 0.0))
    assert heard <= MAX_AHEAD_S * 16000 + BLOCK
    assert hearing.refused > 400


@pytest.mark.parametrize(
    ("hz", "low", "high"), [(300, 0.98, 1.02), (3400, 0.98, 1.02), (10000, 0.0, 0.01), (14000, 0.0, 0.01)]
)
def test_the_decimator_passes_speech_and_stops_what_would_fold(hz: float, low: float, high: float) -> None:
    decimator = Decimator()
    pcm = tone(hz, 1.0, 48000)
    out = np.concatenate([decimator.feed(pcm[i : i + 960]) for i in range(0, len(pcm), 960)])
    assert len(out) == 16000
    gain = np.sqrt(np.mean(out[100:].astype(float) ** 2)) / np.sqrt(np.mean(pcm.astype(float) ** 2))
    assert low <= gain <= high


# ── sending ──


def test_the_queue_gives_what_was_put_in() -> None:
    queue, pcm = AudioQueue(), np.arange(1000, dtype=np.int16)
    for start, end in ((0, 7), (7, 7), (7, 600), (600, 1000)):
        queue.put(pcm[start:end])
    taken = [queue.take(320) for _ in range(5)]
    assert [len(t) for t in taken] == [320, 320, 320, 40, 0]
    assert np.array_equal(np.concatenate(taken), pcm)
    assert queue.samples == 0


def test_the_pace_does_not_drift() -> None:
    pacer, now = Pacer(), 5.0
    for _ in range(500):
        now = max(now, pacer.due(now)) + 0.003
    assert pacer.frame == 499
    assert now == pytest.approx(5.0 + 499 * FRAME_S + 0.003)


def test_a_small_delay_is_made_up() -> None:
    pacer = Pacer()
    for _ in range(3):
        pacer.due(0.0)
    now = 0.105
    assert [round(pacer.due(now), 3) for _ in range(4)] == [0.06, 0.08, 0.1, 0.12]
    assert pacer.frame == 6


def test_a_stall_is_left_out_and_not_sent_in_a_burst() -> None:
    pacer = Pacer()
    assert [pacer.due(0.0), pacer.due(0.001)] == [0.0, FRAME_S]
    waits = []
    now = 0.31
    for _ in range(4):
        due = pacer.due(now)
        waits.append(round(max(0.0, due - now), 3))
        now = max(now, due)
    assert waits == [0.0, 0.01, 0.02, 0.02]
    assert pacer.frame == 18


def test_silence_settles_to_one_packet() -> None:
    encoder = TrackEncoder()
    empty = np.zeros(0, np.int16)
    encoder.encode(tone(440, 0.02))
    silence = [encoder.encode(empty) for _ in range(SETTLED_FRAMES + 20)]
    assert len(set(silence[SETTLED_FRAMES:])) == 1
    assert not np.abs(hear([OpusPacket(1, n, 960 * n, p) for n, p in enumerate(silence[SETTLED_FRAMES:])])).max() > 30


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


async def test_the_track_counts_what_was_played_and_sends_silence_otherwise() -> None:
    clock = Clock()
    track = OutgoingTrack(clock, clock.sleep)
    track.queue.put(tone(440, 0.05))
    sent = [await track.recv() for _ in range(10)]
    assert track.played_samples == 800
    assert [packet.pts for packet in sent] == [960 * n for n in range(10)]
    assert clock.now_s == pytest.approx(100.0 + 9 * FRAME_S)
    assert all(bytes(packet) for packet in sent)


async def test_a_flush_is_silent_from_the_next_frame() -> None:
    clock = Clock()
    track = OutgoingTrack(clock, clock.sleep)
    track.queue.put(tone(440, 5.0))
    sent = [await track.recv() for _ in range(20)]
    assert track.queue.clear() == 5 * 16000 - 20 * BLOCK
    sent += [await track.recv() for _ in range(30)]
    heard = hear([OpusPacket(1, n, packet.pts, bytes(packet)) for n, packet in enumerate(sent)])
    assert np.abs(heard[: 20 * BLOCK]).max() > 5000
    assert np.abs(heard[23 * BLOCK :]).max() < 200
    assert track.played_samples == 20 * BLOCK


async def test_a_stopped_track_says_so() -> None:
    clock = Clock()
    track = OutgoingTrack(clock, clock.sleep)
    track.stop()
    with pytest.raises(MediaStreamError):
        await asyncio.wait_for(track.recv(), 1)


def test_packets_are_mono_opus_at_a_phone_bit_rate() -> None:
    speech = tone(180, 1.0) // 2 + np.random.default_rng(1).normal(0, 300, 16000).astype(np.int16)
    sizes = [len(packet.payload) for packet in packets(speech)]
    assert np.mean(sizes) * 50 * 8 < 40000
    decoder = av.CodecContext.create("libopus", "r")
    assert decoder.decode(av.Packet(packets(speech)[5].payload))[0].samples == 960
