"""UDP for the engine's thread: reads and writes that keep the interpreter's lock.

`socket.sendto` gives the lock up around each system call. With a busy event loop it comes back only after the switch
interval, so fifty packets of one tick took fifty milliseconds (measured at 200 calls: outgoing gap p99 34 ms while
the loop was held 100 ms each second). These calls never block, so there is nothing to gain from giving it up;
`ctypes.PyDLL` keeps it. Reads come in batches besides (recvmmsg of Linux). Elsewhere the socket module does both.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from functools import lru_cache
from typing import Any, Protocol

from .rtp import Address

MAX_DATAGRAM_BYTES = 2048
"""What is longer is cut, and refused as longer than any packet of ours."""
BATCH = 16

_MSG_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)
_IPV4 = struct.Struct("=H2s4s8x")
_IPV6 = struct.Struct("=H2s4x16s4x")

Datagrams = list[tuple[bytes, Address]]


class Udp(Protocol):
    """How the engine reads and writes; one object for all its sockets, for one thread."""

    def send(self, sock: socket.socket, data: bytes, address: Address) -> None:
        """Send, or drop what the network does not take now."""
        ...

    def receive(self, sock: socket.socket) -> Datagrams:
        """What has arrived, at most `BATCH`; empty when there is nothing."""
        ...


class SocketUdp:
    """By the socket module, for any system."""

    def send(self, sock: socket.socket, data: bytes, address: Address) -> None:
        try:
            sock.sendto(data, address)
        except OSError:
            return

    def receive(self, sock: socket.socket) -> Datagrams:
        datagrams: Datagrams = []
        try:
            while len(datagrams) < BATCH:
                data, source = sock.recvfrom(MAX_DATAGRAM_BYTES)
                datagrams.append((data, source[:2]))
        except OSError:
            pass
        return datagrams


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr, recvmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr, recvmmsg(2)."""

    _fields_ = (("header", _Header), ("received", ctypes.c_uint32))


class LinuxUdp:
    """By libc, keeping the interpreter's lock; for sockets of one address family."""

    def __init__(self, family: socket.AddressFamily) -> None:
        libc: Any = ctypes.PyDLL(None)
        self._sendto = libc.sendto
        number, data, size = ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t
        self._sendto.argtypes = [number, data, size, number, data, ctypes.c_uint32]
        self._recvmmsg = libc.recvmmsg
        self._recvmmsg.argtypes = [number, ctypes.c_void_p, ctypes.c_uint, number, ctypes.c_void_p]
        self._name_length = _IPV4.size if family == socket.AF_INET else _IPV6.size
        self._data = bytearray(BATCH * MAX_DATAGRAM_BYTES)
        self._names = bytearray(BATCH * self._name_length)
        self._messages = (_Message * BATCH)()
        self._iovecs = (_Iovec * BATCH)()
        data_at = ctypes.addressof(ctypes.c_char.from_buffer(self._data))
        names_at = ctypes.addressof(ctypes.c_char.from_buffer(self._names))
        for index, (message, iovec) in enumerate(zip(self._messages, self._iovecs, strict=True)):
            iovec.base, iovec.length = data_at + index * MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES
            header = message.header
            header.name, header.name_length = names_at + index * self._name_length, self._name_length
            header.iov, header.iov_length = ctypes.addressof(iovec), 1
        self._vector = ctypes.addressof(self._messages)
        self._data_view, self._names_view = memoryview(self._data), memoryview(self._names)
        self._first_name = self._names_view[: self._name_length]
        words = memoryview(self._messages).cast("B").cast("I")  # looking them up in the structures takes longer
        self._lengths = words[_Message.received.offset // 4 :: ctypes.sizeof(_Message) // 4]

    def send(self, sock: socket.socket, data: bytes, address: Address) -> None:
        name = pack_address(address)
        self._sendto(sock.fileno(), data, len(data), _MSG_DONTWAIT, name, len(name))

    def receive(self, sock: socket.socket) -> Datagrams:
        count = self._recvmmsg(sock.fileno(), self._vector, BATCH, _MSG_DONTWAIT, None)
        if count == 1:  # nearly always
            source = unpack_address(bytes(self._first_name))
            return [(bytes(self._data_view[: self._lengths[0]]), source)]
        datagrams: Datagrams = []
        for index in range(count):
            start, name = index * MAX_DATAGRAM_BYTES, index * self._name_length
            data = bytes(self._data_view[start : start + self._lengths[index]])
            datagrams.append((data, unpack_address(bytes(self._names_view[name : name + self._name_length]))))
        return datagrams


@lru_cache(maxsize=4096)
def pack_address(address: Address) -> bytes:
    """As struct sockaddr_in or sockaddr_in6 of Linux."""
    host, port = address
    if ":" in host:
        return _IPV6.pack(socket.AF_INET6, port.to_bytes(2, "big"), socket.inet_pton(socket.AF_INET6, host))
    return _IPV4.pack(socket.AF_INET, port.to_bytes(2, "big"), socket.inet_pton(socket.AF_INET, host))


@lru_cache(maxsize=4096)
def unpack_address(name: bytes) -> Address:
    """The other way round."""
    family, port, host = (_IPV4 if len(name) == _IPV4.size else _IPV6).unpack(name)
    return socket.inet_ntop(family, host), int.from_bytes(port, "big")


def make_udp(family: socket.AddressFamily) -> Udp:
    """The best there is on this system."""
    return LinuxUdp(family) if sys.platform == "linux" else SocketUdp()
