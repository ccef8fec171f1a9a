"""RTP packets, read and written."""

from __future__ import annotations

import struct

import pytest

from telephony.media.rtp import MAX_PAYLOAD_BYTES, pack, parse


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
