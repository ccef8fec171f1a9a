"""Sessions with SRTP in virtual time: what leaves, what is believed, and that nothing is ever plain."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from telephony.call_policy import Terms
from telephony.media.dtls import identity
from telephony.media.rtp import Address, pack, parse
from telephony.media.session import MediaSession
from telephony.media.srtp import Keys, Protector, Suite, Unprotector, new_key
from telephony.media.udp import Datagrams
from telephony.sdp.agreement import Agreed, Handshake

US, CALLER, STRANGER = ("192.0.2.9", 20000), ("192.0.2.1", 4000), ("198.51.100.66", 9999)
TALK = bytes([0x90]) * 160
SUITE: Suite = "AES_CM_128_HMAC_SHA1_80"
PLAIN = Agreed(CALLER, "PCMU", 0, 101, "sendrecv", 20)
NAME, DIGEST = identity().fingerprint.split()

Sockets = tuple[socket.socket, socket.socket]


class Network:
    """Datagrams to be read from RTP's socket, and those sent on each."""

    def __init__(self) -> None:
        self.arriving: Datagrams = []
        self.sent: list[tuple[int, bytes, Address]] = []
        self.sockets: Sockets | None = None

    def send(self, sock: socket.socket, data: bytes, address: Address) -> None:
        assert self.sockets is not None
        self.sent.append((self.sockets.index(sock), data, address))

    def receive(self, sock: socket.socket) -> Datagrams:
        taken, self.arriving = self.arriving[:16], self.arriving[16:]
        return taken


class Call:
    """Drives one session the way the engine does, 20 ms at a time."""

    def __init__(self, sockets: Sockets, capture: int = 0) -> None:
        self.network = Network()
        self.network.sockets = sockets
        self.session = MediaSession(self.network, *sockets, lambda _: None, capture=capture)
        self.now_ns = 1_000_000_000
        self.heard: list[object] = []
        self.timeouts = 0
        self.session.on_audio = self.heard.append
        self.session.on_timeout = self._timeout

    def _timeout(self) -> None:
        self.timeouts += 1

    def run(self, slots: int, *arriving: tuple[bytes, Address]) -> None:
        self.network.arriving += arriving
        for _ in range(slots):
            self.session.send(self.now_ns)
            while self.network.arriving:
                self.session.read(self.now_ns)
            for heard in self.session.take(self.now_ns):
                self.session.deliver(heard)
            self.now_ns += 20_000_000


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp,
    ):
        yield rtp, rtcp


@pytest.fixture
def call(sockets: Sockets) -> Call:
    return Call(sockets)


class Caller:
    """The peer's end of SDES."""

    def __init__(self, suite: Suite = SUITE) -> None:
        self.keys = Keys(suite, new_key(suite), new_key(suite))
        self.agreed = replace(PLAIN, keys=self.keys)
        self.protector = Protector(suite, self.keys.theirs)
        self.unprotector = Unprotector(suite, self.keys.ours)
        self.sequence = 0

    def packets(self, count: int) -> list[bytes]:
        sealed = []
        for _ in range(count):
            packet = pack(False, 0, self.sequence & 0xFFFF, self.sequence * 160, 1, TALK)
            one = self.protector.rtp(packet)
            assert one is not None
            sealed.append(one)
            self.sequence += 1
        return sealed

    def talk(self, call: Call, slots: int) -> None:
        for packet in self.packets(slots):
            call.run(1, (packet, CALLER))


@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32"])
def test_both_ways_are_encrypted_and_understood(call: Call, suite: Suite) -> None:
    caller = Caller(suite)
    call.session.connect(caller.agreed)
    caller.talk(call, 50)
    assert len(call.heard) == 50
    assert len(call.network.sent) == 50
    for _, datagram, address in call.network.sent:
        packet = caller.unprotector.rtp(datagram)
        assert isinstance(packet, bytes)
        assert address == CALLER
        assert packet[12:] not in datagram
    assert call.session.stats().srtp == suite


def test_a_thousand_bad_tags_do_not_disturb_the_call(call: Call) -> None:
    """Acceptance 16."""
    caller = Caller()
    call.session.connect(caller.agreed)
    caller.talk(call, 10)
    bad = [packet[:-1] + bytes([packet[-1] ^ 1]) for packet in caller.packets(1000)]
    caller.sequence -= 1000
    caller.protector = Protector(SUITE, caller.keys.theirs)
    for index in range(100):
        call.run(1, *((packet, CALLER) for packet in bad[10 * index : 10 * index + 10]), (caller.packets(1)[0], CALLER))
    stats = call.session.stats()
    assert (stats.forged, stats.lost, stats.packets_received) == (1000, 0, 110)
    assert len(call.heard) == 110


def test_plain_packets_are_neither_heard_nor_sent(call: Call) -> None:
    caller = Caller()
    call.session.connect(caller.agreed)
    for sequence in range(100):
        call.run(1, (pack(False, 0, sequence, sequence * 160, 1, TALK), CALLER))
    assert call.heard == []
    assert call.session.stats().forged == 100
    assert all(isinstance(caller.unprotector.rtp(datagram), bytes) for _, datagram, _ in call.network.sent)


@pytest.mark.parametrize("secure", [True, False])
def test_keepalives_are_neither_forged_nor_malformed_and_nobody_is_believed_for_them(call: Call, secure: bool) -> None:
    """STUN binding requests come from linphone every 20 s; noise is something else."""
    caller = Caller()
    call.session.connect(caller.agreed if secure else PLAIN)
    keepalives = [b"", b"\0", bytes.fromhex("000100002112a442") + bytes(12), b"\x03" * 40]
    noise = [b"\r\n\r\n", b"\xff" * 200]
    call.run(1, *((data, CALLER) for data in [*keepalives, *noise]))
    call.run(20, *((data, ("198.51.100.66", 9)) for data in keepalives * 20))
    stats = call.session.stats()
    assert (stats.stray, stats.malformed, stats.forged) == (21 * len(keepalives), len(noise), 0)
    assert {address for _, _, address in call.network.sent} == {CALLER}
    assert stats.packets_received == 0 and call.heard == []


def test_replayed_packets_are_counted_and_not_heard(call: Call) -> None:
    caller = Caller()
    call.session.connect(caller.agreed)
    packets = caller.packets(10)
    for packet in packets * 2:
        call.run(1, (packet, CALLER))
    assert call.session.stats().replayed == 10
    assert call.session.stats().packets_received == 10


def test_only_who_has_the_key_can_become_the_one_we_send_to(call: Call) -> None:
    """A flood from elsewhere does not latch; the caller from elsewhere does."""
    caller = Caller()
    call.session.connect(caller.agreed)
    for sequence in range(100):
        call.run(1, (pack(False, 0, sequence, sequence * 160, 1, TALK) + bytes(10), STRANGER))
    assert {address for _, _, address in call.network.sent} == {CALLER}
    behind_nat = ("203.0.113.5", 1234)
    for packet in caller.packets(30):
        call.run(1, (packet, behind_nat))
    assert call.network.sent[-1][2] == behind_nat


def test_a_new_key_of_the_peer_is_used_as_soon_as_it_comes_and_the_old_until_then(call: Call) -> None:
    caller, later = Caller(), Caller()
    call.session.connect(caller.agreed)
    caller.talk(call, 10)
    call.session.connect(replace(PLAIN, keys=later.keys))
    caller.talk(call, 5)
    assert len(call.heard) == 15
    later.sequence = caller.sequence
    later.talk(call, 10)
    assert len(call.heard) == 25
    caller.sequence = later.sequence
    caller.talk(call, 5)
    assert call.session.stats().forged == 5
    assert isinstance(later.unprotector.rtp(call.network.sent[-1][1]), bytes)


def test_an_unchanged_key_keeps_its_counters(call: Call) -> None:
    caller = Caller()
    call.session.connect(caller.agreed)
    packets = caller.packets(10)
    for packet in packets:
        call.run(1, (packet, CALLER))
    call.session.connect(replace(caller.agreed, ptime_ms=30))
    call.run(1, *((packet, CALLER) for packet in packets))
    assert call.session.stats().replayed == 10
    assert isinstance(caller.unprotector.rtp(call.network.sent[-1][1]), bytes)


def test_plain_terms_after_encrypted_ones_change_nothing(call: Call) -> None:
    caller = Caller()
    call.session.connect(caller.agreed)
    caller.talk(call, 5)
    call.session.connect(PLAIN)
    caller.talk(call, 5)
    assert len(call.heard) == 10
    assert isinstance(caller.unprotector.rtp(call.network.sent[-1][1]), bytes)


def test_reports_are_encrypted_both_ways(call: Call) -> None:
    caller = Caller()
    call.session.connect(caller.agreed)
    caller.talk(call, 260)
    ((_, report, address),) = [one for one in call.network.sent if one[0] == 1]
    opened = caller.unprotector.rtcp(report)
    assert isinstance(opened, bytes)
    assert (opened[1], address) == (200, ("192.0.2.1", 4001))
    ssrc = int.from_bytes(opened[4:8], "big")
    block = struct.pack("!BBHI", 0x81, 201, 7, 99) + struct.pack("!IIIIII", ssrc, 64 << 24, 0, 80, 0, 0)
    for datagram, percent in ((block, None), (caller.protector.rtcp(block), 25.0)):
        assert datagram is not None
        call.network.arriving = [(datagram, ("192.0.2.1", 4001))]
        call.session.read_rtcp(call.now_ns)
        assert call.session.stats().peer_lost_percent == percent


def test_with_mux_reports_share_the_port(call: Call) -> None:
    call.session.connect(replace(PLAIN, rtcp_mux=True))
    for sequence in range(260):
        call.run(1, (pack(False, 0, sequence, sequence * 160, 1, TALK), CALLER))
    assert {component for component, _, _ in call.network.sent} == {0}
    ((_, report, _),) = [one for one in call.network.sent if one[1][1] == 200]
    block = struct.pack("!BBHI", 0x81, 201, 7, 99) + struct.pack("!4sIIIII", report[4:8], 64 << 24, 0, 80, 0, 0)
    call.run(1, (block, CALLER))
    assert call.session.stats().peer_lost_percent == 25.0
    assert call.session.stats().malformed == 0


def dtls(active: bool, digest: str = DIGEST, mux: bool = True) -> Agreed:
    remote = US if active else CALLER
    return replace(PLAIN, remote=remote, dtls=Handshake(active, ((NAME, digest),)), rtcp_mux=mux)


def converse(first: Call, second: Call, slots: int) -> None:
    """`first` is at US, `second` at CALLER."""
    for _ in range(slots):
        for one, other, source in ((first, second, US), (second, first, CALLER)):
            before = len(one.network.sent)
            one.run(1)
            other.network.arriving += [
                (datagram, source) for component, datagram, _ in one.network.sent[before:] if component == 0
            ]


def test_a_dtls_handshake_leads_to_media_and_nothing_is_sent_in_plain_before(sockets: Sockets) -> None:
    first, second = Call(sockets), Call(sockets)
    first.session.connect(dtls(False))
    second.session.connect(dtls(True))
    converse(first, second, 60)
    assert first.session.stats().srtp == second.session.stats().srtp == SUITE
    assert len(first.heard) > 40
    assert len(second.heard) > 40
    sent = [datagram for _, datagram, _ in first.network.sent + second.network.sent]
    assert all(20 <= datagram[0] <= 63 or len(datagram) == 172 + 10 for datagram in sent)


def test_a_peer_with_another_certificate_hears_and_says_nothing(sockets: Sockets) -> None:
    first, second = Call(sockets), Call(sockets)
    first.session.connect(dtls(False, "00:" * 31 + "00"))
    second.session.connect(dtls(True))
    converse(first, second, 60)
    assert first.heard == []
    assert "certificate" in first.session.refused_security
    assert first.timeouts == 1, "it is told at once, and once"
    assert all(20 <= datagram[0] <= 63 for _, datagram, _ in first.network.sent)


def test_a_call_whose_handshake_never_comes_ends_for_want_of_media(call: Call) -> None:
    call.session.terms = Terms(no_media_s=5)
    call.session.connect(dtls(False))
    call.run(240)
    assert call.timeouts == 0
    call.run(20)
    assert call.timeouts == 1


def test_a_hold_by_address_does_not_begin_another_handshake(sockets: Sockets) -> None:
    first, second = Call(sockets), Call(sockets)
    first.session.connect(dtls(False))
    second.session.connect(dtls(True))
    converse(first, second, 40)
    heard = len(first.heard)
    first.session.connect(replace(dtls(False), remote=("0.0.0.0", 4000), direction="inactive"))
    converse(first, second, 5)
    first.session.connect(dtls(False))
    converse(first, second, 40)
    assert len(first.heard) > heard + 30


def test_the_last_datagrams_are_kept_as_they_were_on_the_wire(sockets: Sockets) -> None:
    call, caller = Call(sockets, capture=20), Caller()
    call.session.connect(caller.agreed)
    caller.talk(call, 100)
    capture = call.session.capture
    assert capture is not None
    assert len(capture) == 20
    assert [one.sent for one in capture] == [True, False] * 10
    assert all(parse(one.datagram) is not None and TALK not in one.datagram for one in capture)
    assert capture[-1].at_ns == call.now_ns - 20_000_000
