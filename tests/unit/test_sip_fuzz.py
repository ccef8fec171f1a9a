"""Mutated datagrams straight into the core; the oracle is "only documented exceptions" (fixed seed)."""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Iterator

import pytest

from telephony.sip.dialog import Dialog
from telephony.sip.digest import Challenge
from telephony.sip.framing import Framer, FramingError
from telephony.sip.hop import Hop, stamp
from telephony.sip.message import Request, Response, SipError, encode, parse, respond
from telephony.sip.transaction import Arrived, Transactions

SEED = 20261121
ROUNDS = 10_000
HOP = Hop("udp", "192.0.2.1", 5070)

REQUEST = (
    b"%s sip:bot@192.0.2.9;transport=udp SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK%d;rport\r\n"
    b'v: SIP/2.0/TCP p.test;branch=z9hG4bKp\r\nFrom: "Ann \\" B" <sip:a%%20n@b;x=1>;tag=f\r\nTo: <sip:bot@b>\r\n'
    b"Call-ID: c%d\r\nCSeq: 5 %s\r\nContact: <sip:ann@192.0.2.1:5070>;q=0.5\r\n"
    b"Record-Route: <sip:p1.test;lr>,<sip:p2.test>\r\n"
    b"Max-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
)
DICTIONARY = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n ",
        b"\x00",
        b'"',
        b"<",
        b">",
        b";",
        b",",
        b":",
        b"@",
        b"\\",
        b"%",
        b"%00",
        b"%0d%0a",
    ),
    *(
        b";self=1",
        b";tag=",
        b";lr",
        b"sip:",
        b"sips:",
        b"tel:",
        b"[::1]",
        b"[",
        b":70000",
        b"99999999999999999999",
        b"-1",
    ),
    *(
        b"\xff\xfe",
        "é漢".encode(),
        b"SIP/2.0",
        b"SIP/9.9",
        b"Via:",
        b"Content-Length: 0\r\n",
        b"*",
        b"A" * 5000,
        b" " * 300,
    ),
    *(b'";a="' * 200, b";a=b" * 500, b"Route: <sip:x>\r\n" * 100),
]


@contextlib.contextmanager
def heap_set_aside() -> Iterator[None]:
    """What other tests have left behind is not looked through again by the garbage collector in the meantime."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def mutated(chance: random.Random, data: bytes, most: int = 8) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0:
                changed[at : at + 1] = chance.randbytes(1)
            case 1:
                del changed[at : at + chance.randint(1, 60)]
            case 2:
                changed[at:at] = chance.choice(DICTIONARY)
            case 3:
                begin = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[begin : begin + chance.randint(1, 80)]
            case _:
                changed[at : at + 4] = chance.choice(DICTIONARY)
    return bytes(changed)


def datagram(chance: random.Random, number: int) -> bytes:
    method = chance.choice([b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REGISTER"])
    data = REQUEST % (method, number % 50, number % 50, method)
    if chance.random() < 0.3:
        data = b"SIP/2.0 200 OK" + data[data.index(b"\r\n") :]
    return mutated(chance, data)


def test_mutated_datagrams_raise_only_what_is_documented_and_quickly() -> None:
    chance = random.Random(SEED)
    transactions = Transactions(limit=200)
    understood = slowest_s = 0.0
    with heap_set_aside():
        for number in range(ROUNDS):
            data = datagram(chance, number)
            began_s = time.thread_time()
            understood += handle(data, transactions, number / 100)
            slowest_s = max(slowest_s, time.thread_time() - began_s)
            transactions.poll(number / 100)
    assert understood > ROUNDS / 20, "the mutations leave nothing to test behind the parser"
    print(f"{ROUNDS} datagrams, slowest {1000 * slowest_s:.1f} ms of the processor's time")
    assert slowest_s < 0.05


def handle(data: bytes, transactions: Transactions, now_s: float) -> bool:
    """What the endpoint and the agent do with a datagram. Returns whether it was understood."""
    try:
        message = parse(data)
    except SipError as error:
        refused = error
    else:
        answer_what_comes(message, transactions, now_s)
        return True
    assert 400 <= refused.status <= 513
    if refused.request is not None:
        assert_one_message(encode(respond(refused.request, refused.status, refused.reason, tag="t")))
    return False


def answer_what_comes(message: Request | Response, transactions: Transactions, now_s: float) -> None:
    if isinstance(message, Response):
        assert transactions.receive(message, HOP, now_s) == []
        return
    stamp(message, HOP)
    for output in transactions.receive(message, HOP, now_s):
        if isinstance(output, Arrived) and output.transaction is not None:
            answer(transactions, output, message, now_s)


def answer(transactions: Transactions, arrived: Arrived, request: Request, now_s: float) -> None:
    assert arrived.transaction is not None
    status = 200
    try:
        dialog = Dialog.as_server(request, "mine", HOP)
        assert_one_message(encode(dialog.request("BYE", via="UDP 192.0.2.9:5060")))
    except SipError as error:
        status = error.status
    response = respond(request, status, tag="mine")
    assert_one_message(encode(response))
    transactions.respond(arrived.transaction, response, now_s)


def assert_one_message(data: bytes) -> None:
    """Nothing that a peer sent ends our header or adds a line to it."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b""
    assert not set(head.replace(b"\r\n", b"")) & {0, 10, 13}
    for line in head.split(b"\r\n")[1:]:
        name = line.split(b":")[0]
        assert name in (
            *(
                b"Via",
                b"From",
                b"To",
                b"Call-ID",
                b"CSeq",
                b"Content-Length",
                b"Max-Forwards",
                b"Route",
                b"Record-Route",
            ),
        ), line


def test_mutated_streams_raise_only_framing_errors() -> None:
    chance = random.Random(SEED)
    for number in range(1000):
        framer = Framer()
        stream = datagram(chance, number) + REQUEST % (b"BYE", 1, 1, b"BYE")
        try:
            while stream:
                cut = chance.randint(1, 200)
                for message in framer.feed(stream[:cut]):
                    assert message
                stream = stream[cut:]
        except FramingError:
            continue


@pytest.mark.parametrize("seed", range(3))
def test_mutated_challenges_raise_only_value_errors(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(1000):
        data = mutated(chance, b'Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=MD5, opaque=""')
        try:
            Challenge.parse(data.decode("latin-1"))
        except ValueError:
            continue
