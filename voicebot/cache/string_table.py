"""A table from texts to texts that is used where it lies in a file: what is not looked up takes no memory.

After D. J. Bernstein's constant database (cr.yp.to/cdb): slots in which the CRC-32 of a key says where to begin, each
the place of a record or 0, in a row until the first 0; then the records.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

import numpy as np

_RECORD = struct.Struct("<HI")
"""Bytes of the key and of the value, which follow it."""
_SLOTS = struct.Struct("<I")
_ROOM = 2
"""Slots for each record: at half of them full, a key is found at the second try on the average."""
LONGEST_KEY = 0xFFFF
"""Bytes."""


class StringTable:
    """The table.

    Args:
        data: what `table_bytes` gave, in memory or mapped.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._count = _SLOTS.unpack_from(data)[0] if len(data) >= _SLOTS.size else 0
        end = _SLOTS.size * (1 + self._count)
        if not self._count or len(data) < end:
            raise ValueError("no table of texts")
        self._slots = data[_SLOTS.size : end].cast("I")

    def get(self, text: str) -> str | None:
        """The value of a key; None for one that is not there."""
        key = text.encode("utf-8", "surrogatepass")
        at = crc32(key) % self._count
        while place := self._slots[at]:
            size, value = _RECORD.unpack_from(self._data, place)
            begin = place + _RECORD.size
            if self._data[begin : begin + size] == key:
                return str(self._data[begin + size : begin + size + value], "utf-8")
            at = (at + 1) % self._count
        return None


def table_bytes(entries: Mapping[str, str]) -> bytes:
    """The table of `entries`, on a machine of little endian order. Raises ValueError: a key is too long."""
    count = _ROOM * len(entries) + 1
    slots = np.zeros(count, "<u4")
    records = bytearray()
    first = _SLOTS.size * (1 + count)
    for text, said in entries.items():
        key, value = text.encode(), said.encode()
        if len(key) > LONGEST_KEY:
            raise ValueError("a key is too long")
        at = crc32(key) % count
        while slots[at]:
            at = (at + 1) % count
        slots[at] = first + len(records)
        records += _RECORD.pack(len(key), len(value)) + key + value
    return _SLOTS.pack(count) + slots.tobytes() + bytes(records)
