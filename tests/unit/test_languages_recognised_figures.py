"""Figures back in words."""

import pytest

from voicebot.languages.en import recognised_figures


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("may 25th 2003", "may twenty fifth two thousand three"),
        ("april 4 1963", "april fourth nineteen sixty three"),
        ("10:30am", "ten thirty am"),
        ("3 p.m.", "three pm"),
        ("12:00", "twelve o'clock"),
        ("9:05", "nine oh five"),
        ("june 10 1905", "june tenth nineteen oh five"),
        ("2026", "twenty twenty six"),
        ("next monday", "next monday"),
    ],
)
def test_days_and_times(written: str, words: str) -> None:
    assert recognised_figures.day_and_time(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("$12.50", "twelve dollars fifty cents"),
        ("3 796", "three thousand seven hundred ninety six"),
        ("$112", "one hundred twelve dollars"),
        ("fifty dollars", "fifty dollars"),
        ("1" * 12, " ".join(["one"] * 12)),
    ],
)
def test_money(written: str, words: str) -> None:
    assert recognised_figures.money(written) == words
