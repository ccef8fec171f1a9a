"""A session with virtual time and a network that is a list: what the leg sees and what leaves."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from telephony.media.codecs import decode
from telephony.media.rtp import Address, pack, parse
from telephony.media.session import MediaSession
from telephony.media.udp import Datagrams
from telephony.sdp.local_description import Agreed, Direction

CALLER = ("192.0.2.1", 4000)
STRANGER = ("198.51.100.66", 9999)
TALK = bytes([0x90]) * 160


class Network:
    """Datagrams to be read, and those sent."""

    def __init__(self) -> None:
        self.arriving: Datagrams = []
        self.sent: list[tuple[bytes, Address]] = []
        self.reports: list[tuple[bytes, Address]] = []

    def send(self, sock: socket.socket, data: bytes, address: Address) -> None:
        (self.sent if data[1] & 0x7F < 72 else self.reports).append((data, address))

    def receive(self, sock: socket.socket) -> Datagrams:
        taken, self.arriving = self.arriving[:16], self.arriving[16:]
        return taken


class Call:
    """Drives one session the way the engine does, 20 ms at a time."""

    def __init__(self, sockets: tuple[socket.socket, socket.socket]) -> None:
        self.network = Network()
        self.left: list[MediaSession] = []
        self.session = MediaSession(self.network, *sockets, self.left.append)
        self.now_ns = 1_000_000_000
        self.heard: list[object] = []
        self.timeouts = 0
        self.session.on_audio = self.heard.append
        self.session.on_dtmf = self.heard.append
        self.session.on_timeout = self._timeout
        self.sequence = 0

    def _timeout(self) -> None:
        self.timeouts += 1

    def connect(self, direction: Direction = "sendrecv", remote: Address = CALLER) -> None:
        self.session.connect(Agreed(remote, "PCMU", 0, 101, direction, 20))

    def run(self, seconds: float, source: Address | None = None) -> None:
        for _ in range(round(seconds * 50)):
            if source is not None:
                packet = pack(False, 0, self.sequence & 0xFFFF, self.sequence * 160, 1, TALK)
                self.network.arriving.append((packet, source))
                self.sequence += 1
            self.session.send(self.now_ns)
            self.session.read(self.now_ns)
            for heard in self.session.take(self.now_ns):
                self.session.deliver(heard)
            self.now_ns += 20_000_000


@pytest.fixture
def call() -> Iterator[Call]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp,
    ):
        yield Call((rtp, rtcp))


def test_nothing_is_sent_or_heard_before_it_is_connected(call: Call) -> None:
    call.session.play(np.zeros(160, np.int16))
    call.run(1, CALLER)
    assert (call.network.sent, call.heard) == ([], [])
    assert call.session.queued_samples == 160


def test_audio_flows_both_ways(call: Call) -> None:
    call.connect()
    call.run(1, CALLER)
    assert len(call.heard) == 50
    assert len(call.network.sent) == 50
    assert {address for _, address in call.network.sent} == {CALLER}
    stats = call.session.stats()
    assert (stats.packets_received, stats.lost, stats.late, stats.max_gap_out_ms) == (50, 0, 0, 20.0)
    assert stats.bytes_received == 50 * 160


def test_a_flood_from_a_stranger_is_neither_heard_nor_answered(call: Call) -> None:
    """Acceptance 14, through the session."""
    call.connect()
    call.run(1, CALLER)
    flood = pack(False, 0, 7, 7, 7, TALK)
    for _ in range(200):
        call.network.arriving += [(flood, STRANGER)] * 50
        call.run(0.02, CALLER)
    assert len(call.heard) == 50 + 200
    assert call.session.stats().wrong_source == 10_000
    assert {address for _, address in call.network.sent} == {CALLER}


def test_a_flood_is_read_in_bounded_steps(call: Call) -> None:
    call.connect()
    call.network.arriving = [(b"junk", STRANGER)] * 1000
    call.run(0.02)
    assert len(call.network.arriving) == 1000 - 256


def test_twenty_seconds_without_media_are_told_once(call: Call) -> None:
    call.connect()
    call.run(1, CALLER)
    call.run(19.9)
    assert call.timeouts == 0
    call.run(30)
    assert call.timeouts == 1


def test_a_caller_who_never_sends_times_out_and_strangers_do_not_help(call: Call) -> None:
    call.connect()
    call.run(0.1, CALLER)
    call.run(25, STRANGER)
    assert call.timeouts == 1


def test_a_hold_does_not_time_out_and_its_end_starts_anew(call: Call) -> None:
    call.connect()
    call.run(10, CALLER)
    call.connect("recvonly")
    call.run(60)
    call.connect()
    call.run(19)
    assert call.timeouts == 0
    call.run(2)
    assert call.timeouts == 1


def test_a_new_address_is_sent_to_and_the_stream_goes_on(call: Call) -> None:
    call.connect()
    call.run(1, CALLER)
    moved = ("192.0.2.2", 5000)
    call.connect(remote=moved)
    call.run(1, moved)
    packets = [(parse(data), address) for data, address in call.network.sent]
    assert packets[-1][1] == moved
    assert len({packet.ssrc for packet, _ in packets if packet}) == 1
    sequences = [packet.sequence for packet, _ in packets if packet]
    assert all((after - before) % 65536 == 1 for before, after in pairwise(sequences))


def test_a_closed_session_calls_nobody(call: Call) -> None:
    call.connect()
    call.run(0.1, CALLER)
    heard = len(call.heard)
    call.session.close()
    call.session.close()
    call.run(0.1, CALLER)
    assert call.left == [call.session]
    assert len(call.heard) == heard


def test_the_tap_sees_each_audio_packet_both_ways(call: Call) -> None:
    seen: list[tuple[bool, int, bytes]] = []
    call.session.tap = lambda sent, at_ns, payload: seen.append((sent, at_ns, payload))
    call.connect()
    call.session.send_dtmf("5")
    call.run(0.1, CALLER)
    assert not [payload for sent, _, payload in seen if sent]
    seen.clear()
    call.run(0.1)
    call.run(0.1, CALLER)
    assert [payload for sent, _, payload in seen if not sent] == [TALK] * 5
    quiet = [np.abs(decode(payload, "PCMU")).max() for sent, _, payload in seen if sent]
    assert len(quiet) >= 5
    assert max(quiet) < 100
    assert all(at_ns >= 1_000_000_000 for _, at_ns, _ in seen)


def test_a_long_gap_between_packets_is_noted(call: Call) -> None:
    call.connect()
    call.run(0.2)
    call.now_ns += 80_000_000
    call.run(0.2)
    assert call.session.stats().max_gap_out_ms == 100.0


def test_reports_go_out_every_five_seconds_and_a_goodbye_at_the_end(call: Call) -> None:
    call.connect()
    call.run(11, CALLER)
    assert [(data[1], address) for data, address in call.network.reports] == [(200, ("192.0.2.1", 4001))] * 2
    call.session.close()
    call.session.part(call.now_ns)
    assert call.network.reports[-1][0][-8:-6] == b"\x81\xcb"


def test_reports_of_the_peer_show_in_the_statistics_and_those_of_strangers_do_not(call: Call) -> None:
    call.connect()
    call.run(5.1, CALLER)
    ssrc = int.from_bytes(call.network.reports[0][0][4:8], "big")
    block = struct.pack("!IIIIII", ssrc, 64 << 24, 0, 80, 0, 0)
    report = struct.pack("!BBHI", 0x81, 201, 7, 99) + block
    for source, percent in ((STRANGER, None), (("192.0.2.1", 4001), 25.0)):
        call.network.arriving = [(report, source)]
        call.session.read_rtcp(call.now_ns)
        assert call.session.stats().peer_lost_percent == percent
    assert call.session.stats().peer_jitter_ms == 10.0


def test_the_address_of_an_old_hold_gets_neither_media_nor_reports(call: Call) -> None:
    call.connect("inactive", ("0.0.0.0", 4000))
    call.run(12, CALLER)
    call.session.part(call.now_ns)
    assert (call.network.sent, call.network.reports) == ([], [])
