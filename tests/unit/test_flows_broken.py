"""What the dialog does when the bot cannot hear or speak any more."""

from __future__ import annotations

import pytest

from tests.unit.conversation_support import GOOD, Caller
from voicebot.messages import Act, Do, End, Handover, Heard, Listen, Result, Say

pytestmark = pytest.mark.models


def words(acts: list[Act]) -> str:
    return " ".join(act.text for act in acts if isinstance(act, Say))


def test_a_caller_who_cannot_be_heard_gets_words_and_a_human_at_once(caller: Caller) -> None:
    caller.says("where is my order")
    acts = caller.talk.deaf()
    assert "can't hear you" in words(acts)
    last = acts[-1]
    assert isinstance(last, Handover)
    assert (last.target, last.reason) == ("reception", "recognition")
    assert "where" in last.summary or "order" in last.summary
    assert "recognition broke" in last.summary
    assert caller.talk.last_decision.rule == "deaf"


def test_with_nobody_there_a_number_can_be_keyed(caller: Caller) -> None:
    caller.says("where is my order")
    caller.talk.deaf()
    acts = caller.talk.handover_failed("busy")
    assert "key it in" in words(acts)
    assert isinstance(acts[-1], Listen)
    assert acts[-1].expect.kind == "digits"
    caller.keys(GOOD)
    assert caller.did("find_order") == [{"number": GOOD}]


def test_words_are_not_asked_for_by_keys(caller: Caller) -> None:
    caller.talk.deaf()
    assert "key it in" not in words(caller.talk.handover_failed("busy"))


def test_deaf_and_nobody_there_twice_is_the_end(caller: Caller) -> None:
    for _ in range(2):
        caller.talk.deaf()
        acts = caller.talk.handover_failed("no-answer")
    assert isinstance(acts[-1], End)
    assert acts[-1].outcome == "failed"


def test_a_bot_that_cannot_speak_hands_over_without_a_word(caller: Caller) -> None:
    caller.says("where is my order")
    (act,) = caller.talk.mute()
    assert isinstance(act, Handover)
    assert act.reason == "synthesis"
    assert caller.talk.mute() == [act]
    assert caller.talk.deaf() == [act]


def test_also_while_a_backend_is_asked_and_its_answer_then_changes_nothing(caller: Caller) -> None:
    caller.says("where is my order")
    acts = caller.talk.hear(Heard(GOOD, source="keys"))
    while not (isinstance(acts[-1], Do) and acts[-1].action == "find_order"):
        assert isinstance(acts[-1], Do)
        acts = caller.talk.result(Result(acts[-1].token, True, {"numbers": [GOOD]}))
    do = acts[-1]
    (act,) = caller.talk.mute()
    assert isinstance(act, Handover)
    assert caller.talk.result(Result(do.token, True, {"state": "lost"})) == [act]
