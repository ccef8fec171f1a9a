"""Both ways of reading and writing datagrams do the same."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from telephony.media.udp import (
    BATCH,
    MAX_DATAGRAM_BYTES,
    LinuxUdp,
    SocketUdp,
    Udp,
    make_udp,
    pack_address,
    unpack_address,
)

Pair = tuple[Udp, socket.socket, socket.socket]
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="recvmmsg is Linux's")


@pytest.fixture(
    params=[
        (SocketUdp, "127.0.0.1"),
        (SocketUdp, "::1"),
        pytest.param((LinuxUdp, "127.0.0.1"), marks=LINUX_ONLY),
        pytest.param((LinuxUdp, "::1"), marks=LINUX_ONLY),
    ],
    ids=lambda param: f"{param[0].__name__}-{param[1]}",
)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    kind, host = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as first, socket.socket(family, socket.SOCK_DGRAM) as second:
        for one in (first, second):
            one.setblocking(False)
            one.bind((host, 0))
        yield kind(family) if kind is LinuxUdp else kind(), first, second


def test_datagrams_arrive_in_order_with_their_source(pair: Pair) -> None:
    udp, first, second = pair
    sent = [bytes([index]) * (index + 1) for index in range(BATCH + 4)]
    for data in sent:
        udp.send(first, data, second.getsockname()[:2])
    received = udp.receive(second)
    assert len(received) == BATCH
    received += udp.receive(second)
    assert [data for data, _ in received] == sent
    assert {source for _, source in received} == {first.getsockname()[:2]}


def test_nothing_there_is_an_empty_list(pair: Pair) -> None:
    udp, first, _ = pair
    assert udp.receive(first) == []


def test_empty_and_oversized_datagrams_do_no_harm(pair: Pair) -> None:
    udp, first, second = pair
    for size in (0, 60_000, 3):
        udp.send(first, b"x" * size, second.getsockname()[:2])
    assert [len(data) for data, _ in udp.receive(second)] == [0, MAX_DATAGRAM_BYTES, 3]


def test_what_the_network_refuses_is_dropped(pair: Pair) -> None:
    udp, first, second = pair
    udp.send(first, b"x" * 70_000, second.getsockname()[:2])
    udp.send(first, b"x", second.getsockname()[:2])
    assert [data for data, _ in udp.receive(second)] == [b"x"]


@pytest.mark.parametrize("address", [("192.0.2.255", 65535), ("2001:db8::ff", 1)])
def test_addresses_survive_packing(address: tuple[str, int]) -> None:
    assert unpack_address(pack_address(address)) == address


@LINUX_ONLY
def test_linux_gets_the_fast_one() -> None:
    assert isinstance(make_udp(socket.AF_INET), LinuxUdp)
