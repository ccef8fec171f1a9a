"""Transactions against a virtual clock: who sends what, when (RFC 3261 section 17)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from telephony.sip import transaction_state_tables
from telephony.sip.grammar import Via
from telephony.sip.hop import Hop, answer_hop, stamp
from telephony.sip.message import Request, Response, parse, read_head, respond
from telephony.sip.transaction import (
    Answered,
    Arrived,
    Failed,
    Output,
    Overloaded,
    Send,
    Transaction,
    Transactions,
)

UDP = Hop("udp", "192.0.2.1", 5070)
TCP = Hop("tcp", "192.0.2.1", 5070, 1)


def incoming(
    method: str = "INVITE", branch: str = "z9hG4bK1", seq_method: str = "", call: str = "c", via: str = ""
) -> Request:
    message = parse(
        f"{method} sip:bot@192.0.2.9 SIP/2.0\r\nVia: {via or 'SIP/2.0/UDP 192.0.2.1:5070'};branch={branch};rport\r\n"
        f"From: <sip:a@b>;tag=f\r\nTo: <sip:bot@b>\r\nCall-ID: {call}\r\n"
        f"CSeq: 1 {seq_method or method}\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    stamp(message, UDP)
    return message


def outgoing(method: str) -> Request:
    request = incoming(method, branch="z9hG4bKours")
    request.head = read_head(request.headers)
    return request


def response_to(request: Request, status: int) -> Response:
    return respond(request, status, tag="t")


class Clock:
    """Runs timers in their order and keeps what was sent, with its time."""

    def __init__(self, transactions: Transactions) -> None:
        self.now_s = 0.0
        self.transactions = transactions
        self.outputs: list[tuple[float, Output]] = []

    def take(self, outputs: list[Output]) -> list[Output]:
        self.outputs += [(self.now_s, output) for output in outputs]
        return outputs

    def run_until(self, end_s: float) -> None:
        while (due_s := self.transactions.next_s()) is not None and due_s <= end_s:
            self.now_s = due_s
            self.take(self.transactions.poll(due_s))
        self.now_s = end_s

    def sent_at(self) -> list[float]:
        return [at for at, output in self.outputs if isinstance(output, Send)]


def start_client(method: str, hop: Hop = UDP) -> tuple[Clock, Transaction]:
    clock = Clock(Transactions())
    transaction, outputs = clock.transactions.request(outgoing(method), hop, 0.0)
    clock.take(outputs)
    return clock, transaction


def start_server(method: str, hop: Hop = UDP) -> tuple[Clock, Transaction]:
    clock = Clock(Transactions())
    (arrived,) = clock.take(clock.transactions.receive(incoming(method), hop, 0.0))
    assert isinstance(arrived, Arrived)
    assert arrived.transaction is not None
    return clock, arrived.transaction


def test_an_invite_without_response_goes_out_seven_times_and_times_out_after_32_s() -> None:
    clock, transaction = start_client("INVITE")
    clock.run_until(100)
    assert clock.sent_at() == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert clock.outputs[-1] == (32.0, Failed(transaction, 408))
    assert len(clock.transactions) == 0


def test_another_request_goes_out_every_4_s_in_the_end() -> None:
    clock, transaction = start_client("BYE")
    clock.run_until(100)
    assert clock.sent_at() == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert clock.outputs[-1] == (32.0, Failed(transaction, 408))


def test_nothing_is_sent_again_over_tcp() -> None:
    for method in ("INVITE", "BYE"):
        clock, _ = start_client(method, TCP)
        clock.run_until(31)
        assert clock.sent_at() == [0]


def test_a_provisional_response_stops_the_invite_and_slows_others() -> None:
    clock, transaction = start_client("INVITE")
    clock.take(clock.transactions.receive(response_to(transaction.request, 180), UDP, 0.1))
    clock.run_until(100)
    assert clock.sent_at() == [0]
    clock, transaction = start_client("BYE")
    clock.take(clock.transactions.receive(response_to(transaction.request, 100), UDP, 0.1))
    clock.run_until(10)
    assert clock.sent_at() == [0, 0.5, 4.5, 8.5]


def test_a_refused_invite_is_acknowledged_each_time_and_reported_once() -> None:
    clock, transaction = start_client("INVITE")
    for _ in range(3):
        clock.take(clock.transactions.receive(response_to(transaction.request, 486), UDP, 1.0))
    acks = [o.data for _, o in clock.outputs if isinstance(o, Send) and o.data.startswith(b"ACK ")]
    assert len(acks) == 3
    assert b"branch=z9hG4bKours" in acks[0]
    assert b";tag=t\r\n" in acks[0]
    assert sum(isinstance(o, Answered) for _, o in clock.outputs) == 1
    clock.run_until(33.1)
    assert len(clock.transactions) == 0


def test_every_200_to_an_invite_is_passed_up_and_never_acknowledged_here() -> None:
    clock, transaction = start_client("INVITE")
    for _ in range(3):
        clock.take(clock.transactions.receive(response_to(transaction.request, 200), UDP, 0.2))
    assert sum(isinstance(o, Answered) for _, o in clock.outputs) == 3
    assert clock.sent_at() == [0]


def test_a_stray_response_is_dropped() -> None:
    clock, transaction = start_client("BYE")
    stray = response_to(incoming("BYE", branch="z9hG4bKother"), 200)
    assert clock.transactions.receive(stray, UDP, 0.1) == []
    two_hops = response_to(transaction.request, 200)
    two_hops.headers.add("Via", "SIP/2.0/UDP other")
    assert clock.transactions.receive(two_hops, UDP, 0.1) == []


def test_a_lost_connection_fails_requests_on_it() -> None:
    clock, transaction = start_client("BYE", TCP)
    assert clock.transactions.lost(TCP, 1.0) == [Failed(transaction, 503)]
    assert clock.transactions.lost(TCP, 1.0) == []


def test_a_retransmitted_invite_gets_the_last_response_and_no_second_call() -> None:
    clock, transaction = start_server("INVITE")
    assert clock.transactions.receive(incoming(), UDP, 0.1) == []
    clock.transactions.respond(transaction, response_to(transaction.request, 180), 0.2)
    (again,) = clock.transactions.receive(incoming(), UDP, 0.5)
    assert isinstance(again, Send)
    assert again.data.startswith(b"SIP/2.0 180")


def test_a_refusal_is_repeated_until_the_ack_and_given_up_after_32_s() -> None:
    clock, transaction = start_server("INVITE")
    clock.take(clock.transactions.respond(transaction, response_to(transaction.request, 486), 0.0))
    clock.run_until(100)
    assert clock.sent_at() == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert len(clock.transactions) == 0

    clock, transaction = start_server("INVITE")
    clock.take(clock.transactions.respond(transaction, response_to(transaction.request, 486), 0.0))
    clock.run_until(1.0)
    assert clock.transactions.receive(incoming("ACK"), UDP, 1.0) == []
    clock.run_until(100)
    assert clock.sent_at() == [0, 0.5]
    assert len(clock.transactions) == 0


def test_after_a_200_retransmissions_are_absorbed_and_the_ack_goes_up() -> None:
    clock, transaction = start_server("INVITE")
    clock.take(clock.transactions.respond(transaction, response_to(transaction.request, 200), 0.0))
    assert clock.transactions.receive(incoming(), UDP, 0.1) == []
    (ack,) = clock.transactions.receive(incoming("ACK", branch="z9hG4bKother"), UDP, 0.2)
    assert isinstance(ack, Arrived)
    assert ack.transaction is None
    clock.run_until(33)
    assert len(clock.transactions) == 0


def test_a_cancel_finds_its_invite() -> None:
    clock, transaction = start_server("INVITE")
    assert clock.transactions.invite_of(incoming("CANCEL")) is transaction
    assert clock.transactions.invite_of(incoming("CANCEL", branch="z9hG4bKother")) is None


def test_an_old_client_without_unique_branch_is_matched_by_its_request() -> None:
    clock = Clock(Transactions())
    (first,) = clock.transactions.receive(incoming(branch="1"), UDP, 0.0)
    assert isinstance(first, Arrived)
    assert clock.transactions.receive(incoming(branch="1"), UDP, 0.1) == []
    (other,) = clock.transactions.receive(incoming(branch="1", call="d"), UDP, 0.1)
    assert isinstance(other, Arrived)


def test_the_same_invite_by_another_way_is_merged() -> None:
    clock, _ = start_server("INVITE")
    (second,) = clock.transactions.receive(incoming(branch="z9hG4bK2"), UDP, 0.1)
    assert isinstance(second, Arrived)
    assert second.merged


def test_a_non_invite_response_is_kept_for_32_s() -> None:
    clock, transaction = start_server("OPTIONS")
    clock.transactions.respond(transaction, response_to(transaction.request, 200), 0.0)
    clock.run_until(31.9)
    assert isinstance(clock.transactions.receive(incoming("OPTIONS"), UDP, 31.9)[0], Send)
    clock.run_until(32.1)
    assert len(clock.transactions) == 0


def test_a_flood_from_one_source_is_bounded_and_leaves_room_for_others() -> None:
    clock = Clock(Transactions(limit=100, limit_per_source=60))
    outputs = [
        clock.transactions.receive(incoming(branch=f"z9hG4bK{n}", call=f"{n}"), UDP, 0.0)[0] for n in range(5000)
    ]
    assert sum(isinstance(o, Arrived) for o in outputs) == 60
    assert sum(isinstance(o, Overloaded) for o in outputs) == 4940
    other = Hop("udp", "192.0.2.77", 5070)
    assert isinstance(clock.transactions.receive(incoming(branch="z9hG4bKx", call="x"), other, 0.0)[0], Arrived)
    assert clock.transactions.crowded


def test_a_dismissed_request_leaves_no_state() -> None:
    clock, transaction = start_server("INVITE")
    (sent,) = clock.transactions.dismiss(transaction, response_to(transaction.request, 503))
    assert isinstance(sent, Send)
    assert len(clock.transactions) == 0
    assert isinstance(clock.transactions.receive(incoming(), UDP, 0.5)[0], Arrived)


@pytest.mark.parametrize(
    "rows",
    [
        transaction_state_tables.INVITE_CLIENT,
        transaction_state_tables.OTHER_CLIENT,
        transaction_state_tables.INVITE_SERVER,
        transaction_state_tables.OTHER_SERVER,
    ],
)
def test_every_state_of_a_table_can_be_left(rows: transaction_state_tables.Table) -> None:
    """From each state that a row leads to, "terminated" is reachable, or the state waits for its user's answer."""
    edges: dict[str, set[str]] = {}
    for (state, _), (following, _) in rows.items():
        edges.setdefault(state, set()).add(following)
    for begin in edges:
        seen = {begin}
        while new := {n for s in seen for n in edges.get(s, ())} - seen:
            seen |= new
        assert "terminated" in seen, begin


def test_intervals_double() -> None:
    clock, _ = start_client("INVITE")
    clock.run_until(40)
    gaps = [later - earlier for earlier, later in pairwise(clock.sent_at())]
    assert gaps == [0.5, 1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5099", 5099),
        ("SIP/2.0/UDP 192.0.2.1", 5060),
        ("SIP/2.0/UDP 192.0.2.1:5099;rport", 5070),
        ("SIP/2.0/UDP 10.0.0.4:5099", 5070),
        ("SIP/2.0/UDP phone.example.com", 5070),
        ("SIP/2.0/UDP 192.0.2.1:5099;maddr=198.51.100.1;received=198.51.100.1", 5099),
    ],
)
def test_an_answer_goes_to_the_source_and_behind_a_nat_to_its_port(via: str, port: int) -> None:
    assert answer_hop(Via.parse(via), UDP) == Hop("udp", "192.0.2.1", port)
