"""Conversations as text on the demo company's flow, with a virtual clock and a backend made of answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from voicebot.events import Act, Do, End, Handover, Heard, Listen, Result, Say
from voicebot.mind.conversation import Conversation
from voicebot.mind.flow import Flow
from voicebot.mind.nlu.understanding import Understanding
from voicebot.paths import DIALOGS, models_dir

pytestmark = pytest.mark.models

NOW = datetime(2026, 11, 21, 10, 0)
"""A Saturday."""
ORDER = "471102"
Answer = Callable[[dict[str, Any]], Any]


def luhn_ok(body: str) -> str:
    """`body` with its check digit."""
    total = sum(
        int(c) * (1 if i % 2 else 2) - (9 if not i % 2 and int(c) > 4 else 0) for i, c in enumerate(reversed(body))
    )
    return body + str(-total % 10)


GOOD = luhn_ok("47110")
SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spoken(digits: str) -> str:
    return " ".join(SPOKEN[int(c)] for c in digits)


@pytest.fixture(scope="session")
def flow() -> Flow:
    return Flow.load(DIALOGS / "northwind.yaml")


@pytest.fixture(scope="session")
def understanding(flow: Flow) -> Understanding:
    return Understanding.train(flow.intents, models_dir())


class Caller:
    """Talks to a conversation and answers for the backend."""

    def __init__(self, flow: Flow, understanding: Understanding, caller: dict[str, str] | None = None) -> None:
        self.talk = Conversation(flow, understanding, now=lambda: NOW, caller=caller or {})
        self.done: list[Do] = []
        self.answers: dict[str, Answer | str] = {
            "find_order": lambda a: {"state": "shipped", "item": "a desk lamp", "eta": "2026-11-24"},
            "find_slot": lambda a: {"free": True, "alternative_date": None, "alternative_time": None},
            "book_appointment": lambda a: {"reference": "AB12"},
            "check_identity": lambda a: {
                "ok": a["pin"] == "8265",
                "locked": False,
                "name": "Anne",
                "phone_end": "4567",
            },
            "reset_password": lambda a: {"reset_id": "r1"},
        }
        self.acts = self._run(self.talk.start())

    def _run(self, acts: list[Act]) -> list[Act]:
        said: list[Act] = []
        while isinstance(acts[-1], Do):
            said += acts[:-1]
            do = acts[-1]
            self.done.append(do)
            answer = self.answers[do.action]
            result = (
                Result(do.token, False, error=answer)
                if isinstance(answer, str)
                else Result(do.token, True, answer(do.args))
            )
            acts = self.talk.result(result)
        return said + acts

    def says(self, text: str) -> str:
        """Speak; returns everything that the bot says then."""
        return self.hears(Heard(text))

    def hears(self, heard: Heard) -> str:
        self.acts = self._run(self.talk.hear(heard))
        return self.said

    def keys(self, keys: str) -> str:
        return self.hears(Heard(keys, source="keys"))

    def is_silent(self) -> str:
        self.acts = self._run(self.talk.silence())
        return self.said

    @property
    def said(self) -> str:
        return " ".join(a.text for a in self.acts if isinstance(a, Say))

    @property
    def last(self) -> Act:
        return self.acts[-1]

    @property
    def step(self) -> str:
        return self.talk.snapshot.step

    @property
    def slots(self) -> dict[str, str]:
        return self.talk.snapshot.slots

    def did(self, action: str) -> list[dict[str, Any]]:
        return [d.args for d in self.done if d.action == action]


@pytest.fixture
def caller(flow: Flow, understanding: Understanding) -> Caller:
    return Caller(flow, understanding, {"caller_number": "+15550123456"})


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


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_three_times_not_understood_hands_over_in_other_words_each_time(caller: Caller) -> None:
    said = [caller.says("where is my order"), caller.says("mumble mumble"), caller.says("fish and chips")]
    assert len(set(said)) == 3
    caller.says("la la la")
    assert isinstance(caller.last, Handover)
    assert caller.last.reason == "failures"
    assert len(caller.talk.last_decision.why) == 3


def test_three_silences_hand_over(caller: Caller) -> None:
    said = [caller.is_silent(), caller.is_silent()]
    assert said[0] != said[1]
    caller.is_silent()
    assert isinstance(caller.last, Handover)


def test_an_answer_in_between_starts_the_count_again(caller: Caller) -> None:
    caller.says("I'd like an appointment")
    caller.is_silent()
    caller.says("flurble")
    caller.says("repair")
    caller.is_silent()
    caller.says("flurble")
    assert isinstance(caller.last, Listen)


def test_unknown_orders_ask_again_and_end_with_a_human(caller: Caller) -> None:
    caller.answers["find_order"] = "status-404"
    said = caller.says(f"where is my order {spoken(GOOD)}")
    assert "can't find" in said
    assert caller.step == "order_status.order_number"
    caller.says(spoken(luhn_ok("55501")))
    caller.says(spoken(luhn_ok("55502")))
    assert isinstance(caller.last, Handover)
    assert caller.last.reason == "failures"


def test_a_wrong_check_digit_is_said_in_its_own_words(caller: Caller) -> None:
    caller.says("where is my order")
    wrong = GOOD[:-1] + str((int(GOOD[-1]) + 1) % 10)
    assert "doesn't seem to be one of our order numbers" in caller.says(spoken(wrong))
    assert not caller.did("find_order")


def test_wrong_pins_end_with_a_human(caller: Caller) -> None:
    caller.says("reset my password")
    for _ in range(3):
        caller.keys("52180")
        caller.keys("0000")
    assert len(caller.did("check_identity")) < 4
    assert not caller.did("reset_password")
    for _ in range(2):
        caller.says("what a mess this is")
    assert isinstance(caller.last, Handover)


def test_a_dead_backend_hands_over_with_words(caller: Caller) -> None:
    caller.answers["find_order"] = "timeout"
    said = caller.says(f"where is my order {spoken(GOOD)}")
    assert "can't reach" in said
    assert isinstance(caller.last, Handover)
    assert caller.last.reason == "backend"


def test_an_answer_without_the_expected_fields_is_a_failed_action(caller: Caller) -> None:
    caller.answers["find_order"] = lambda a: {"hello": "world"}
    caller.says(f"where is my order {spoken(GOOD)}")
    assert isinstance(caller.last, Handover)
    assert caller.last.reason == "backend"


def test_line_ends_from_a_backend_reach_no_prompt_and_no_summary(caller: Caller) -> None:
    caller.answers["find_order"] = lambda a: {"state": "shipped\r\nX: y", "item": "a\x00b\r\nc", "eta": None}
    said = caller.says(f"where is my order {spoken(GOOD)}")
    assert not set("\r\n\x00") & set(said + caller.talk.summary)


# ── handing over ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_summary_says_who_what_and_what_is_open(flow: Flow, understanding: Understanding) -> None:
    caller = Caller(flow, understanding, {"caller_number": "+15550123456", "caller_name": "Anne Smith"})
    caller.says("I need a repair appointment on Tuesday")
    caller.says("let me talk to a person")
    assert isinstance(caller.last, Handover)
    text = caller.last.summary
    assert "Anne Smith" in text
    assert "book an appointment" in text
    assert "Tuesday the 24th of November" in text
    assert "time is still missing" in text
    assert "asked for a person" in text


@pytest.mark.parametrize(
    ("why", "words"), [("busy", "on the phone"), ("no-answer", "nobody could take"), ("unreachable", "get through")]
)
def test_nobody_there_comes_back_to_the_question_with_words(caller: Caller, why: str, words: str) -> None:
    caller.says("where is my order")
    caller.says("agent")
    acts = caller.talk.handover_failed(why)
    said = " ".join(a.text for a in acts if isinstance(a, Say))
    assert words in said
    assert caller.step == "order_status.order_number"
    assert isinstance(acts[-1], Listen)
    assert caller.talk.snapshot.outcome == ""


def test_a_silent_caller_is_let_go_when_no_human_was_there_either(caller: Caller) -> None:
    for _ in range(3):
        caller.is_silent()
    caller.talk.handover_failed("busy")
    for _ in range(3):
        caller.is_silent()
    assert caller.last == End("no-input")


# ── recognition ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text", ["{0[0]}{0[1]}-{0[2]}{0[3]}-{0[4]}{0[5]}", "{0[0]}, {0[1]}, {0[2]}. {0[3]} {0[4]}, {0[5]}."]
)
def test_digits_as_recognition_writes_them_are_read(caller: Caller, text: str) -> None:
    caller.says("where is my order")
    caller.says(text.format(GOOD))
    assert caller.did("find_order") == [{"number": GOOD}]


def test_the_second_recognition_counts_when_the_first_fails_the_check_digit(caller: Caller) -> None:
    caller.says("where is my order")
    wrong = GOOD[:-1] + str((int(GOOD[-1]) + 1) % 10)
    said = caller.hears(Heard(wrong, 0.8, spoken(wrong), 0.8, (spoken(wrong), spoken(GOOD))))
    assert " ".join(GOOD) in said
    assert "right?" in said


def test_a_number_said_in_two_turns_is_one_number(caller: Caller) -> None:
    caller.says("where is my order")
    assert caller.says(spoken(GOOD[:3])) == "Yes, and then?"
    assert caller.talk.last_decision.failures == 0
    assert " ".join(GOOD) in caller.says(spoken(GOOD[3:]))


def test_a_number_that_is_begun_again_is_taken_as_a_whole(caller: Caller) -> None:
    caller.says("where is my order")
    caller.says(spoken(GOOD[:3]))
    caller.says(spoken(GOOD))
    assert caller.did("find_order") == [{"number": GOOD}]


def test_a_result_with_another_token_changes_nothing(caller: Caller) -> None:
    caller.says("where is my order")
    before = caller.talk.snapshot
    caller.talk.result(Result("stale", True, {}))
    assert caller.talk.snapshot == before


def test_text_from_a_sip_user_part_is_no_phone_number(flow: Flow, understanding: Understanding) -> None:
    caller = Caller(flow, understanding, {"caller_number": "alice"})
    caller.says("book a repair on Tuesday at ten")
    caller.says("yes")
    assert caller.did("book_appointment")[0]["phone"] == ""


# ── whatever is said ─────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = """
yes no one two three four five six seven eight nine oh double order where is my appointment tuesday next at
ten half past installation repair password forgot person please repeat that go back help start over bye the
third of march sorry i said wednesday change date wrong to for ate 471102 10:30 $45 a hundred thousand and
quarter noon tomorrow hello wait cancel never mind
"""
WORDS = TEXT.split()
ANSWERS: tuple[Any, ...] = (
    {"state": "shipped", "item": "x", "eta": None}, {"free": True, "alternative_date": None, "alternative_time": None},
    {"free": False, "alternative_date": "2026-12-01", "alternative_time": "11:00"}, {"reference": "A1"},
    {"ok": True, "locked": False, "name": "A", "phone_end": "12"},
    {"ok": False, "locked": False, "name": None, "phone_end": None},
    {"reset_id": "1"}, None, [], "x", {"state": {}, "item": [], "eta": 1e400},
)  # fmt: skip


def _anything(rng: random.Random) -> Heard:
    kind = rng.random()
    if kind < 0.15:
        return Heard(rng.choice("0123456789*#") * rng.choice([1, 1, 4, 5, 6]), source="keys")
    if kind < 0.3:
        return Heard(
            "".join(chr(rng.choice([rng.randint(1, 0x2FF), rng.randint(32, 126)])) for _ in range(rng.randint(0, 60)))
        )
    text = " ".join(rng.choice(WORDS) for _ in range(rng.choice([1, 1, 2, 3, 4, 6, 9, 15])))
    if kind < 0.5:
        inside = rng.choice(
            ["yes", "no", "one two three four five", "tuesday the third of march", "half past ten", spoken(GOOD)]
        )
        return Heard(
            text, rng.random(), expected_text=inside, expected_confidence=rng.random(), alternatives=(inside, "no")
        )
    return Heard(text, rng.random())


def _answer(talk: Conversation, last: Act, rng: random.Random) -> list[Act]:
    if isinstance(last, Do):
        ok = rng.random() < 0.8
        error = rng.choice(["timeout", "status-404", "status-409", "refused"])
        return talk.result(Result(last.token, ok, rng.choice(ANSWERS), "" if ok else error))
    if isinstance(last, Handover):
        return talk.handover_failed(rng.choice(["busy", "no-answer", "unreachable"]))
    return talk.silence() if rng.random() < 0.1 else talk.hear(_anything(rng))


@pytest.mark.parametrize("seed", range(4))
def test_every_turn_ends_in_exactly_one_listen_do_handover_or_end(
    flow: Flow, understanding: Understanding, seed: int
) -> None:
    """Random words, noise, keys, silences and backend answers never raise, and nobody is talked to death."""
    rng = random.Random(seed)
    for _ in range(15):
        talk = Conversation(flow, understanding, now=lambda: NOW, caller={"caller_number": "+1555"})
        acts = talk.start()
        for _ in range(30):
            assert [type(a) for a in acts if not isinstance(a, Say)] == [type(acts[-1])]
            assert isinstance(acts[-1], (Listen, Do, Handover, End))
            assert len(acts) <= 7
            assert talk.summary
            assert talk.snapshot.step
            if isinstance(acts[-1], End):
                break
            acts = _answer(talk, acts[-1], rng)
