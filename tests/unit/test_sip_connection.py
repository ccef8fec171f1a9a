"""One connection on a virtual clock: when a peer that sends too slowly is given up."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from unittest import mock

import pytest

from telephony.sip.connection import QUIET_S, SipConnection
from telephony.sip.hop import Hop
from telephony.sip.tls import ReloadingContext, TlsClient, TlsServer
from telephony.sip.tls_stream import TlsStream
from telephony.sip.transport import SWEEP_S
from tests.certificates import Authority
from tests.unit.virtual_clock import virtual_clock

HEADER = b"OPTIONS sip:bot@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nSubject: " + b"x" * 2000
WHOLE = b"OPTIONS sip:bot@h SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class Owner:
    """Takes every message."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def made(self, connection: SipConnection) -> None:
        """Nothing to note."""

    def joined(self, connection: SipConnection) -> Hop:
        return Hop("tcp", "192.0.2.1", 40000, 1)

    def arrived(self, data: bytes, hop: Hop) -> bool:
        self.messages.append(data)
        return True

    def parted(self, connection: SipConnection) -> None:
        """Nothing to note."""


def connected(owner: Owner, stream: TlsStream | None = None) -> SipConnection:
    transport = mock.Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_extra_info.side_effect = lambda name: {"peername": ("192.0.2.1", 40000)}.get(name, mock.Mock())
    transport.get_write_buffer_size.return_value = 0
    connection = SipConnection(owner, None, stream)
    connection.connection_made(transport)
    return connection


async def lives_s(connection: SipConnection, pieces: Iterable[bytes], every_s: float, most_s: float = 60.0) -> float:
    """How long a connection on which that is sent is left open; it is looked at as the transport looks at it."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    sweep_s = began_s + SWEEP_S - 0.001
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(every_s)
        if loop.time() >= sweep_s:
            sweep_s += SWEEP_S
            if connection.overdue(loop.time()):
                return loop.time() - began_s
        if loop.time() - began_s > most_s:
            break
    return float("inf")


def drip(data: bytes, size: int = 1) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize(
    "begun",
    [
        drip(HEADER),
        drip(HEADER[:30] + b" " * 2000),
        drip(b" " * 2000),
        drip(b"\t" * 2000),
        itertools.chain([b"\r\n\r\n"], drip(HEADER)),
        itertools.chain([b"\r\n"], drip(HEADER)),
        itertools.chain([WHOLE + b"O"], drip(HEADER[1:])),
        itertools.chain([HEADER[:1000]], drip(HEADER[1000:])),
    ],
    ids=["header", "value", "blanks", "tabs", "after a ping", "after a line end", "after a message", "a burst first"],
)
def test_a_header_that_drips_in_ends_its_connection_within_5_s(begun: Iterable[bytes]) -> None:
    """Two bytes a second; acceptance 6."""

    @virtual_clock
    async def run() -> None:
        assert await lives_s(connected(Owner()), begun, 0.5) <= 5.0

    run()


@virtual_clock
async def test_a_body_that_drips_in_ends_its_connection_too() -> None:
    begun = itertools.chain([b"OPTIONS sip:bot@h SIP/2.0\r\nContent-Length: 60000\r\n\r\n"], drip(b"x" * 60_000))
    assert await lives_s(connected(Owner()), begun, 0.5) <= 16.0


@virtual_clock
async def test_a_tls_record_that_drips_in_is_a_header_that_does(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    authority = Authority(tmp_path_factory.mktemp("drip"))
    serving = ReloadingContext(TlsServer(*authority.issue("server", dns=["carrier.example"]))).get(0)
    client = TlsStream(ReloadingContext(TlsClient(ca=authority.ca)).get(0), "carrier.example")
    server = TlsStream(serving, None)
    owner = Owner()
    connection = connected(owner, server)
    transport = connection._transport
    client.start()
    while not (client.finished and server.finished):
        connection.data_received(client.outgoing())
        for call in transport.write.call_args_list:  # type: ignore[union-attr]
            client.receive(call.args[0])
        transport.write.reset_mock()  # type: ignore[union-attr]
    client.send(WHOLE)
    connection.data_received(client.outgoing())
    assert owner.messages == [WHOLE]
    assert not server.partial
    client.send(HEADER)
    record = client.outgoing()
    assert await lives_s(connection, drip(record), 0.5) <= 5.0


@virtual_clock
async def test_messages_in_pieces_and_keepalives_live_on() -> None:
    owner = Owner()
    pieces = itertools.chain.from_iterable([WHOLE[:20], WHOLE[20:] + b"\r\n\r\n", b"\r\n", b"\r\n"] for _ in range(60))
    connection = connected(owner)
    assert await lives_s(connection, pieces, 0.5, 120.0) == float("inf")
    assert len([one for one in owner.messages if one == WHOLE]) == 60
    assert not connection.overdue(connection.last_s + QUIET_S - 1)
