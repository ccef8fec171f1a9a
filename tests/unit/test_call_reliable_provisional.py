"""Reliable provisional responses in virtual time (RFC 3262): repeated until PRACK, one after the other."""

from __future__ import annotations

from telephony.call.dialog.reliable_provisional import MAX_QUEUE, ReliableReceiver, ReliableSender, has_tag
from telephony.sip.message import Request, Response, parse, respond
from telephony.sip.transaction_state_tables import T1_S, TIMEOUT_S


def invite() -> Request:
    request = parse(
        b"INVITE sip:bot@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=a\r\n"
        b"To: <sip:bot@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\r\n"
    )
    assert isinstance(request, Request)
    return request


def progress(status: int = 183) -> Response:
    return respond(invite(), status, tag="t")


def prack(response: Response, rack: str = "") -> Request:
    request = invite()
    request.headers.set("RAck", rack or f"{response.headers['RSeq']} 7 INVITE")
    return request


def test_a_response_is_numbered_and_repeated_at_doubling_intervals_for_64_t1() -> None:
    sender = ReliableSender()
    sent = sender.push(progress(), 100.0)
    assert sent is not None and sent.headers["Require"] == "100rel"
    now_s, times = 100.0, []
    while sender.due_s is not None:
        now_s = sender.due_s
        if sender.poll(now_s) is not None:
            times.append(now_s - 100.0)
    assert times == [T1_S * (2**n - 1) for n in range(1, 7)]
    assert sender.expired
    assert now_s == 100.0 + TIMEOUT_S


def test_the_second_waits_for_the_prack_of_the_first_and_has_the_next_number() -> None:
    sender = ReliableSender()
    first = sender.push(progress(180), 0.0)
    assert first is not None
    assert sender.push(progress(183), 0.1) is None
    meant, second = sender.acknowledge(prack(first), 7, 0.2)
    assert meant and second is not None
    assert second.code == 183
    assert int(second.headers["RSeq"]) == int(first.headers["RSeq"]) + 1
    assert not sender.idle
    assert sender.acknowledge(prack(second), 7, 0.3) == (True, None)
    assert sender.idle and sender.due_s is None and sender.poll(99.0) is None


def test_a_prack_for_something_else_means_nothing() -> None:
    sender = ReliableSender()
    first = sender.push(progress(), 0.0)
    assert first is not None
    number = int(first.headers["RSeq"])
    for rack in ("", "nonsense", f"{number} 8 INVITE", f"{number + 1} 7 INVITE", f"{number} 7 BYE", f"{number} 7"):
        wrong = prack(first)
        wrong.headers.set("RAck", rack)
        assert sender.acknowledge(wrong, 7, 0.1) == (False, None)
    assert sender.acknowledge(prack(first), 7, 0.2)[0]
    assert sender.acknowledge(prack(first), 7, 0.3) == (False, None), "once is enough"


def test_what_waits_is_bounded_and_a_final_response_ends_it_all() -> None:
    sender = ReliableSender()
    for _ in range(100):
        sender.push(progress(), 0.0)
    assert len(sender._queue) == MAX_QUEUE
    sender.stop()
    assert sender.idle and not sender.expired and sender.poll(50.0) is None


def reliable(rseq: str, status: int = 183, require: str = "100rel") -> Response:
    response = progress(status)
    response.headers.set("Require", require)
    response.headers.set("RSeq", rseq)
    return response


def test_the_caller_acknowledges_each_once_and_in_order() -> None:
    receiver = ReliableReceiver()
    assert receiver.rack(reliable("5")) == "5 7 INVITE"
    assert receiver.rack(reliable("5")) is None, "a repetition"
    assert receiver.rack(reliable("7")) is None, "number 6 is missing"
    assert receiver.rack(reliable("6")) == "6 7 INVITE"
    assert receiver.rack(reliable("7")) == "7 7 INVITE"


def test_what_is_not_reliable_is_not_acknowledged() -> None:
    for response in (
        reliable("5", require="timer"),
        reliable("x"),
        reliable("-1"),
        reliable("0"),
        reliable("99999999999"),
        reliable("5", status=100),
        progress(),
    ):
        assert ReliableReceiver().rack(response) is None


def test_option_tags_are_found_in_lists_and_in_any_case() -> None:
    assert has_tag(["timer, 100REL"], "100rel")
    assert has_tag(["timer", "100rel"], "100rel")
    assert not has_tag(["100relx"], "100rel")
