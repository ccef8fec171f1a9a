"""acceptance.md, 9, for a short while; ``python tests/real/flood.py`` runs the whole minute."""

from __future__ import annotations

import pytest

from .flood import measure

SECONDS = 5


@pytest.mark.parametrize("sources", [["127.0.0.1"], [f"127.0.1.{number}" for number in range(1, 201)]])
def test_a_flood_of_invites_leaves_the_calls_that_are_up_alone(sources: list[str]) -> None:
    """From the address of the calls themselves, and from two hundred others."""
    figures = measure(SECONDS, 500, 20, sources, first_port=23_000)
    print(figures)
    assert figures["gap_ms"]["p99"] <= 40
    assert figures["packets"] >= 0.9 * figures["packets_expected"], "the gaps of silence are not seen"
    assert figures["calls_ended_by_server"] == 0
    assert figures["calls_not_there_at_the_end"] == 0
    assert figures["memory_growth_mb"] < 100
    assert figures["answers"]["503"] > 100, "it never came to a flood"
