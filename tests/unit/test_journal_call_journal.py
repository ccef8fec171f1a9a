"""What happened in a call is written down once, and no secret gets out of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_handoff import StepLeg
from voicebot.conversation.trace import Decision
from voicebot.journal.call_journal import Scribe
from voicebot.messages import Do, Expect, Handover, Heard, Result, Say, Snapshot, Word
from voicebot.record.records import Records
from voicebot.record.rows import CallDetail
from voicebot.tts.player import PlayedPrompt

SPOKEN = PlayedPrompt(complete=True, heard="", first_audio_ms=5.0, duration_s=1.0)


class Written:
    """A scribe with a clock in hand, and everything that it wrote."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.now = 100.0
        self.page: list[dict[str, Any]] = []
        self.scribe = Scribe(
            records,
            "c1",
            "northwind",
            "browser",
            "sip:+1555@x",
            "sip:demo@x",
            leg="leg-1",
            show=lambda text: self.page.append(json.loads(text)),
            mask=lambda do: {name: "•••" if name == "pin" else value for name, value in do.args.items()},
            clock=lambda: self.now,
        )
        self.scribe.at(snapshot())

    def shown(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.page if event["type"] == kind]

    async def record(self) -> CallDetail:
        assert await self.records.flush()
        detail = await self.records.call("c1")
        assert detail is not None
        return detail


def snapshot(**changes: Any) -> Snapshot:
    values = {"flow": "northwind", "step": "opening", "intent": "", "intent_confidence": 0.0, "slots": {}}
    return Snapshot(**{**values, "outcome": "", "resolved": (), **changes})


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    records = Records.open(f"sqlite:///{tmp_path}/calls.db")
    records.start()
    yield Written(records)
    records.stop()


def test_words_that_were_guessed_are_marked_unless_the_text_is_masked(written: Written) -> None:
    guessed = (Word("my", 0.9), Word("fellow", 0.4), Word("American", 0.45))
    card = (Word("card", 0.4), Word("4111111111111111", 0.3))
    for text, words in (("my fellow American", guessed), ("card 4111111111111111", card), ("yes", guessed)):
        written.scribe.heard(Heard(text, 0.8, words=words), Expect())
        written.scribe.thought(Decision(rule="intent"), 1.0)
    assert [event.get("unsure") for event in written.shown("said")] == [[1, 2], None, None]


async def test_the_wait_for_an_answer_is_counted_from_the_last_voiced_sample(written: Written) -> None:
    written.scribe.heard(Heard("where is it", 0.9, timings_ms={"endpoint": 200.0, "asr": 40.0}), Expect())
    written.now += 0.015
    written.scribe.thought(Decision(rule="intent", intent="order_status", confidence=0.97), 9.0)
    written.scribe.first_audio(2.0)
    written.scribe.first_audio(2.0)
    turn = (await written.record()).turns[-1].turn
    assert turn.timings_ms == {"endpoint": 200.0, "asr": 40.0, "mind": 9.0, "tts": 2.0, "answer": 215.0}
    assert (turn.text, turn.intent, turn.intent_confidence) == ("where is it", "order_status", 0.97)
    assert [event["latency_ms"] for event in written.shown("turn")] == [215.0]


async def test_a_secret_answer_is_in_no_record_page_or_log(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        written.scribe.heard(Heard("one nine oh three", expected_text="one nine oh three"), Expect(secret=True))
        written.scribe.thought(Decision(rule="slot"), 1.0)
        written.scribe.acted(Do("check", {"pin": "1903"}, "t"), Result("t", True), 3.0)
        written.scribe.said(Say("Your PIN 1903 is right", secret=True), SPOKEN)
        written.scribe.overheard(Heard("1903 I said"), Expect(secret=True))
        written.scribe.ended(snapshot(), "reset", StepLeg("x"))
    everything = f"{await written.record()} {written.page} {caplog.text}"
    assert "1903" not in everything
    assert "one nine" not in everything
    assert "•••" in everything


async def test_a_turn_that_only_the_mind_knows_to_be_secret_is_masked_too(written: Written) -> None:
    written.scribe.heard(Heard("my pin is 1903"), Expect())
    written.scribe.thought(Decision(secret=True), 1.0)
    written.scribe.ended(snapshot(), "", StepLeg("x"))
    assert "1903" not in f"{await written.record()} {written.page}"


async def test_a_prompt_that_was_cut_says_what_was_heard_of_it(written: Written) -> None:
    written.scribe.said(Say("We are open all day"), PlayedPrompt(False, "We are", 5.0, 0.4))
    assert [row.turn.text for row in (await written.record()).turns] == ["We are —"]


@pytest.mark.parametrize(
    ("answered", "outcome"), [(True, "handed-over"), (False, "abandoned")], ids=["answered", "hung up on hold"]
)
async def test_a_handover_counts_only_when_somebody_answers(written: Written, answered: bool, outcome: str) -> None:
    act = Handover("desk", "Order is late.", "asked")
    summary = written.scribe.summary(act, snapshot())
    assert (summary["call"], summary["summary"], summary["reason"]) == ("c1", "Order is late.", "asked")
    if answered:
        written.scribe.joined(act, StepLeg("human"))
        written.scribe.parted("human")
    written.scribe.ended(snapshot(outcome="handed-over"), "late order", StepLeg("x"))
    assert (await written.record()).call.outcome == outcome


async def test_a_desk_that_does_not_answer_leaves_the_outcome_to_the_dialog(written: Written) -> None:
    written.scribe.summary(Handover("desk", "x", "asked"), snapshot())
    written.scribe.not_reached(Handover("desk", "x", "asked"), "busy")
    written.scribe.outcome("resolved")
    leg = StepLeg("x")
    leg.closed.set_result("caller")
    written.scribe.ended(snapshot(resolved=("order_status",)), "", leg)
    call = (await written.record()).call
    assert (call.outcome, call.reason, call.resolved) == ("resolved", "caller", ("order_status",))
