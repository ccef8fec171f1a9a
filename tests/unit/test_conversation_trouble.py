"""Conversations that go wrong: failures, handing over, misheard words, and whatever else is said."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from tests.unit.conversation_support import GOOD, NOW, Caller, luhn_ok, spoken
from voicebot.conversation.engine import Conversation
from voicebot.flows.flow import Flow
from voicebot.messages import Act, Do, End, Handover, Heard, Listen, Result, Say
from voicebot.nlu.intents import Understanding
from voicebot.paths import DIALOGS

pytestmark = pytest.mark.models


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


def test_a_routed_call_rings_first_and_meets_the_bot_with_its_disclosure_when_nobody_comes(
    flow: Flow, understanding: Understanding
) -> None:
    talk = Conversation(flow, understanding, now=lambda: NOW, caller={"caller_number": "+4930123456"})
    acts = talk.connect("reception", queue=True)
    assert [type(act) for act in acts] == [Handover]
    assert isinstance(acts[0], Handover) and (acts[0].target, acts[0].queue) == ("reception", True)
    assert "put through" in acts[0].summary and "4 9 3 0" in acts[0].summary
    acts = talk.handover_failed("busy")
    said = [act for act in acts if isinstance(act, Say)]
    assert said[0].text == flow.model.disclosure and not said[0].barge_in
    assert isinstance(acts[-1], Listen)
    assert [say.text for say in said].count(flow.model.disclosure) == 1


def test_what_a_call_brings_is_one_short_line_and_only_what_is_listed(understanding: Understanding) -> None:
    text = (DIALOGS / "northwind.yaml").read_text()
    text = re.sub(r"^opening:.*$", 'opening: "You called {called_number} as {customer}?"', text, flags=re.MULTILINE)
    flow = Flow.parse(text.replace("\nslots:", "\nfrom_call: [customer]\nslots:", 1))
    call = {"called_number": "+493012345", "customer": "C-17\r\nX: y" + "z" * 500, "stranger": "x"}
    talk = Conversation(flow, understanding, now=lambda: NOW, caller=call)
    said = " ".join(act.text for act in talk.start() if isinstance(act, Say))
    assert "You called +493012345 as C-17 X: yzz" in said
    assert len(said) < 400
    assert "stranger" not in talk.memory.caller
