"""Whether there is room for one more call: by number, by rate, by the event loop's lag, and while draining."""

from __future__ import annotations

from telephony.call.inbound.admission import LAG_S, RELIEF_S, Admission


def admitted(admission: Admission, calls: int, now_s: float, *, known: bool) -> int:
    """How many of so many calls at one moment come in."""
    return sum(admission.refuses(0, now_s, known=known) is None for _ in range(calls))


def test_calls_over_the_limit_are_refused_and_cost_no_place_in_the_rate() -> None:
    admission = Admission(2, 10)
    for _ in range(100):
        assert admission.refuses(2, 0.0, known=True) == "calls"
    assert admission.refuses(1, 0.0, known=True) is None


def test_a_second_s_worth_may_come_at_once_and_the_rest_evenly() -> None:
    admission = Admission(1000, 20)
    assert admitted(admission, 100, 0.0, known=True) == 20
    assert admitted(admission, 100, 0.5, known=True) == 10
    assert admission.refuses(0, 0.5, known=True) == "calls-per-second"


def test_strangers_leave_half_of_it_to_trunks() -> None:
    admission = Admission(1000, 20)
    assert admitted(admission, 500, 0.0, known=False) == 10
    assert admitted(admission, 500, 0.0, known=True) == 10
    assert admitted(admission, 500, 2.0, known=False) == 10


def test_a_rate_below_one_still_lets_a_call_in_now_and_then() -> None:
    admission = Admission(1000, 0.5)
    assert admission.refuses(0, 0.0, known=False) is None
    assert admission.refuses(0, 1.0, known=False) == "calls-per-second"
    assert admission.refuses(0, 2.0, known=False) is None


def test_a_loop_that_lags_takes_no_calls_for_a_while() -> None:
    admission = Admission(10, 100)
    admission.beat(9.9, 10.0)
    assert admission.full(0, 10.0 + LAG_S / 2) is None
    assert admission.full(0, 10.0 + LAG_S * 2) == "overload", "seen before the timer itself comes"
    admission.beat(10.0 + LAG_S * 2, 20.0)
    assert admission.full(0, 10.0 + LAG_S * 2 + RELIEF_S / 2) == "overload"
    assert admission.full(0, 10.0 + LAG_S * 2 + RELIEF_S) is None


def test_draining_refuses_everything() -> None:
    admission = Admission(10, 100)
    admission.draining = True
    assert admission.refuses(0, 0.0, known=True) == "draining"
