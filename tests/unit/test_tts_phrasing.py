"""Text is cut where a speaker takes breath."""

from __future__ import annotations

import time

import pytest

from voicebot.tts.phrasing import MAX_PHRASES, split
from voicebot.tts.voice_engine import MAX_CHARS


def texts(text: str) -> list[str]:
    return [phrase.text for phrase in split(text)]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ("One\ntwo", ["One", "two"]),
        ("Dr. Smith is here. Mr. J. Miller is not.", ["Dr. Smith is here.", "Mr. J. Miller is not."]),
        ("Take B 4 C. Is it right?", ["Take B 4 C.", "Is it right?"]),
        ("Go to A-2-B. Is it here?", ["Go to A-2-B.", "Is it here?"]),
        (
            "Ask George C. Scott, J. R. Ewing or Capt. Lee. Bye.",
            ["Ask George C. Scott, J. R. Ewing or Capt. Lee.", "Bye."],
        ),
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


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Welcome to Northwind, I can help you with an order, an appointment or a password.", "Welcome to Northwind,"),
        ("I can help you with an order or with a password today.", "I can help you with an order"),
        ("Northwind Office Supplies Incorporated Customer Care.", "Northwind Office Supplies"),
        ("Thank you for calling.", "Thank you for calling."),
        ("Donaudampfschifffahrtsgesellschaft.", "Donaudampfschifffahrtsgesellschaft."),
    ],
)
def test_a_long_first_sentence_begins_with_a_few_words_where_all_is_made_at_once(text: str, first: str) -> None:
    assert texts(text) == [text]
    found = split(text, first_chars=30)
    assert found[0].text == first
    assert " ".join(p.text for p in found) == text
    assert len(found) == 1 or found[0].pause_ms <= 160


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("That's $1,245.20, is that right?", "That's"),
        ("I have 4 7 1 1 0 2. Is that right?", "I have"),
        ("K D 4 7 1 1 0 2 is it.", "K D 4 7 1 1 0 2"),
    ],
)
def test_figures_count_as_long_as_they_are_said(text: str, first: str) -> None:
    assert split(text, first_chars=24)[0].text == first


def test_a_number_is_never_cut() -> None:
    text = "Your appointment is on Tuesday November 24, 2026 and we are looking forward to seeing you then"
    assert not any(p.text.endswith(("24,", "24")) for p in split(text, first_chars=44))
    assert split("Your number is 4 7 1 1 0 2 3 8 and mine is 5.", first_chars=26)[0].text == "Your number is"


def test_only_the_first_sentence_is_cut() -> None:
    text = "Hello. I can help you with an order, an appointment or a password."
    assert [p.text for p in split(text, first_chars=12)] == ["Hello.", text[7:]]


def test_markup_parts_phrases_and_is_never_in_them() -> None:
    found = split("Your code is [pause 400ms] [slow][spell: ab12][/slow]. Keep it.[pause 1s]")
    assert [(p.text, p.pause_ms, p.slow) for p in found] == [
        ("Your code is", 400, False), ("A B 1 2", 220, True), ("Keep it.", 1000, False),
    ]  # fmt: skip
    assert [(p.text, p.pause_ms) for p in split("[pause 1s]Hello [slow]you[/slow] there")] == [
        ("", 1000), ("Hello", 40), ("you", 40), ("there", 220),
    ]  # fmt: skip


def test_what_is_no_markup_is_words() -> None:
    assert texts("press [1] now") == ["press [1] now"]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("I have 4 7 1 1 0 2. Is it right?", ["I have", "*4 7 1 1 0 2.", "Is it right?"]),
        ("Your booking code is AB12CD, and it's yours.", ["Your booking code is", "*AB12CD,", "and it's yours."]),
        ("Order NW-2041-A (471102) is here.", ["*Order NW-2041-A", "*( 4 7 1 1 0 2)", "is here."]),
        ("Is your PIN 4711?", ["Is your PIN", "*4 7 1 1?"]),
        ("It's 4711 02", ["It's 4711 02"]),
        ("Call us at +1 555 010 2030 or 555-0102!", ["Call us at", "*+1 555 010 2030", "*or 555-0102!"]),
        ("On 2026-12-24 at 10:30 it cost $1,245.20; 16 came to room 12.", [
            "On 2026-12-24 at 10:30 it cost $1,245.20; 16 came to room 12."
        ]),
        ("[slow]It is 471102.[/slow] [lang es]Es 471102.[/lang]", ["*It is", "*4 7 1 1 0 2.", "Es 471102."]),
    ],
)  # fmt: skip
def test_references_are_set_apart_and_slow(text: str, phrases: list[str]) -> None:
    """A star before what is slow."""
    assert [("*" if phrase.slow else "") + phrase.text for phrase in split(text)] == phrases


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
    split(nasty, first_chars=30)
    assert time.process_time() - begun < 0.5
