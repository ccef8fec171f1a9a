"""TLS without sockets: two ends in one process, bytes carried by hand."""

from __future__ import annotations

import random
import ssl
from itertools import cycle

import pytest

from telephony.sip.tls import ReloadingContext, TlsClient, TlsError, TlsServer
from telephony.sip.tls_stream import TlsStream
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tunnel"))


@pytest.fixture(scope="module")
def serving(authority: Authority) -> ssl.SSLContext:
    return ReloadingContext(TlsServer(*authority.issue("server", dns=["carrier.example"]))).get(0)


@pytest.fixture(scope="module")
def asking(authority: Authority) -> ssl.SSLContext:
    return ReloadingContext(TlsClient(ca=authority.ca)).get(0)


def shake_hands(client: TlsStream, server: TlsStream, piece: int = 1 << 16) -> None:
    """Carry the bytes of both to each other, `piece` at a time, until both are through."""
    client.start()
    server.start()
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            data = one.outgoing()
            for at in range(0, len(data), piece):
                assert other.receive(data[at : at + piece]) == b""
    assert client.finished
    assert server.finished


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
def test_both_ends_understand_each_other_however_the_bytes_are_cut(
    serving: ssl.SSLContext, asking: ssl.SSLContext, piece: int
) -> None:
    client, server = TlsStream(asking, "carrier.example"), TlsStream(serving, None)
    shake_hands(client, server, piece)
    for one, other in ((client, server), (server, client)):
        one.send(b"OPTIONS" * 20_000)
        data = one.outgoing()
        assert b"OPTIONS" not in data
        assert other.receive(data) == b"OPTIONS" * 20_000
    assert client.secured().verified
    assert client.secured().names == ("carrier.example",)
    assert not server.secured().verified


def test_the_wrong_name_ends_it_after_the_handshake_and_before_the_first_word(
    serving: ssl.SSLContext, asking: ssl.SSLContext
) -> None:
    client, server = TlsStream(asking, "evil.example"), TlsStream(serving, None)
    with pytest.raises(TlsError, match=r"is for carrier\.example, not for evil\.example"):
        shake_hands(client, server)
    assert not client.finished


def test_an_unknown_authority_ends_it_and_the_server_is_told(
    serving: ssl.SSLContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"), "Other")
    client, server = (
        TlsStream(ReloadingContext(TlsClient(ca=other.ca)).get(0), "carrier.example"),
        TlsStream(serving, None),
    )
    client.start()
    server.receive(client.outgoing())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.receive(server.outgoing())
    with pytest.raises(ssl.SSLError) as caught:
        server.receive(client.outgoing())
    assert caught.value.reason == "TLSV1_ALERT_UNKNOWN_CA"


def test_an_orderly_end_is_told_apart_from_a_cut_and_brings_the_last_words(
    serving: ssl.SSLContext, asking: ssl.SSLContext
) -> None:
    client, server = TlsStream(asking, "carrier.example"), TlsStream(serving, None)
    shake_hands(client, server)
    client.send(b"BYE")
    client.close()
    assert not server.ended
    assert server.receive(client.outgoing()) == b"BYE"
    assert server.ended
    server.close()
    assert client.receive(server.outgoing()) == b""
    assert client.ended


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 300, "x\0y"])
def test_what_is_no_name_is_refused(asking: ssl.SSLContext, name: str) -> None:
    with pytest.raises(TlsError, match="no certificate can be for"):
        TlsStream(asking, name)


def test_mutated_handshakes_end_in_a_tls_error_or_wait_for_more(
    serving: ssl.SSLContext, asking: ssl.SSLContext
) -> None:
    """3,000 with a fixed seed, at both ends; nothing else is ever raised, and nobody gets in."""
    chance = random.Random(20261121)
    ended = 0
    for _, at_server in zip(range(3000), cycle((True, False)), strict=False):
        client, server = TlsStream(asking, "carrier.example"), TlsStream(serving, None)
        client.start()
        data = bytearray(client.outgoing())
        victim = server
        if not at_server:
            server.receive(bytes(data))
            data, victim = bytearray(server.outgoing()), client
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 5)] = chance.randbytes(chance.randint(0, 5))
        try:
            assert victim.receive(bytes(data)) == b""
        except (ssl.SSLError, TlsError):
            ended += 1
    assert ended > 2000
