"""Card numbers are masked however they are written or said; other numbers stay."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable

import pytest

from voicebot import log
from voicebot.journal.card_numbers import luhn_valid
from voicebot.journal.redacted_logs import RedactingFilter, protect_logs
from voicebot.journal.redaction import MASK, redact, redact_value

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def card(rng: random.Random) -> str:
    """A Luhn-valid number of 13 to 19 digits with a leading digit that card schemes use."""
    body = rng.choice("3456") + "".join(rng.choice("0123456789") for _ in range(rng.randint(11, 17)))
    return next(body + last for last in "0123456789" if luhn_valid(body + last))


def groups(number: str, sep: str) -> str:
    return sep.join(number[i : i + 4] for i in range(0, len(number), 4))


def spoken(number: str) -> str:
    return " ".join(WORDS[int(digit)] for digit in number)


def doubled(number: str) -> str:
    """As people read: "double four", "triple oh"."""
    said, i = [], 0
    while i < len(number):
        run = 3 if number[i : i + 3] == number[i] * 3 else 2 if number[i : i + 2] == number[i] * 2 else 1
        word = "oh" if number[i] == "0" else WORDS[int(number[i])]
        said.append(["", "", "double ", "triple "][run] + word)
        i += run
    return " ".join(said)


def in_pairs(number: str) -> str:
    """As Americans read: "forty one eleven" for 4111."""
    tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    teens = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ]
    said = []
    for i in range(0, len(number) - 1, 2):
        ten, one = int(number[i]), int(number[i + 1])
        if ten == 0:
            said.append(f"oh {WORDS[one]}")
        elif ten == 1:
            said.append(teens[one])
        else:
            said.append(tens[ten] + (f"-{WORDS[one]}" if one else ""))
    return " ".join(said) + (f", {WORDS[int(number[-1])]}" if len(number) % 2 else "")


FORMS: dict[str, Callable[[str], str]] = {
    "digits": str,
    "spaced": lambda n: groups(n, " "),
    "dashed": lambda n: groups(n, "-"),
    "en dashes": lambda n: groups(n, " – "),
    "commas": lambda n: groups(n, ", "),
    "single digits": " ".join,
    "sentences": lambda n: ". ".join(WORDS[int(d)].capitalize() for d in n),
    "words": spoken,
    "doubles": doubled,
    "pairs": in_pairs,
    "half and half": lambda n: groups(n[:8], " ") + " " + spoken(n[8:]),
    "with fillers": lambda n: ", uh, ".join(spoken(part) for part in groups(n, " ").split()),
    "full width": lambda n: "".join(chr(0xFF10 + int(d)) for d in n),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_of_a_hundred_card_numbers_are_masked(form: str) -> None:
    rng = random.Random(33)
    for _ in range(100):
        number = card(rng)
        said = FORMS[form](number)
        text = redact(f"My card is {said}, please charge it.")
        assert text == f"My card is {MASK}, please charge it.", said


def test_a_number_said_right_before_the_card_does_not_hide_it() -> None:
    text = redact("order 471102 4111 1111 1111 1111 12/27")
    assert MASK in text
    assert "1111 1111" not in text


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "4222222222222", "5555555555554444", "2223003122003222", "378282246310005", "30569309025904",
     "3530111333300000", "6011111111111117", "6205500000000000004"],
)  # fmt: skip
def test_a_card_of_each_scheme_is_found_between_other_spoken_digits(number: str) -> None:
    text = redact(spoken(f"987{number}27"))
    assert MASK in text
    assert spoken(number[4:-4]) not in text


def test_two_cards_are_both_masked() -> None:
    assert redact("4111111111111111 and also 5500 0000 0000 0004") == f"{MASK} and also {MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Where is my order, please?",
        "order 471102",
        "four seven one one oh two",
        "call +49 30 1234567 on 2026-11-24 at 10:30",
        "4111 1111 1111 1112",
        "one of two people won for ever and ate nine",
        "someone phoned at ten to four",
        "a1b2c3d4e5f6a7b8c9d0",
        "2026-11-21 11:38:29.123 from 192.168.1.20:5060",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_card_in_data_is_masked_in_keys_numbers_and_depths() -> None:
    value = {"a": [{"b": "4111 1111 1111 1111"}], "n": 4111111111111111, "4111111111111111": True, "ms": 1.5, "x": None}
    clean = redact_value(value)
    assert "1111" not in json.dumps(clean)
    assert clean["ms"] == 1.5
    assert clean["x"] is None


def test_a_card_among_thousands_of_digits_is_found() -> None:
    text = "1 " * 3000 + "4111 1111 1111 1111" + " double" * 1000 + " one and" * 1000
    assert MASK in redact(text)


def test_log_lines_lose_card_numbers_in_words_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("voicebot.test")
    caplog.handler.addFilter(RedactingFilter())
    try:
        with caplog.at_level(logging.INFO, "voicebot.test"):
            logger.info(
                "heard %s", "4111-1111-1111-1111", extra={"heard": {"text": spoken("5500000000000004")}, "ms": 3}
            )
    finally:
        caplog.handler.filters.clear()
    record = caplog.records[0]
    assert record.getMessage() == f"heard {MASK}"
    assert vars(record)["heard"] == {"text": MASK}
    assert vars(record)["ms"] == 3


def test_protected_logs_print_no_card_number(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        log.setup("info", "json")
        protect_logs()
        log.get("voicebot.test").info("heard", extra={"text": "it's 4111 1111 1111 1111", "ms": 12.5})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line = json.loads(capsys.readouterr().err)
    assert (line["text"], line["ms"], line["event"]) == (f"it's {MASK}", 12.5, "heard")
