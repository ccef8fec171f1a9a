"""What is kept of the wire, what is masked, and that it stays small."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from telephony import sip_trace as module
from telephony.sip.hop import Hop
from telephony.sip_trace import SipTrace, masked

PEER = Hop("udp", "192.0.2.1", 5070)
LOCAL = "198.51.100.2:5060"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def message(
    start: str = "INVITE sip:bot@h SIP/2.0", call: str = "Call-ID: c1", more: str = "", body: str = ""
) -> bytes:
    return f"{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{call}\r\nCSeq: 1 INVITE\r\n{more}\r\n{body}".encode()


OK = "SIP/2.0 200 OK"


def test_the_messages_of_a_call_come_back_in_order_with_what_was_remarked() -> None:
    trace = SipTrace(wall=Clock(), clock=Clock())
    trace.note(False, PEER, LOCAL, message())
    trace.remark("c1", "SDP agreed: PCMA, 20 ms")
    trace.note(True, Hop("tls", "2001:db8::1", 5061), "[2001:db8::2]:5061", message(OK))
    asked, remark, answer = trace.of("c1")
    assert (asked.outgoing, asked.protocol, asked.local, asked.remote) == (False, "udp", LOCAL, "192.0.2.1:5070")
    assert (remark.remark, remark.data) == ("SDP agreed: PCMA, 20 ms", b"")
    assert (answer.outgoing, answer.protocol, answer.remote) == (True, "tls", "[2001:db8::1]:5061")
    assert asked.wall_s < remark.wall_s < answer.wall_s
    assert trace.of("other") == []


@pytest.mark.parametrize("header", ["Call-ID: c1", "i:c1", "CALL-id  :\r\n  c1", "I :   c1  "])
def test_a_call_is_found_however_its_call_id_is_written(header: str) -> None:
    trace = SipTrace()
    trace.note(False, PEER, LOCAL, message(call=header))
    assert len(trace.of("c1")) == 1


def test_calls_are_listed_with_the_latest_first() -> None:
    trace = SipTrace(wall=Clock(), clock=Clock())
    trace.note(False, PEER, LOCAL, message(call="Call-ID: old"))
    trace.note(True, PEER, LOCAL, message(OK, call="Call-ID: old"))
    trace.note(False, PEER, LOCAL, message("OPTIONS sip:bot@h SIP/2.0", call="Call-ID: new"))
    new, old = trace.calls()
    assert (new.call_id, new.messages, new.answered, new.first) == ("new", 1, False, "OPTIONS sip:bot@h SIP/2.0")
    assert (old.call_id, old.messages, old.answered) == ("old", 2, True)
    assert old.began_s < old.ended_s < new.began_s


@pytest.mark.parametrize(
    ("secret", "data"),
    [
        (b"6629fae4", message(more='Authorization: Digest username="a", response="6629fae4", nonce="n"\r\n')),
        (b"6629fae4", message(more='pRoxy-authorization :Digest username="a",\r\n response = 6629FAE4\r\n'.lower())),
        (b"WVNfX19z", message(body="a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z|2^20|1:4\r\n")),
        (b"7", message("INFO sip:bot@h SIP/2.0", body="Signal=7\r\nDuration=160\r\n".replace("160", "000"))),
        (b"7*", message("INFO sip:bot@h SIP/2.0", body="7*")),
        (b"739", message("NOTIFY sip:bot@h SIP/2.0", body='<kpml-response version="1.0" code="200" digits="739"/>')),
    ],
)
def test_secrets_are_masked_and_nothing_else_moves(secret: bytes, data: bytes) -> None:
    assert data.count(secret) == 1
    trace = SipTrace()
    trace.note(False, PEER, LOCAL, data)
    (entry,) = trace.of("c1")
    assert secret not in entry.data
    assert len(entry.data) == len(data)
    assert b"***" in entry.data or b"=*" in entry.data or entry.data.endswith(b"**")
    assert entry.data == masked(data)


def test_what_is_no_secret_stays() -> None:
    data = message(more="X-Note: response=abc\r\n", body="v=0\r\na=rtpmap:8 PCMA/8000\r\n")
    assert masked(data) == data


def test_a_datagram_without_call_id_is_kept_apart_with_its_reason() -> None:
    trace = SipTrace()
    trace.note(False, PEER, LOCAL, b"\x00\x01 nonsense")
    trace.refused(PEER, LOCAL, b"X" * 70_000, "400 Neither Request Nor Response")
    first, second = trace.malformed()
    assert (first.data, first.remark) == (b"\x00\x01 nonsense", "no Call-ID")
    assert (len(second.data), second.remark) == (module.MAX_MALFORMED_BYTES, "400 Neither Request Nor Response")
    for _ in range(1000):
        trace.refused(PEER, LOCAL, b"x", "y")
    assert len(trace.malformed()) == module.MAX_MALFORMED
    assert trace.calls() == []


def test_a_message_that_was_refused_is_found_with_its_call() -> None:
    trace = SipTrace()
    trace.refused(PEER, LOCAL, message(), "400 Malformed Via")
    (entry,) = trace.of("c1")
    assert (entry.data, entry.remark) == (message(), "400 Malformed Via")


def test_a_flood_does_not_push_out_an_answered_call() -> None:
    trace = SipTrace(limit=1 << 20)
    trace.note(False, PEER, LOCAL, message(call="Call-ID: real"))
    trace.note(True, PEER, LOCAL, message(OK, call="Call-ID: real"))
    for i in range(10_000):
        trace.note(False, PEER, LOCAL, message(call=f"Call-ID: flood{i}", body="x" * 500))
        trace.note(True, PEER, LOCAL, message("SIP/2.0 503 No", call=f"Call-ID: flood{i}"))
    assert len(trace.of("real")) == 2
    assert trace.size <= 1 << 20
    assert trace.of("flood0") == []
    assert len(trace.of("flood9999")) == 2


def test_the_oldest_answered_calls_go_when_there_are_too_many() -> None:
    trace = SipTrace(limit=1 << 20)
    for i in range(5000):
        trace.note(False, PEER, LOCAL, message(call=f"Call-ID: {i}"))
        trace.note(True, PEER, LOCAL, message(OK, call=f"Call-ID: {i}"))
    assert trace.size <= 1 << 20
    assert trace.of("0") == []
    assert len(trace.of("4999")) == 2


def test_one_call_cannot_take_all_the_room_and_keeps_its_beginning() -> None:
    trace = SipTrace(limit=16 << 20)
    for i in range(5000):
        trace.note(False, PEER, LOCAL, message(more=f"X: {i}\r\n", body="y" * 1000))
    kept = trace.of("c1")
    assert trace.size <= module.MAX_CALL_BYTES
    assert b"X: 0\r\n" in kept[0].data
    assert b"X: 4999\r\n" in kept[-1].data


@pytest.mark.parametrize("limit", [500, 10_000])
def test_a_call_larger_than_the_whole_trace_is_bounded(limit: int) -> None:
    trace = SipTrace(limit=limit)
    for _ in range(100):
        trace.note(False, PEER, LOCAL, message(body="y" * 1000))
        assert trace.size <= limit


def test_of_a_message_larger_than_the_whole_trace_the_beginning_is_kept() -> None:
    trace = SipTrace(limit=10_000)
    whole = message(body="y" * 60_000)
    trace.note(False, PEER, LOCAL, whole)
    (entry,) = trace.of("c1")
    assert whole.startswith(entry.data)
    assert entry.remark == f"the first 5000 of {len(whole)} bytes"


def _long_call_ids(trace: SipTrace, i: int) -> None:
    trace.note(False, PEER, LOCAL, f"BYE\r\nCall-ID: \N{GRINNING FACE}{i:0500d}\r\n".encode())


def _no_texts(trace: SipTrace, i: int) -> None:
    trace.note(False, Hop("udp", f"192.0.2.{i % 250}", 1024 + i), f"198.51.100.2:{i}", f"\r\ni:{i}\r\n".encode())


def _huge(trace: SipTrace, i: int) -> None:
    trace.note(i % 2 == 0, PEER, LOCAL, message(OK if i % 3 else "INVITE x", f"i: {i % 50}", body="z" * 130_000))


def _one_call(trace: SipTrace, i: int) -> None:
    trace.note(False, PEER, LOCAL, message(OK, more=f"X: {i}\r\n"))


def _unreadable(trace: SipTrace, i: int) -> None:
    trace.refused(PEER, LOCAL, b"X" * 60_000 + b"\r\ni: %d\r\n" % i, f"400 {i}" + "\N{GRINNING FACE}" * 5000)


def _remarks(trace: SipTrace, i: int) -> None:
    trace.remark(f"c{i % 300}", "\N{GRINNING FACE}" * 5000 + str(i))


def _answered_and_not(trace: SipTrace, i: int) -> None:
    trace.note(False, PEER, LOCAL, message(call=f"i: {i}"))
    if i % 2:
        trace.note(True, PEER, LOCAL, message(OK, call=f"i: {i}"))


@pytest.mark.parametrize("limit", [100_000, 2_000_000])
@pytest.mark.parametrize(
    "load", [_long_call_ids, _no_texts, _huge, _one_call, _unreadable, _remarks, _answered_and_not]
)
def test_no_more_memory_is_taken_than_is_counted_and_allowed(load: Callable[[SipTrace, int], None], limit: int) -> None:
    """Counted by the allocator, with whatever a flood sends."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        trace = SipTrace(limit=limit)
        for i in range(3000):
            load(trace, i)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    fixed = 3000  # the trace itself, empty
    assert taken - fixed <= trace.size <= limit
    assert trace.size < 5 * taken  # and the room is used


def test_ten_thousand_calls_are_counted_exactly() -> None:
    """The sums agree with what is kept, after every kind of eviction."""
    trace = SipTrace(limit=1 << 19)
    for i in range(10_000):
        call = f"Call-ID: {i % 700}"
        trace.note(
            False, PEER, LOCAL, message(OK if i % 3 == 0 else "BYE sip:a@b SIP/2.0", call=call, body="z" * (i % 900))
        )
    cost = 0
    for one in trace.calls():
        cost += module.CALL_BYTES + sys.getsizeof(one.call_id)
        for entry in trace.of(one.call_id):
            cost += module.ENTRY_BYTES
            cost += sum(map(sys.getsizeof, (entry.data, entry.local, entry.remote, entry.remark)))
    assert trace.size == cost
