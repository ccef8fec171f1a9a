"""Conversations as text on the demo company's flow: what callers want, say, correct and command."""

from __future__ import annotations

import pytest

from tests.unit.conversation_support import GOOD, Caller, spoken
from voicebot.flows.flow import Flow
from voicebot.messages import End, Handover, Heard, Listen, Say
from voicebot.nlu.intents import Understanding

pytestmark = pytest.mark.models


def test_the_first_prompt_is_the_disclosure_and_cannot_be_interrupted(caller: Caller) -> None:
    first = caller.acts[0]
    assert isinstance(first, Say)
    assert "automated" in first.text
    assert not first.barge_in
    assert isinstance(caller.last, Listen)


# ── tasks from beginning to end ──────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_looked_up_by_its_spoken_number(caller: Caller) -> None:
    caller.says("where is my order")
    assert caller.step == "order_status.order_number"
    assert isinstance(caller.last, Listen)
    assert caller.last.expect.kind == "digits"
    assert caller.last.expect.lengths == (6,)
    said = caller.says(spoken(GOOD))
    assert caller.did("find_order") == [{"number": GOOD}]
    assert "a desk lamp" in said
    assert "Tuesday the 24th of November" in said
    assert caller.talk.snapshot.resolved == ("order_status",)


def test_a_number_said_with_the_wish_is_not_asked_for_again(caller: Caller) -> None:
    caller.says(f"hi where is my order {spoken(GOOD)}")
    assert caller.did("find_order") == [{"number": GOOD}]


def test_an_appointment_is_booked_after_all_was_read_back(caller: Caller) -> None:
    caller.says("book me an appointment on Tuesday at ten")
    assert caller.slots == {"appointment_date": "2026-11-24", "appointment_time": "10:00"}
    said = caller.says("a repair please")
    assert "a repair on Tuesday the 24th of November at 10 AM" in said
    assert not caller.did("book_appointment")
    said = caller.says("yes please")
    assert caller.did("book_appointment") == [
        {"date": "2026-11-24", "time": "10:00", "service": "repair", "phone": "+15550123456"}
    ]
    assert "A B 1 2" in said


def test_a_password_is_reset_after_number_and_pin_were_checked(caller: Caller) -> None:
    caller.says("I forgot my password")
    said = caller.says("five two one eight zero")
    assert said == "I have 5 2 1 8 0. Is that right?"
    caller.says("yes")
    assert isinstance(caller.last, Listen)
    assert caller.last.expect.secret
    said = caller.says("eight two six five")
    assert caller.did("check_identity") == [{"employee": "52180", "pin": "8265"}]
    assert caller.did("reset_password") == [{"employee": "52180"}]
    assert "4 5 6 7" in said


def test_goodbye_after_something_was_done_ends_as_resolved(caller: Caller) -> None:
    caller.says("what are your opening hours")
    caller.says("no thanks that's all")
    assert caller.last == End("resolved")


def test_hanging_up_in_the_middle_is_abandoned(caller: Caller) -> None:
    caller.says("I want to check on my order")
    caller.talk.hung_up()
    assert caller.talk.snapshot.outcome == "abandoned"


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_is_in_no_prompt_snapshot_summary_or_decision(caller: Caller) -> None:
    caller.says("reset my password")
    caller.keys("52180")
    said = caller.keys("8265")
    seen = f"{said} {caller.talk.snapshot} {caller.talk.summary} {caller.talk.last_decision}"
    assert "8265" not in seen
    assert "8 2 6 5" not in seen
    assert caller.talk.snapshot.slots["pin"] == "••••"


# ── corrections and confirmations ────────────────────────────────────────────────────────────────────────────────────


def test_a_correction_at_the_final_question_changes_what_is_booked(caller: Caller) -> None:
    caller.says("book an installation on Tuesday at ten")
    said = caller.says("no, I said Wednesday")
    assert "Wednesday the 25th of November at 10 AM" in said
    caller.says("yes")
    assert caller.did("book_appointment")[0]["date"] == "2026-11-25"


def test_no_alone_asks_what_to_change_and_takes_it(caller: Caller) -> None:
    caller.says("book an installation on Tuesday at ten")
    assert "change" in caller.says("no")
    said = caller.says("half past eleven")
    assert "11:30 AM" in said
    assert not caller.did("book_appointment")


def test_naming_what_is_wrong_asks_for_it_again(caller: Caller) -> None:
    caller.says("book an installation on Tuesday at ten")
    caller.says("no, the date is wrong")
    assert caller.step == "book_appointment.appointment_date"
    assert caller.slots["appointment_time"] == "10:00"


def test_an_earlier_answer_is_corrected_while_another_is_asked_for(caller: Caller) -> None:
    caller.says("I need a repair appointment on Tuesday")
    assert caller.step == "book_appointment.appointment_time"
    caller.says("sorry, I meant Thursday")
    assert caller.slots["appointment_date"] == "2026-11-26"
    assert caller.step == "book_appointment.appointment_time"


def test_a_spoken_number_without_check_digit_is_read_back_and_replaced_after_no(caller: Caller) -> None:
    caller.says("I forgot my password")
    caller.says("five two one eight zero")
    said = caller.says("no, five two one eight nine")
    assert "5 2 1 8 9" in said
    caller.says("correct")
    assert caller.slots["employee_number"] == "52189"


def test_a_refused_value_is_not_offered_again(caller: Caller) -> None:
    caller.says("I forgot my password")
    caller.hears(
        Heard("52180", 0.9, "five two one eight zero", 0.9, ("five two one eight zero", "five two nine eight zero"))
    )
    caller.says("no")
    said = caller.hears(
        Heard("52180", 0.9, "five two one eight zero", 0.9, ("five two one eight zero", "five two nine eight zero"))
    )
    assert "5 2 9 8 0" in said


def test_an_alternative_that_is_taken_is_what_gets_booked(caller: Caller) -> None:
    caller.answers["find_slot"] = lambda a: {
        "free": False,
        "alternative_date": "2026-11-26",
        "alternative_time": "14:00",
    }
    said = caller.says("book a repair on Tuesday at ten")
    assert "Thursday the 26th of November at 2 PM" in said
    caller.says("yes that works")
    assert caller.did("book_appointment")[0] | {"service": ""} == {
        "date": "2026-11-26", "time": "14:00", "service": "", "phone": "+15550123456",
    }  # fmt: skip


def test_an_alternative_that_is_refused_asks_for_another_day(caller: Caller) -> None:
    caller.answers["find_slot"] = lambda a: {
        "free": False,
        "alternative_date": "2026-11-26",
        "alternative_time": "14:00",
    }
    caller.says("book a repair on Tuesday at ten")
    caller.says("no")
    assert caller.step == "book_appointment.appointment_date"


# ── several wishes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_question_in_the_middle_is_answered_and_the_task_goes_on(caller: Caller) -> None:
    caller.says("I need a repair appointment on Tuesday")
    said = caller.says("wait how late are you open")
    assert "nine in the morning to five" in said
    assert caller.step == "book_appointment.appointment_time"
    assert caller.slots["appointment_date"] == "2026-11-24"


def test_a_new_wish_with_anything_else_starts_afresh(caller: Caller) -> None:
    caller.says(f"where is my order {spoken(GOOD)}")
    caller.says("yes, I'd like to track another order")
    assert caller.step == "order_status.order_number"
    assert "order_number" not in caller.slots


def test_yes_to_anything_else_asks_what(caller: Caller) -> None:
    caller.says("what are your opening hours")
    assert "What can I do" in caller.says("yes please")


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "a person, please", "agent", "can I talk to a human", "representative!", "I'd like to speak with somebody",
        "operator", "get me a real person please", "no, just put me through to someone",
        "could you connect me to an agent",
    ],
)  # fmt: skip
def test_asking_for_a_person_hands_over_at_once_and_anywhere(
    flow: Flow, understanding: Understanding, text: str
) -> None:
    for before in ([], ["where is my order"], ["book a repair on Tuesday at ten"], ["I forgot my password"]):
        caller = Caller(flow, understanding)
        for turn in before:
            caller.says(turn)
        caller.says(text)
        assert isinstance(caller.last, Handover), (before, text, caller.acts)
        assert caller.last.reason == "asked"


def test_key_zero_calls_a_person(caller: Caller) -> None:
    caller.keys("0")
    assert isinstance(caller.last, Handover)


@pytest.mark.parametrize(
    "text", ["repeat that", "pardon?", "what did you say", "say that again please", "I didn't hear you"]
)
def test_repeat_says_the_question_again_without_a_failure(caller: Caller, text: str) -> None:
    question = caller.says("where is my order")
    assert caller.says(text) == question
    assert caller.talk.last_decision.failures == 0


def test_the_star_key_repeats(caller: Caller) -> None:
    question = caller.says("where is my order")
    assert caller.keys("*") == question


def test_go_back_asks_the_question_before_again(caller: Caller) -> None:
    caller.says("I'd like an appointment")
    caller.says("repair")
    caller.says("tomorrow")
    assert caller.step == "book_appointment.appointment_time"
    caller.says("go back")
    assert caller.step == "book_appointment.appointment_date"
    caller.says("go back")
    assert caller.step == "book_appointment.service"


def test_start_over_forgets_the_task(caller: Caller) -> None:
    caller.says("I need a repair appointment on Tuesday")
    caller.says("start over")
    assert caller.step == "opening"
    assert caller.slots == {}


def test_never_mind_leaves_the_task(caller: Caller) -> None:
    caller.says("I need a repair appointment on Tuesday")
    caller.says("never mind")
    assert caller.step == "after"


def test_hold_on_gives_more_time(caller: Caller) -> None:
    caller.says("where is my order")
    caller.says("hold on a second please")
    assert isinstance(caller.last, Listen)
    assert caller.last.expect.no_input_s > 15
    assert caller.talk.last_decision.failures == 0


def test_help_explains_where_the_number_is(caller: Caller) -> None:
    caller.says("where is my order")
    assert "confirmation e-mail" in caller.says("help")


def test_a_caller_without_the_number_gets_a_person(caller: Caller) -> None:
    caller.says("where is my order")
    caller.says("I don't have it with me")
    assert isinstance(caller.last, Handover)
    assert caller.last.reason == "flow"


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_keyed_digits_need_no_reading_back(caller: Caller) -> None:
    caller.says("I forgot my password")
    caller.keys("52180")
    assert caller.step == "reset_password.pin"


def test_a_choice_may_be_keyed_by_number(caller: Caller) -> None:
    caller.says("I'd like an appointment")
    caller.keys("2")
    assert caller.slots["service"] == "repair"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Max O.", "that's all"),
        ("Long-fine.", "no i'm fine"),
        ("No, Maxwell.", "no that's all thank you"),
        ("Buy.", "bye"),
    ],
)
def test_a_no_that_only_the_grammar_understood_ends_the_call(caller: Caller, text: str, expected: str) -> None:
    caller.says("what are your opening hours")
    caller.hears(Heard(text, 0.5, expected, 0.9, (expected,)))
    assert isinstance(caller.last, End)


def test_yes_to_anything_else_is_no_goodbye(caller: Caller) -> None:
    caller.says("what are your opening hours")
    caller.hears(Heard("Yes peas.", expected_text="yes please", alternatives=("yes please",)))
    assert isinstance(caller.last, Listen)
