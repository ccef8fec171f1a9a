"""Values in what callers say. The sentences here are others than those of ../shared/nlu/slots.jsonl."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date, datetime
from typing import Any

import pytest

from voicebot.messages import Heard
from voicebot.nlu.slots.extract import find, find_heard
from voicebot.nlu.slots.limits import luhn, year_needed
from voicebot.nlu.specs import Slot
from voicebot.paths import speech_dir

NOW = datetime(2026, 11, 18, 10, 0)
"""A Wednesday."""


def slot(kind: str, **extra: Any) -> Slot:
    return Slot.model_validate({"type": kind, "prompt": "?", **extra})


def first(kind: str, text: str, *, asked: bool = True, **extra: Any) -> str:
    found = find(slot(kind, **extra), text, NOW, asked=asked)
    return found[0].value if found else ""


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("four seven one one oh two", "471102"), ("47-11-02", "471102"), ("four, seven. one. One, oh, two", "471102"),
        ("471, 102", "471102"), ("4-7-1-1-0-2.", "471102"), ("for seven won won oh to", "471102"),
        ("it's forty seven eleven zero two", "471102"), ("uh four seven double one zero two please", "471102"),
        ("the number is 4711 oh two", "471102"),
        ("four seven one one oh three no sorry four seven one one oh two", "471102"),
        ("four seven one one oh three, no, two", "471102"), ("4 7 1 1 0 2", "471102"), ("471102", "471102"),
        ("four seven and then one one and oh two", "471102"), ("ate ate ate too too too", "888222"),
        ("triple five one two three", "555123"), ("I think it is nine nine eight eight seven seven", "998877"),
        ("one hundred twenty three four five six", "123456"), ("twelve thirty four fifty six", "123456"),
    ],
)  # fmt: skip
def test_six_digits_are_read_in_all_their_forms(text: str, digits: str) -> None:
    assert first("digits", text, lengths=[6]) == digits


def test_the_check_digit_picks_among_readings() -> None:
    good = next(f"4021{d}" for d in range(10) if luhn(f"4021{d}"))
    assert first("digits", f"forty twenty one {good[-1]}", lengths=[5], check="luhn") == good


@pytest.mark.parametrize(
    "text", ["I want to go there for two days", "hello", "", "what do you need it for", "to be or not to be"]
)
def test_ordinary_words_are_no_six_digits(text: str) -> None:
    assert first("digits", text, lengths=[6]) == ""


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("tomorrow", "2026-11-19"), ("next Monday", "2026-11-23"), ("this Friday please", "2026-11-20"),
        ("the 3rd of December", "2026-12-03"), ("December third", "2026-12-03"),
        ("on the first of December", "2026-12-01"),
        ("March 5th", "2027-03-05"), ("12/24", "2026-12-24"), ("2026-12-01", "2026-12-01"), ("Thursday", "2026-11-19"),
        ("no, Thursday not Friday, I mean Saturday", "2026-11-21"), ("in two weeks", "2026-12-02"),
        ("a week from today", "2026-11-25"),
        ("Tuesday the twenty fourth", "2026-11-24"), ("Tuesday November 24", "2026-11-24"),
        ("the twenty fourth", "2026-11-24"),
        ("monday next week", "2026-11-23"), ("the day after tomorrow", "2026-11-20"),
        ("in a couple of days", "2026-11-20"),
        ("can we do it on Sunday", "2026-11-22"), ("December the twenty second twenty twenty six", "2026-12-22"),
    ],
)  # fmt: skip
def test_days_are_seen_from_the_day_of_the_call(text: str, day: str) -> None:
    assert first("date", text) == day


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("half past ten", "10:30"), ("ten thirty in the morning", "10:30"), ("10:30", "10:30"), ("noon", "12:00"),
        ("two in the afternoon", "14:00"), ("2 p.m.", "14:00"), ("at three", "15:00"), ("quarter past nine", "09:15"),
        ("a quarter to four", "15:45"), ("eleven o'clock", "11:00"), ("ten oh five", "10:05"), ("3:30pm", "15:30"),
        ("nine a.m.", "09:00"), ("ten to five", "16:50"), ("around one", "13:00"), ("no, ten, sorry, eleven", "11:00"),
        ("4 o'clock would be great", "16:00"), ("fifteen thirty", "15:30"), ("seven in the evening", "19:00"),
    ],
)  # fmt: skip
def test_times_are_taken_in_office_hours_unless_said_otherwise(text: str, time: str) -> None:
    assert first("time", text) == time


def test_the_range_of_a_slot_decides_the_half_of_the_day() -> None:
    assert first("time", "at eight", earliest="18:00", latest="22:00") == "20:00"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("tomorrow at half past two", "2026-11-19T14:30"), ("Friday the 27th at ten", "2026-11-27T10:00"),
        ("at nine on the first of December", "2026-12-01T09:00"), ("Monday morning at eleven", "2026-11-23T11:00"),
        ("December 3rd, 4:15 p.m.", "2026-12-03T16:15"),
    ],
)  # fmt: skip
def test_day_and_time_together(text: str, moment: str) -> None:
    assert first("datetime", text) == moment


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$45.20", "45.20"), ("forty five dollars and twenty cents", "45.20"), ("forty five twenty", "45.20"),
        ("$1,250", "1250.00"),
        ("two fifty", "250.00"), ("about thirty bucks", "30.00"), ("ninety nine cents", "0.99"),
        ("a hundred dollars", "100.00"),
        ("three thousand and twenty dollars", "3020.00"), ("twelve point five", "12.50"),
        ("sixty no make it seventy dollars", "70.00"),
    ],
)  # fmt: skip
def test_amounts(text: str, amount: str) -> None:
    assert first("amount", text) == amount


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes.", "yes"), ("yeah sure", "yes"), ("that's right", "yes"), ("uh huh", "yes"), ("please do", "yes"),
        ("that sounds good", "yes"),
        ("no", "no"), ("no, that's wrong", "no"), ("not really", "no"), ("I don't think so", "no"), ("nah", "no"),
        ("no thank you", "no"),
        ("yes, I mean no", "no"), ("that isn't right", "no"), ("I don't know", ""), ("fish", ""),
        ("no no that's fine", "yes"),
        ("that is not correct", "no"), ("correct", "yes"), ("okay", "yes"),
    ],
)  # fmt: skip
def test_yes_and_no(text: str, answer: str) -> None:
    assert first("yesno", text) == answer


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("alnum", "x ray seven tango two", "X7T2"), ("alnum", "d as in dog, five, double nine", "D599"),
        ("alnum", "QX-41", "QX41"),
        ("email", "it's peter dot parker at outlook dot com", "peter.parker@outlook.com"),
        ("email", "bob underscore nine at my mail dot co dot uk", "bob_9@mymail.co.uk"),
        ("email", "jane@example.org", "jane@example.org"),
        ("phone", "two one two five five five zero one two three", "+12125550123"),
        ("phone", "(212) 555-0123", "+12125550123"),
        ("name", "my name is Maria Lopez", "maria lopez"), ("name", "Peter Miller", "peter miller"),
        ("name", "s m i t h", "smith"),
        ("number", "there are seven of us", "7"), ("number", "twenty-three", "23"),
        ("text", " the lamp\nflickers ", "the lamp flickers"),
    ],
)  # fmt: skip
def test_other_types(kind: str, text: str, value: str) -> None:
    assert first(kind, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("the blue one", "blue"),
        ("green please", "green"),
        ("the first", "red"),
        ("last one", "green"),
        ("gren", "green"),
        ("purple", ""),
    ],
)
def test_choices_by_word_place_and_sound(text: str, value: str) -> None:
    assert first("choice", text, choices=["red", "blue", "green"]) == value


def test_values_outside_the_limits_do_not_count() -> None:
    assert first("date", "yesterday", earliest="today") == ""
    assert first("date", "December 24", latest="+10 days") == ""
    assert first("number", "seven", maximum=5) == ""
    assert first("amount", "$3", minimum=5) == ""


def test_a_bare_number_is_no_time_and_no_day_unless_asked_for() -> None:
    for kind in ("time", "date"):
        assert first(kind, "I have seven lamps", asked=False) == ""


def test_what_was_not_heard_inside_the_grammar_is_less_sure() -> None:
    number = slot("digits", lengths=[4])
    alone = find_heard(number, Heard("four seven one one", 0.7), NOW)[0]
    both = find_heard(number, Heard("four seven one one", 0.7, "four seven one one", 0.7), NOW)[0]
    assert both.heard == 0.7 > alone.heard


@pytest.mark.parametrize(
    ("kind", "keys", "value"),
    [
        ("digits", "4711", "4711"), ("date", "1224", "2026-12-24"), ("date", "0105", "2027-01-05"),
        ("time", "1430", "14:30"), ("amount", "45*20", "45.20"), ("yesno", "1", "yes"), ("date", "9999", ""),
        ("time", "2575", ""),
    ],
)  # fmt: skip
def test_keys(kind: str, keys: str, value: str) -> None:
    found = find_heard(slot(kind), Heard(keys, source="keys"), NOW)
    assert (found[0].value if found else "") == value


def test_no_text_makes_a_parser_fail() -> None:
    """Noise, mixed scripts and endless numbers give values or nothing, quickly."""
    rng = random.Random(7)
    text = "the first third twenty hundred thousand and double oh 1:99 99/99/99 13/45 $,.. feb 30 31st at of next last"
    words = [*text.split(), "no", "to", "week", "9999999999"]
    kinds = [
        "digits",
        "alnum",
        "date",
        "time",
        "datetime",
        "amount",
        "yesno",
        "phone",
        "name",
        "email",
        "number",
        "text",
    ]
    for _ in range(100):
        text = " ".join(rng.choice(words) for _ in range(rng.randint(1, 30)))
        if rng.random() < 0.3:
            text += "".join(chr(rng.randint(1, 0x3000)) for _ in range(20))
        for kind in kinds:
            for asked in (True, False):
                find(slot(kind), text, NOW, asked=asked)


@pytest.mark.speech
def test_the_shared_sentences_give_their_values() -> None:
    right: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for line in (speech_dir().parent / "nlu" / "slots.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kind = row["type"]
        found = find(slot(kind, choices=row.get("choices", {})), row["text"], datetime.fromisoformat(row["ref"]))
        got = found[0].value if found else {"yesno": "unknown", "choice": "none"}.get(kind, "")
        every[kind] += 1
        right[kind] += got in row["expected"]
    assert sum(right.values()) / sum(every.values()) >= 0.97, {k: (right[k], every[k]) for k in every}
    assert all(right[k] / every[k] >= 0.9 for k in every), {k: (right[k], every[k]) for k in every}


@pytest.mark.parametrize(
    ("earliest", "latest", "needed"),
    [
        ("today", "+90 days", False),
        ("-1 year", "today", False),
        ("today", "2026-12-31", False),
        ("-120 years", "today", True),
        ("1900-01-01", "today", True),
        ("", "-18 years", True),
        ("-5 years", "today", None),
        ("", "today", None),
        ("", "", None),
    ],
)
def test_a_year_belongs_to_a_day_that_is_ambiguous_without_it(earliest: str, latest: str, needed: bool | None) -> None:
    assert year_needed(earliest, latest, date(2026, 11, 21)) is needed
