"""Figures are honest: nothing with a latency is left out, and what has none is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebot.bench.call_plan import CallReport, MeasuredTurn, TurnKind, TurnStatus
from voicebot.bench.latency_figures import LatencyBudget, as_text, figures, spread
from voicebot.bench.latency_plot import draw


def report(
    *turns: tuple[TurnKind, TurnStatus, float | None], greeting_ms: float | None = 40.0, failure: str = ""
) -> CallReport:
    made = [MeasuredTurn(kind, "x", status, latency) for kind, status, latency in turns]
    return CallReport("order", failure=failure, greeting_ms=greeting_ms, seconds=10.0, ended_by="caller", turns=made)


GOOD = report(("free", "answered", 300.0), ("digits", "answered", 500.0), ("yesno", "answered", 200.0))


def test_percentiles_are_of_all_values() -> None:
    values = [float(i) for i in range(101)]
    assert spread(values) == {"n": 101, "p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert spread([*values, 5000.0])["max"] == 5000.0
    assert spread([]) == {"n": 0}


def test_a_good_run_is_ok_and_counted_by_kind() -> None:
    found = figures([GOOD, GOOD], LatencyBudget.parse("p50=400,p95=700"), cpu_s=0.1)
    assert found["ok"]
    assert found["by_kind"]["free"]["n"] == 2
    assert "keys" not in found["by_kind"]
    assert found["server_cpu_ms_per_call_second"] == 5.0
    assert as_text(found).endswith("met")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (report(("free", "unanswered", None)), "1 turns were not answered"),
        (report(("free", "cut-off", None)), "1 callers were talked over"),
        (report(("free", "call-over", None)), "1 calls were ended by the server"),
        (report(greeting_ms=None), "1 calls had no greeting"),
        (report(failure="486 Busy Here", greeting_ms=None), "1 calls failed"),
        (report(*[("free", "answered", 9000.0)] * 4), "p95 is 9000.0 ms, more than 700"),
    ],
)
def test_each_thing_that_goes_wrong_misses_the_budget(bad: CallReport, words: str) -> None:
    found = figures([GOOD, bad], LatencyBudget.parse("p95=700"), None)
    assert not found["ok"]
    assert any(words in missed for missed in found["missed"]), found["missed"]
    assert "MISSED" in as_text(found)


def test_a_run_without_a_turn_is_not_ok() -> None:
    assert not figures([], None, None)["ok"]


def test_one_cut_off_in_twenty_is_borne() -> None:
    assert figures([report(*[("free", "answered", 100.0)] * 19, ("free", "cut-off", None))], None, None)["ok"]


@pytest.mark.parametrize("text", ["", "p50", "p50=", "p42=1", "50=400", "p50=400;p95=700"])
def test_a_budget_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        LatencyBudget.parse(text)


@pytest.mark.filterwarnings("default")
def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw([GOOD, report(("free", "unanswered", None))], LatencyBudget.parse("p95=700"), tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
