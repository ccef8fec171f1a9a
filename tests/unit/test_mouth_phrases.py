"""Text is cut where a speaker takes breath."""

from __future__ import annotations

import time

import pytest

from voicebot.mouth.engine import MAX_CHARS
from voicebot.mouth.phrases import MAX_PHRASES, split


def texts(text: str, clausewise: bool = False) -> list[str]:
    return [phrase.text for phrase in split(text, clausewise)]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ("One\ntwo", ["One", "two"]),
        ("Dr. Smith is here. Mr. J. Miller is not.", ["Dr. Smith is here.", "Mr. J. Miller is not."]),
        ("It costs $4.50 at 10.30. Fine!", ["It costs $4.50 at 10.30.", "Fine!"]),
        ('He said "yes." Then he left.', ['He said "yes."', "Then he left."]),
        ("e.g. this one", ["e.g. this one"]),
        ("", []),
        ("… ?! ", []),
        ("No end", ["No end"]),
    ],
)
def test_sentences(text: str, phrases: list[str]) -> None:
    assert texts(text) == phrases


def test_a_long_first_sentence_is_cut_at_a_comma_for_engines_that_give_all_at_once() -> None:
    text = "Welcome to Northwind, I can help you with an order, an appointment or a password. What is it, please?"
    assert texts(text) == [text[:81], text[82:]]
    assert texts(text, clausewise=True) == ["Welcome to Northwind,", text[22:81], text[82:]]


def test_a_number_is_never_cut_at_its_comma() -> None:
    text = "Your appointment is on Tuesday November 24, 2026 and we are looking forward to seeing you then"
    assert texts(text, clausewise=True) == [text]


def test_the_pause_follows_the_punctuation() -> None:
    full, comma, none = split("A sentence. ")[0], split("a comma,")[0], split("nothing")[0]
    assert full.pause_ms > none.pause_ms > comma.pause_ms > 0


def test_endless_text_is_bounded_in_length_and_number() -> None:
    assert all(len(t) <= MAX_CHARS for t in texts("x" * 10_000))
    assert "".join(texts("x" * 7000)) == "x" * 7000
    assert len(texts("Yes. " * 10_000)) == MAX_PHRASES


@pytest.mark.parametrize(
    "nasty", ["a. " * 100_000, ". " * 100_000, "\n" * 300_000, " " * 300_000, ", " * 100_000, "1. " * 100_000]
)
def test_hostile_text_is_cut_quickly(nasty: str) -> None:
    begun = time.process_time()
    split(nasty, clausewise=True)
    assert time.process_time() - begun < 0.5
