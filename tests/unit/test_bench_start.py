"""What is made of starts: medians within a budget, or not."""

from __future__ import annotations

import os

import pytest

from voicebot.bench import start_run
from voicebot.errors import VoicebotError


def test_a_budget_names_what_was_missed_for_either_kind_of_start() -> None:
    found = {"cold_ready_s": 5.0, "warm_ready_s": 3.5, "cold_rss_mb": 390.0, "warm_rss_mb": 320.0}
    budget = start_run._budget("warm_s=3,cold_s=6,rss_mb=380")
    assert start_run._missed(found, budget) == ["warm_ready_s 3.50, limit 3", "cold_rss_mb 390.00, limit 380"]
    assert start_run._missed({"warm_ready_s": 2.9}, budget) == []


@pytest.mark.parametrize("text", ["warm=3", "warm_s", "warm_s=fast", "p50=3"])
def test_a_budget_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(VoicebotError, match="such as warm_s=3"):
        start_run._budget(text)


def test_memory_and_processor_time_are_read_of_a_process() -> None:
    rss_mb, pss_mb = start_run._memory(os.getpid())
    assert 1 < pss_mb <= rss_mb < 10_000
    assert start_run._cpu_s(os.getpid()) > 0


def test_a_port_where_nobody_answers_is_not_ready() -> None:
    assert not start_run._ready(start_run._free_port())
