"""What happens in a call is written once; record, page, log and metrics read it, and no secret gets out of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from voicebot.calls.reporter import AnsweredCall, CallReporter
from voicebot.conversation.trace import Decision
from voicebot.handoff.webhook_sink import FIELDS
from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.entry import Entry
from voicebot.journal.events import CallHeld
from voicebot.journal.journal import CallJournal, Journal
from voicebot.journal.to_log import LogSink
from voicebot.journal.to_metrics import MetricsSink
from voicebot.messages import Do, Expect, Handover, Heard, Result, Say, Snapshot, Word
from voicebot.record.records import Records
from voicebot.record.rows import CallDetail
from voicebot.record.sink import RecordSink
from voicebot.tts.player import PlayedPrompt
from voicebot.web.page_sink import PageSink

SPOKEN = PlayedPrompt(complete=True, heard="", first_audio_ms=5.0, duration_s=1.0)


class Keeps:
    """A sink that keeps what it is given."""

    name = "keeps"

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)


class Written:
    """A reporter with a clock in hand, and everything that its sinks made of it."""

    def __init__(self, records: Records) -> None:
        self.records, self.kept, self.now = records, Keeps(), 100.0
        self.page: list[dict[str, Any]] = []
        pages = PageSink()
        pages.attach("c1", lambda text: self.page.append(json.loads(text)))
        self.journal = Journal([RecordSink(records), pages, LogSink(), MetricsSink(), self.kept])
        self.journal.start()
        self.report = CallReporter(
            CallJournal("c1", self.journal.publish, CallSecrets()),
            AnsweredCall("browser", "sip:+1555@x", "sip:demo@x", "northwind", "a" * 64, "leg-1"),
            lambda do: ({name: "•••" if name == "pin" else value for name, value in do.args.items()}, True),
            lambda: self.now,
        )
        self.report.moved(snapshot())

    async def shown(self, kind: str) -> list[dict[str, Any]]:
        await self.read()
        return [event for event in self.page if event["type"] == kind]

    async def read(self) -> None:
        """Return when every sink has read everything."""
        assert await asyncio.to_thread(self.journal.flush)
        await asyncio.sleep(0)

    async def record(self) -> CallDetail:
        await self.read()
        assert await self.records.flush()
        detail = await self.records.call("c1")
        assert detail is not None
        return detail


def snapshot(**changes: Any) -> Snapshot:
    values = {"flow": "northwind", "step": "opening", "intent": "", "intent_confidence": 0.0, "slots": {}}
    return Snapshot(**{**values, "outcome": "", "resolved": (), **changes})


@pytest.fixture
async def written(tmp_path: Path) -> AsyncIterator[Written]:
    records = Records.open(f"sqlite:///{tmp_path}/calls.db")
    records.start()
    made = Written(records)
    yield made
    made.journal.stop()
    records.stop()


async def test_words_that_were_guessed_are_marked_unless_the_text_is_masked(written: Written) -> None:
    guessed = (Word("my", 0.9), Word("fellow", 0.4), Word("American", 0.45))
    card = (Word("card", 0.4), Word("4111111111111111", 0.3))
    for text, words in (("my fellow American", guessed), ("card 4111111111111111", card), ("yes", guessed)):
        written.report.heard(Heard(text, 0.8, words=words), Expect())
        written.report.decided(Decision(rule="intent"), 1.0, answers=True)
    assert [event.get("unsure") for event in await written.shown("said")] == [[1, 2], None, None]


async def test_the_wait_for_an_answer_is_counted_from_the_last_voiced_sample(written: Written) -> None:
    written.report.heard(Heard("where is it", 0.9, timings_ms={"endpoint": 200.0, "asr": 40.0}), Expect())
    written.now += 0.015
    written.report.decided(Decision(rule="intent", intent="order_status", confidence=0.97), 9.0, answers=True)
    written.report.first_audio(2.0)
    written.report.first_audio(2.0)
    turn = (await written.record()).turns[-1].turn
    assert turn.timings_ms == {"endpoint": 200.0, "asr": 40.0, "dialog": 9.0, "tts": 2.0, "answer": 215.0}
    assert (turn.text, turn.intent, turn.intent_confidence) == ("where is it", "order_status", 0.97)
    assert [event["latency_ms"] for event in await written.shown("turn")] == [215.0]


async def test_a_turn_keeps_its_rule_its_n_best_and_what_was_found(written: Written) -> None:
    heard = Heard("four seven one", 0.7, "471", 0.6, ("471", "479"))
    written.report.heard(heard, Expect("digits"))
    made = Decision(rule="slot", step="order.number", slots={"number": "471"}, failures=1, why=("no-match at x",))
    written.report.decided(made, 3.0, answers=True)
    written.report.action_asked(Do("find", {"number": "471"}, "t1"))
    written.report.action_done(Do("find", {"number": "471"}, "t1"), Result("t1", True), 30.0)
    written.report.decided(Decision(rule="result"), 2.0, answers=False)
    written.report.first_audio(1.0)
    detail = await written.record()
    turn = detail.turns[-1].turn
    assert (turn.rule, turn.alternatives, turn.found, turn.failures) == ("slot", ("471", "479"), {"number": "471"}, 1)
    assert turn.trace["why"] == ["no-match at x"]
    assert turn.timings_ms["dialog"] == 5.0 and turn.timings_ms["action"] == 30.0
    assert (detail.actions[0].token, detail.actions[0].write) == ("t1", True)
    assert detail.call.flow_hash == "a" * 64


async def test_every_event_is_stored_with_its_number_kind_and_version(written: Written) -> None:
    written.report.ended(snapshot(), "", "caller", {})
    await written.record()
    rows = await written.records.events("c1")
    kinds = [(row.number, row.kind, row.version) for row in rows]
    assert kinds == [(1, "answered", 1), (2, "moved", 1), (3, "ended", 1)]
    assert rows[0].data["caller"] == "sip:+1555@x"


async def test_a_secret_answer_is_in_no_record_page_event_or_log(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        written.report.heard(Heard("one nine oh three", expected_text="one nine oh three"), Expect(secret=True))
        written.report.decided(Decision(rule="slot"), 1.0, answers=True)
        written.report.action_asked(Do("check", {"pin": "1903"}, "t"))
        written.report.action_done(Do("check", {"pin": "1903"}, "t"), Result("t", True), 3.0)
        written.report.saying(Say("Your PIN 1903 is right", secret=True))
        written.report.said(Say("Your PIN 1903 is right", secret=True), SPOKEN)
        written.report.overheard(Heard("1903 I said"), Expect(secret=True))
        written.report.ended(snapshot(), "reset", "caller", {})
        record = await written.record()
    everything = f"{record} {written.page} {caplog.text} {written.kept.entries} {await written.records.events('c1')}"
    assert "1903" not in everything
    assert "one nine" not in everything
    assert "[speech 17 #" in everything


async def test_a_turn_that_only_the_dialog_knows_to_be_secret_is_masked_too(written: Written) -> None:
    written.report.heard(Heard("my pin is 1903"), Expect())
    written.report.decided(Decision(secret=True), 1.0, answers=True)
    written.report.ended(snapshot(), "", "caller", {})
    record = await written.record()
    assert "1903" not in f"{record} {written.page} {written.kept.entries}"


async def test_a_turn_that_nobody_came_to_decide_on_is_in_the_record(written: Written) -> None:
    written.report.heard(Heard("hello there"), Expect())
    written.report.ended(snapshot(), "", "caller", {})
    assert (await written.record()).turns[-1].turn.text == "hello there"


async def test_a_prompt_that_was_cut_says_what_was_heard_of_it(written: Written) -> None:
    written.report.said(Say("We are open all day"), PlayedPrompt(False, "We are", 5.0, 0.4))
    assert [row.turn.text for row in (await written.record()).turns] == ["We are —"]


@pytest.mark.parametrize(
    ("answered", "outcome"), [(True, "handed-over"), (False, "abandoned")], ids=["answered", "hung up on hold"]
)
async def test_a_handover_counts_only_when_somebody_answers(written: Written, answered: bool, outcome: str) -> None:
    act = Handover("desk", "Order is late, card 4111111111111111.", "asked")
    written.report.held(act, snapshot(slots={"card": "4111111111111111"}))
    if answered:
        written.report.joined(act, "sip:ann@desk")
        written.report.parted("human")
    written.report.ended(snapshot(outcome="handed-over"), "late order", "caller", {})
    assert (await written.record()).call.outcome == outcome
    (held,) = [entry.event for entry in written.kept.entries if isinstance(entry.event, CallHeld)]
    posted = {name: held.data()[name] for name in FIELDS}
    assert (posted["number"], posted["reason"], posted["caller"]) == (1, "asked", "sip:+1555@x")
    assert "4111" not in f"{posted} {written.page}"


async def test_a_desk_that_does_not_answer_leaves_the_outcome_to_the_dialog(written: Written) -> None:
    written.report.held(Handover("desk", "x", "asked"), snapshot())
    written.report.not_reached(Handover("desk", "x", "asked"), "busy")
    written.report.outcome("resolved")
    written.report.ended(snapshot(resolved=("order_status",)), "", "caller", {})
    call = (await written.record()).call
    assert (call.outcome, call.reason, call.resolved) == ("resolved", "caller", ("order_status",))


async def test_the_page_follows_the_call(written: Written) -> None:
    written.report.held(Handover("desk", "x", "asked"), snapshot())
    written.report.not_reached(Handover("desk", "x", "asked"), "busy")
    written.report.ended(snapshot(), "asked for a person", "caller", {})
    states = [event["state"] for event in await written.shown("state")]
    assert states == ["answered", "on hold", "answered", "ended"]
    assert (await written.shown("outcome"))[0]["text"] == "asked for a person"
