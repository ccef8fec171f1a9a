"""The handshake of DTLS-SRTP between two of us, with a network that is a list and a worker that works at once."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from telephony.media.dtls import MAX_DATAGRAMS, MAX_FOREIGN, MTU_BYTES, Association, DtlsConnection, identity
from telephony.media.rtp import Address
from telephony.media.srtp import Keys
from telephony.sdp.agreement import Handshake

NAME, DIGEST = identity().fingerprint.split()
US, THEM, STRANGER = ("192.0.2.9", 20000), ("192.0.2.1", 4000), ("198.51.100.66", 9)


def handshake(active: bool, digest: str = DIGEST) -> Handshake:
    return Handshake(active, ((NAME, digest),))


def meet(first: DtlsConnection, second: DtlsConnection) -> None:
    flight = first.step([])
    for _ in range(10):
        flight = second.step(flight)
        flight = first.step(flight)


def test_both_sides_get_the_same_keys_the_other_way_round() -> None:
    client, server = DtlsConnection(handshake(True)), DtlsConnection(handshake(False))
    meet(client, server)
    assert client.keys is not None
    assert server.keys == Keys(client.keys.suite, client.keys.theirs, client.keys.ours)
    assert (client.failed, server.failed) == ("", "")


def test_each_call_has_its_own_keys() -> None:
    seen = set()
    for _ in range(3):
        client, server = DtlsConnection(handshake(True)), DtlsConnection(handshake(False))
        meet(client, server)
        assert client.keys is not None
        seen |= {client.keys.ours, client.keys.theirs}
    assert len(seen) == 6


@pytest.mark.parametrize("active", [True, False])
def test_a_certificate_that_is_not_the_one_of_the_sdp_gives_no_keys(active: bool) -> None:
    fooled, other = DtlsConnection(handshake(active, "00:" * 31 + "00")), DtlsConnection(handshake(not active))
    meet(*((fooled, other) if active else (other, fooled)))
    assert fooled.keys is None
    assert "certificate" in fooled.failed


def test_no_record_is_cut_and_no_datagram_is_longer_than_fits() -> None:
    client, server = DtlsConnection(handshake(True)), DtlsConnection(handshake(False))
    flight = client.step([])
    for connection in (server, client, server):
        for datagram in flight:
            assert 13 < len(datagram) <= MTU_BYTES
            rest = datagram
            while rest:
                rest = rest[13 + int.from_bytes(rest[11:13], "big") :]
        flight = connection.step(flight)


def test_noise_neither_ends_nor_fools_the_handshake() -> None:
    dice = random.Random(6347)
    client, server = DtlsConnection(handshake(True)), DtlsConnection(handshake(False))
    flight = client.step([])
    for _ in range(300):
        server.step([bytes((22, 254, 253)) + dice.randbytes(dice.randrange(200))])
    flight = server.step(flight)
    assert server.keys is None
    for _ in range(5):
        flight = client.step(flight)
        flight = server.step(flight)
    assert client.keys is not None


class Side:
    """An association whose work waits until it is told to go on, as a worker's would."""

    def __init__(self, active: bool, remote: Address) -> None:
        self.works: list[Callable[[], None]] = []
        self.association = Association(handshake(active), remote, self.works.append)
        self.now_ms = 0.0

    def turn(self) -> list[tuple[bytes, Address]]:
        self.now_ms += 20
        sent = self.association.turn(self.now_ms)
        for work in self.works:
            work()
        self.works.clear()
        return sent


def converse(first: Side, second: Side, turns: int) -> None:
    for _ in range(turns):
        for side, other, source in ((first, second, US), (second, first, THEM)):
            for datagram, _ in side.turn():
                other.association.arrived(datagram, source)
        if first.association.keys and second.association.keys:
            return


def test_associations_meet_over_the_engine_turns() -> None:
    first, second = Side(True, THEM), Side(False, US)
    converse(first, second, turns=20)
    assert first.association.keys is not None
    assert second.association.keys is not None


def test_the_engine_never_waits_for_the_work() -> None:
    side = Side(True, THEM)
    assert side.association.turn(20) == []
    assert len(side.works) == 1
    for now_ms in range(40, 2000, 20):
        assert side.association.turn(now_ms) == []
    assert len(side.works) == 1


def test_a_peer_behind_a_nat_is_answered_where_it_comes_from() -> None:
    server, client = Side(False, ("10.0.0.5", 4000)), Side(True, US)
    client.turn()
    for datagram, _ in client.turn():
        server.association.arrived(datagram, THEM)
    server.turn()
    assert {address for _, address in server.turn()} == {THEM}


def test_once_the_signalled_address_speaks_no_other_is_heard() -> None:
    server = Side(False, THEM)
    server.association.arrived(b"\x16" * 20, THEM)
    server.association.arrived(b"\x16" * 20, STRANGER)
    assert len(server.association._arrived) == 1


def test_strangers_and_floods_cost_a_bounded_number_of_steps() -> None:
    server = Side(False, THEM)
    for _ in range(10 * MAX_FOREIGN):
        server.association.arrived(b"\x16junk", STRANGER)
        server.turn()
    assert server.association._left == MAX_DATAGRAMS - MAX_FOREIGN
    for _ in range(2 * MAX_DATAGRAMS):
        server.association.arrived(b"\x16junk", THEM)
    assert server.association._left == 0


def test_a_handshake_that_nobody_answers_is_given_up() -> None:
    side = Side(True, THEM)
    for _ in range(31_000 // 20):
        side.turn()
    assert side.works == []
    side.association.turn(40_000)
    assert side.works == []


def test_the_identity_names_nobody_and_is_made_once() -> None:
    assert identity() is identity()
    assert identity().certificate.subject.rfc4514_string() == "CN=voice"
