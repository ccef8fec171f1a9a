"""What is taken at once, read back or asked again, by the chance that it was heard right."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.unit.conversation_support import GOOD, Caller, luhn_ok, spoken, understood
from tests.unit.test_flows_flow import GOOD as SMALL
from voicebot.conversation.pending import _for_slot
from voicebot.conversation.slot_values import yes_or_no
from voicebot.errors import SourceError
from voicebot.flows.flow import Flow
from voicebot.messages import Heard
from voicebot.nlu.slots.extract import find_heard
from voicebot.nlu.slots.thresholds import sure_from
from voicebot.nlu.specs import Slot
from voicebot.paths import speech_dir

NOW = datetime(2026, 11, 21, 10, 0)


def inside(chance: float, *readings: str, free: str = "") -> Heard:
    """A turn inside the grammar of its answer, heard with this confidence."""
    return Heard(free or readings[0], 0.8, readings[0], chance, readings)


def values(kind: str, heard: Heard, **extra: object) -> dict[str, float]:
    """Value → chance that it was heard right."""
    slot = Slot.model_validate({"type": kind, "prompt": "?", **extra})
    return {found.value: round(found.heard, 3) for found in find_heard(slot, heard, NOW)}


# ── chances ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_readings_share_what_the_better_ones_leave() -> None:
    turn = inside(0.8, "four seven one one", "four seven one nine", "four seven nine nine", free="or Evan")
    assert values("digits", turn, lengths=[4]) == {"4711": 0.8, "4719": 0.1, "4799": 0.05}


def test_free_recognition_that_says_the_same_makes_an_answer_no_surer() -> None:
    assert values("amount", inside(0.7, "sixty dollars", free="Sixty dollars.")) == {"60.00": 0.7}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("time", "Give me an eight ounce latte."),
        ("time", "It goes on for ten meters."),
        ("amount", "A twenty ounce mocha with soy milk, please."),
        ("amount", "The signs of the two kinds of traffic were gone."),
        ("date", "She was the second of three sisters."),
        ("alnum", "We have two cats and a dog at home."),
        ("digits", "There were four of us and we won."),
        ("yesno", "I would like to know where it is right away."),
    ],
)
def test_other_speech_is_no_answer_for_the_sake_of_a_number_in_it(kind: str, text: str) -> None:
    extra = {"lengths": [2]} if kind in ("digits", "alnum") else {}
    assert values(kind, Heard(text, 0.9), **extra) == {}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("time", "Ten thirty, I guess.", "10:30"),
        ("time", "I could be with you at ten thirty if that helps.", "10:30"),
        ("amount", "I think it was about sixty dollars or so.", "60.00"),
        ("date", "Let us make that Tuesday the first of December then.", "2026-12-01"),
        ("digits", "For seven won won.", "4711"),
        ("digits", "You will find it under four seven one one.", "4711"),
    ],
)
def test_an_answer_that_was_not_heard_in_the_grammar_is_doubted(kind: str, text: str, value: str) -> None:
    found = values(kind, Heard(text, 0.9), **({"lengths": [4]} if kind == "digits" else {}))
    assert next(iter(found.items())) == (value, 0.5)


def test_what_was_typed_is_not_doubted() -> None:
    assert values("time", Heard("ten thirty", source="text")) == {"10:30": 1.0, "22:30": 1.0}


def test_a_yes_in_other_speech_agrees_to_nothing() -> None:
    assert yes_or_no(Heard("I would like a large coffee, she said, and that is right.", 0.9)) == ""
    assert yes_or_no(Heard("Yes, that is right.", 0.9)) == "yes"
    assert yes_or_no(Heard("Um, yeah, I guess.", 0.9)) == "yes"
    assert yes_or_no(Heard("No, I never wanted to have it on a Tuesday.", 0.9)) == "no"


def test_a_yes_or_no_that_was_hardly_heard_is_none() -> None:
    assert yes_or_no(inside(0.6, "yes", free="Guess.")) == "yes"
    assert yes_or_no(inside(0.4, "yes", free="Guess.")) == ""
    assert yes_or_no(inside(0.4, "no", free="There is one thing more that I need.")) == ""


@pytest.mark.speech
def test_the_shared_sentences_keep_their_values_inside_grammars_or_out_of_them() -> None:
    lost, every = [], 0
    for line in (speech_dir().parent / "nlu" / "slots.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        lengths = [len(row["expected"][0])] if row["type"] == "digits" else []
        spec = {"type": row["type"], "prompt": "?", "choices": row.get("choices", {}), "lengths": lengths}
        slot, now = Slot.model_validate(spec), datetime.fromisoformat(row["ref"])
        heard = understood(row["text"], _for_slot(slot, now.date()))
        found = [f.value for f in find_heard(slot, heard, now)] or [
            {"yesno": "unknown", "choice": "none"}.get(slot.type, "")
        ]
        every += 1
        lost += [] if found[0] in row["expected"] else [(row["text"], found)]
    assert len(lost) < 0.03 * every, lost


# ── what the dialog does ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("chance", "step"),
    [
        (0.95, "book_appointment.appointment_time"),
        (0.8, "book_appointment.appointment_date.confirm"),
        (0.2, "book_appointment.appointment_date"),
    ],
)
def test_a_day_is_taken_read_back_or_asked_again(caller: Caller, chance: float, step: str) -> None:
    caller.says("I need a repair appointment")
    caller.hears(inside(chance, "next wednesday"))
    assert caller.step == step


def test_an_unlikely_reading_is_not_taken_for_a_day_that_cannot_be(caller: Caller) -> None:
    caller.says("I need a repair appointment")
    said = caller.hears(inside(0.9, "july eighteenth", "december eighteenth"))
    assert "three months" in said
    assert caller.step == "book_appointment.appointment_date"


def test_a_refused_number_makes_the_next_reading_likelier(caller: Caller) -> None:
    caller.says("I forgot my password")
    assert "5 2 1 1 9" in caller.hears(inside(0.8, spoken("52119"), spoken("52189")))
    caller.says("no")
    assert "5 2 1 8 9" in caller.hears(inside(0.8, spoken("52119"), spoken("52189")))


def test_a_faint_number_whose_check_digit_fits_is_read_back(caller: Caller) -> None:
    caller.says("where is my order")
    assert "4 7 1 1" in caller.hears(inside(0.4, spoken(GOOD)))
    assert caller.step == "order_status.order_number.confirm"


def test_a_number_asked_for_is_not_found_in_another_wish(caller: Caller) -> None:
    caller.says("where is my order")
    order = luhn_ok("20261")
    said = caller.hears(Heard(f"when do you open on weekends since {order} ended", 0.9))
    assert "nine in the morning" in said


@pytest.mark.parametrize(
    ("chance", "step"), [(0.4, "order_status.order_number"), (0.7, "book_appointment.appointment_date.confirm")]
)
def test_a_day_that_was_hardly_heard_gives_way_to_a_plain_other_wish(caller: Caller, chance: float, step: str) -> None:
    caller.says("I need a repair appointment")
    caller.hears(inside(chance, "tomorrow", free="I want to know where my order is."))
    assert caller.step == step


def test_a_no_that_was_hardly_heard_ends_no_call(caller: Caller) -> None:
    caller.says("when do you open")
    assert caller.step == "after"
    caller.hears(inside(0.4, "no", free="I want to know where my order is."))
    assert caller.step == "order_status.order_number"


def test_a_slot_may_say_how_sure_it_wants_to_be() -> None:
    text = SMALL.replace("type: amount\n", "type: amount\n    sure: 0.97\n")
    assert sure_from(Flow.parse(text).slots["amount"]) == 0.97
    assert sure_from(Flow.parse(SMALL).slots["amount"]) == 0.9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lengths: [4]", "lengths: [4]\n    sure: 0.95", "flow:18: pin: this slot is never read back"),
        ("type: amount", "type: amount\n    sure: 0.95\n    confirm: always", "this slot is always read back"),
        ("type: amount", "type: text\n    sure: 0.95", "how surely a text was heard is not known"),
        ("type: amount", "type: amount\n    sure: 0.3", "greater than or equal to 0.5"),
    ],
)
def test_a_sureness_without_meaning_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        Flow.parse(SMALL.replace(old, new))
