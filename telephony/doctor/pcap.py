"""A call as a capture file for Wireshark: SIP messages and RTP packets in frames made up around them.

Addresses, ports and times are the real ones. What went by TCP or TLS is written as UDP, too, in one piece and readable,
so that SIP is decoded whatever carried it. Secrets in the messages are masked already.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable

from telephony.sip_trace import TraceEntry

from .call_trace import CallTrace

MAGIC = 0xA1B23C4D
"""Classic libpcap with nanoseconds."""
LINK_ETHERNET = 1
SNAPLEN = 262_144
MAX_PAYLOAD = 65_535 - 40 - 8
"""What fits into one UDP datagram; more is cut, and the frame says how long it was."""
_US, _THEM = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
_UDP = 17


def write(trace: CallTrace) -> bytes:
    """The whole file. Entries whose addresses cannot be read are left out."""
    entries = sorted((*(e for e in trace.entries if e.data), *trace.rtp), key=lambda entry: entry.wall_s)
    header = struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, SNAPLEN, LINK_ETHERNET)
    return header + b"".join(_records(entries))


def _records(entries: Iterable[TraceEntry]) -> Iterable[bytes]:
    for number, entry in enumerate(entries):
        try:
            frame, cut = _frame(entry, number & 0xFFFF)
        except ValueError:
            continue
        nanoseconds = max(0, round(entry.wall_s * 1e9))
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        yield struct.pack("<IIII", seconds & 0xFFFFFFFF, rest, len(frame), len(frame) + cut) + frame


def _frame(entry: TraceEntry, number: int) -> tuple[bytes, int]:
    """An Ethernet frame, and how many octets did not fit. Raises ValueError for addresses that are none."""
    ours, theirs = _address(entry.local), _address(entry.remote)
    if ours[0].version != theirs[0].version:
        raise ValueError("two families in one packet")
    (source, source_port), (target, target_port) = (ours, theirs) if entry.outgoing else (theirs, ours)
    payload = entry.data[:MAX_PAYLOAD]
    length = 8 + len(payload)
    pseudo = (
        source.packed + target.packed + struct.pack("!HH" if source.version == 4 else "!LL", *_pseudo(source, length))
    )
    datagram = struct.pack("!HHHH", source_port, target_port, length, 0) + payload
    checksum = _checksum(pseudo + datagram) or 0xFFFF
    datagram = datagram[:6] + struct.pack("!H", checksum) + payload
    macs = (_THEM + _US) if entry.outgoing else (_US + _THEM)
    if source.version == 6:
        packet = struct.pack("!IHBB", 0x60000000, length, _UDP, 64) + source.packed + target.packed + datagram
        return macs + b"\x86\xdd" + packet, len(entry.data) - len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, number, 0x4000, 64, _UDP, 0) + source.packed + target.packed
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return macs + b"\x08\x00" + head + datagram, len(entry.data) - len(payload)


def _pseudo(address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> tuple[int, int]:
    """The end of the pseudo header (RFC 768, RFC 8200 section 8.1): protocol and length."""
    return (_UDP, length) if address.version == 4 else (length, _UDP)


def _address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, _, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not 0 <= number < 65536:
        raise ValueError(f"{text!r} is no address with a port")
    return ipaddress.ip_address(host.strip("[]")), number


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
