"""What goes to the page is bounded JSON; what comes from it is believed only when it is a key or a goodbye."""

from __future__ import annotations

import json
import random

import pytest

from voicebot.web import page_messages
from voicebot.web.page_messages import Bye, KeyPress


def test_a_state_names_the_call() -> None:
    assert json.loads(page_messages.state("on hold", "abc")) == {"type": "state", "state": "on hold", "call": "abc"}


def test_words_say_who_and_whether_they_are_final() -> None:
    message = json.loads(page_messages.said("caller", "hello", partial=True))
    assert message == {"type": "said", "who": "caller", "text": "hello", "partial": True}


def test_words_that_were_guessed_are_named_by_their_places() -> None:
    assert json.loads(page_messages.said("caller", "my fellow American", unsure=[2]))["unsure"] == [2]


def test_a_step_carries_what_the_dialog_knows() -> None:
    message = json.loads(
        page_messages.step("northwind", "order.number", "order_status", 0.93456, {"order_number": "4711"})
    )
    assert message["step"] == "order.number"
    assert message["confidence"] == 0.935
    assert message["slots"] == {"order_number": "4711"}


def test_a_turn_carries_its_stages() -> None:
    message = json.loads(page_messages.turn(312.349, {"asr": 71.26}))
    assert message == {"type": "turn", "latency_ms": 312.3, "stages": {"asr": 71.3}}


def test_long_text_is_cut() -> None:
    text = json.loads(page_messages.outcome("x" * 100_000))["text"]
    assert len(text) == page_messages.MAX_TEXT
    assert text.endswith("…")


@pytest.mark.parametrize("key", list("0123456789*#ABCD"))
def test_every_key_of_a_keypad_is_read(key: str) -> None:
    assert page_messages.parse(json.dumps({"type": "key", "key": key})) == KeyPress(key)


def test_a_goodbye_is_read() -> None:
    assert page_messages.parse('{"type":"bye"}') == Bye()


@pytest.mark.parametrize(
    "message",
    [
        "",
        "null",
        "[]",
        '"key"',
        "{",
        "[" * 200,
        '{"type":"key"}',
        '{"type":"key","key":5}',
        '{"type":"key","key":"55"}',
        '{"type":"key","key":""}',
        '{"type":"key","key":"x"}',
        '{"type":"key","key":"٣"}',
        '{"type":["bye"]}',
        '{"type":"bye","more":"' + "x" * 300 + '"}',
    ],
)
def test_anything_else_is_nothing(message: str) -> None:
    assert page_messages.parse(message) is None


def test_mutated_messages_raise_nothing() -> None:
    rng = random.Random(7)
    for _ in range(5000):
        letters = list('{"type":"key","key":"5"}')
        for _ in range(rng.randint(1, 6)):
            letters[rng.randrange(len(letters))] = chr(rng.choice([rng.randrange(128), rng.randrange(0xD7FF)]))
        assert isinstance(page_messages.parse("".join(letters)), KeyPress | Bye | None)
