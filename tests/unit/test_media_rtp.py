"""RTP packets, and whom the source lock believes."""

from __future__ import annotations

import struct

import pytest

from telephony.media.rtp import MAX_PAYLOAD_BYTES, SourceLock, pack, parse

CALLER = ("192.0.2.1", 4000)
NAT = ("203.0.113.5", 61000)
STRANGER = ("198.51.100.66", 9999)


def test_a_packet_reads_as_it_was_written() -> None:
    packet = parse(pack(True, 101, 65535, 0xFFFFFFFF, 0xDEADBEEF, b"abc"))
    assert packet == (True, 101, 65535, 0xFFFFFFFF, 0xDEADBEEF, b"abc")


def test_csrcs_extension_and_padding_are_read_over() -> None:
    header = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 8, 1, 2, 3)
    extension = struct.pack("!HH", 0xBEDE, 1) + b"EEEE"
    packet = parse(header + b"C" * 8 + extension + b"audio" + b"\0\0\3")
    assert packet is not None
    assert packet.payload == b"audio"


PLAIN = pack(False, 0, 1, 2, 3, b"x" * 8)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80",
        PLAIN[:12],
        bytes([0x40]) + PLAIN[1:],
        bytes([0x8F]) + PLAIN[1:],
        bytes([0x90]) + PLAIN[1:12],
        bytes([0x90]) + PLAIN[1:12] + b"\0\0",
        bytes([0x90]) + PLAIN[1:12] + b"\0\0\xff\xff" + b"x" * 40,
        bytes([0xA0]) + PLAIN[1:12] + b"x" * 7 + b"\x09",
        bytes([0xA0]) + PLAIN[1:12] + b"x" * 7 + b"\xff",
        bytes([0xA0]) + PLAIN[1:12] + b"x" * 7 + b"\x00",
        bytes([0xA0]) + PLAIN[1:12] + b"\x01",
        PLAIN + b"x" * MAX_PAYLOAD_BYTES,
    ],
)
def test_what_is_not_well_formed_is_none(datagram: bytes) -> None:
    assert parse(datagram) is None


def test_the_signalled_source_is_believed_at_once_and_for_good() -> None:
    lock = SourceLock(CALLER)
    assert lock.accepts(CALLER, 1, 0)
    assert not any(lock.accepts(STRANGER, sequence & 0xFFFF, sequence) for sequence in range(10_000))
    assert lock.target == CALLER


def test_a_caller_behind_a_nat_is_believed_after_the_probe() -> None:
    lock = SourceLock(CALLER)
    verdicts = [lock.accepts(NAT, (65530 + index) & 0xFFFF, 20.0 * index) for index in range(50)]
    assert verdicts[:5] == [True] * 5
    assert verdicts[13:] == [True] * 37
    assert lock.target == NAT
    assert not lock.accepts(STRANGER, 1, 2000)


def test_nothing_is_sent_to_a_source_that_is_still_on_probation() -> None:
    lock = SourceLock(CALLER)
    for index in range(10):
        lock.accepts(NAT, index, 20.0 * index)
        assert lock.target == CALLER


@pytest.mark.parametrize("pace_ms", [0.001, 1.0, 20.0])
def test_who_races_the_caller_gets_five_packets_at_most(pace_ms: float) -> None:
    """Acceptance 15: the stranger starts up to 240 ms before the caller does, at any pace."""
    lock = SourceLock(CALLER)
    count = int(240 / pace_ms) if pace_ms >= 1 else 10_000
    accepted = sum(lock.accepts(STRANGER, index & 0xFFFF, index * pace_ms) for index in range(count))
    assert lock.accepts(CALLER, 1, 245)
    accepted += sum(lock.accepts(STRANGER, (count + index) & 0xFFFF, 250 + index) for index in range(1000))
    assert accepted <= 5
    assert lock.target == CALLER


def test_many_strangers_together_get_five_packets_at_most() -> None:
    lock = SourceLock(CALLER)
    assert sum(lock.accepts(("198.51.100.66", 1024 + index), index, index) for index in range(1000)) == 5


def test_random_sequences_never_pass_the_probe() -> None:
    lock = SourceLock(CALLER)
    assert sum(lock.accepts(STRANGER, index * 7919 & 0xFFFF, 20.0 * index) for index in range(1000)) == 5


def test_the_signalled_source_wins_even_after_another_was_believed() -> None:
    lock = SourceLock(CALLER)
    for index in range(100):
        lock.accepts(STRANGER, index, 20.0 * index)
    assert lock.target == STRANGER
    assert lock.accepts(CALLER, 1, 3000)
    assert not lock.accepts(STRANGER, 100, 3001)
    assert lock.target == CALLER


def test_the_signalled_port_at_the_host_of_signalling_needs_no_probe() -> None:
    """A caller with several addresses: SIP and RTP come from one, its SDP names the other."""
    lock = SourceLock(CALLER, "203.0.113.5")
    assert all(lock.accepts(("203.0.113.5", 4000), index, index) for index in range(20))
    assert lock.target == ("203.0.113.5", 4000)


def test_another_port_at_the_host_of_signalling_is_probed_like_any() -> None:
    lock = SourceLock(CALLER, "203.0.113.5")
    assert sum(lock.accepts(NAT, index & 0xFFFF, index * 0.01) for index in range(10_000)) == 5
    assert lock.accepts(CALLER, 1, 200)


def test_a_caller_behind_a_nat_is_believed_though_packets_are_lost_and_overtake() -> None:
    """As a line with 30 ms of jitter delivers: every third packet two places late, every tenth not at all."""
    lock = SourceLock(CALLER, NAT[0])
    order = [n + (2 if n % 3 == 0 else 0) - (1 if n % 3 else 0) for n in range(60) if n % 10 != 7]
    verdicts = [lock.accepts(NAT, (65530 + n) & 0xFFFF, 20.0 * place) for place, n in enumerate(order)]
    assert all(verdicts[8:])
    assert lock.target == NAT


def test_a_stranger_cannot_keep_a_caller_behind_a_nat_from_being_believed() -> None:
    lock = SourceLock(CALLER, NAT[0])
    for index in range(20):
        lock.accepts(STRANGER, index, 20.0 * index)
        lock.accepts(NAT, 900 + index, 20.0 * index + 1)
    assert lock.target == NAT
