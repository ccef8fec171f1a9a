"""What goes to the page is bounded JSON; what comes from it is believed only when it is a key or a goodbye."""

from __future__ import annotations

import json
import random

import pytest

from voicebot.events import Snapshot
from voicebot.web import events
from voicebot.web.events import Bye, Key


def test_a_state_names_the_call() -> None:
    assert json.loads(events.state("on hold", "abc")) == {"type": "state", "state": "on hold", "call": "abc"}


def test_words_say_who_and_whether_they_are_final() -> None:
    message = json.loads(events.said("caller", "hello", partial=True))
    assert message == {"type": "said", "who": "caller", "text": "hello", "partial": True}


def test_words_that_were_guessed_are_named_by_their_places() -> None:
    assert json.loads(events.said("caller", "my fellow American", unsure=[2]))["unsure"] == [2]


def test_a_step_carries_what_the_dialog_knows() -> None:
    snapshot = Snapshot("northwind", "order.number", "order_status", 0.93456, {"order_number": "4711"}, "", ())
    message = json.loads(events.step(snapshot))
    assert message["step"] == "order.number"
    assert message["confidence"] == 0.935
    assert message["slots"] == {"order_number": "4711"}


def test_a_turn_carries_its_stages() -> None:
    message = json.loads(events.turn(312.349, {"asr": 71.26}))
    assert message == {"type": "turn", "latency_ms": 312.3, "stages": {"asr": 71.3}}


def test_long_text_is_cut() -> None:
    text = json.loads(events.outcome("x" * 100_000))["text"]
    assert len(text) == events.MAX_TEXT
    assert text.endswith("…")


@pytest.mark.parametrize("key", list("0123456789*#ABCD"))
def test_every_key_of_a_keypad_is_read(key: str) -> None:
    assert events.parse(json.dumps({"type": "key", "key": key})) == Key(key)


def test_a_goodbye_is_read() -> None:
    assert events.parse('{"type":"bye"}') == Bye()


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
    assert events.parse(message) is None


def test_mutated_messages_raise_nothing() -> None:
    rng = random.Random(7)
    for _ in range(5000):
        letters = list('{"type":"key","key":"5"}')
        for _ in range(rng.randint(1, 6)):
            letters[rng.randrange(len(letters))] = chr(rng.choice([rng.randrange(128), rng.randrange(0xD7FF)]))
        assert isinstance(events.parse("".join(letters)), Key | Bye | None)
