"""The record survives what happens to servers, and holds nothing that it must not hold."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from voicebot.errors import VoicebotError
from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.events import (
    ActionDone,
    CallAnswered,
    CallerHeard,
    CallerOverheard,
    CallOver,
    DialogMoved,
    PromptSpoken,
    TurnDecided,
)
from voicebot.journal.journal import CallJournal
from voicebot.record import schema, upgrade, writer
from voicebot.record.records import Records
from voicebot.record.rows import EventRow, Turn
from voicebot.record.sink import RecordSink


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/sub/calls.db"


@pytest.fixture
def records(url: str) -> Iterator[Records]:
    it = Records(schema.engine_for(url), Clock())
    it.start()
    yield it
    it.stop()


def whole_call(records: Records, call_id: str = "c1") -> None:
    records.call_started(call_id, "sip", "sip:+4915112345678@carrier", "sip:bot@here", "northwind")
    records.turn(call_id, Turn("bot", "Hello.", step="greeting", timings_ms={"first_audio": 12.34}))
    records.turn(
        call_id,
        Turn("caller", "where is my order", 0.9, "order_status", 0.8, "main", {"asr": 40.0}, True, "speech"),
    )
    records.action(call_id, "find_order", {"number": "471102"}, True, "", 12.0)
    records.slots(call_id, {"order_number": "471102"})
    records.call_ended(call_id, "resolved", "caller", ("order_status",), "Asked for an order.", {"lost": 2})


async def test_a_call_comes_back_as_it_was_written(records: Records) -> None:
    whole_call(records)
    assert await records.flush()
    detail = await records.call("c1")
    assert detail is not None
    assert (detail.call.outcome, detail.call.resolved, detail.call.turns) == ("resolved", ("order_status",), 1)
    assert detail.call.caller == "sip:+4915112345678@carrier"
    assert detail.summary == "Asked for an order."
    assert (detail.slots, detail.media) == ({"order_number": "471102"}, {"lost": 2})
    caller = Turn("caller", "where is my order", 0.9, "order_status", 0.8, "main", {"asr": 40.0}, True, "speech")
    assert detail.turns[1].turn == caller
    assert detail.actions[0].args == {"number": "471102"}
    assert detail.call.started_at < detail.turns[0].at < detail.actions[0].at < (detail.call.ended_at or 0)


async def test_why_a_turn_was_decided_and_what_an_action_may_do_come_back(records: Records) -> None:
    why = {"candidates": [{"task": "order_status", "chance": 0.8}], "band": "sure", "failures": ["no match"]}
    turn = Turn(
        "caller", "four seven", rule="slot", trace=why, alternatives=("47", "57"), found={"number": "47"}, failures=2
    )
    records.call_started("c1", "sip", "", "", "northwind", flow_hash="ab" * 32)
    records.turn("c1", turn)
    records.action("c1", "book", {}, True, "", 1.0, token="c1:book:1", write=True)
    assert await records.flush()
    detail = await records.call("c1")
    assert detail is not None
    assert detail.call.flow_hash == "ab" * 32
    assert detail.turns[0].turn == turn
    assert (detail.actions[0].token, detail.actions[0].write) == ("c1:book:1", True)


async def test_events_come_back_in_the_order_of_their_numbers(records: Records) -> None:
    records.event("c1", 2, 20.0, "ended", 1, {"outcome": "resolved"})
    records.event("c1", 1, 10.0, "answered", 2, {"caller": "sip:a@b", "legs": [1]})
    records.event("c2", 1, 15.0, "answered", 2, {})
    records.event(None, 1, 16.0, "deploy", 1, {"flow": "northwind"})
    assert await records.flush()
    assert await records.events("c1") == [
        EventRow("c1", 1, 10.0, "answered", 2, {"caller": "sip:a@b", "legs": [1]}),
        EventRow("c1", 2, 20.0, "ended", 1, {"outcome": "resolved"}),
    ]
    assert await records.events("nobody") == []


async def test_an_event_needs_no_answered_call(records: Records) -> None:
    before = lost()
    records.event("refused", 1, 1.0, "refused", 1, {"status": 486})
    assert await records.flush()
    assert lost() == before


async def test_calls_are_listed_newest_first_and_bounded(records: Records) -> None:
    for i in range(5):
        whole_call(records, f"call-{i}")
    await records.flush()
    assert [row.call_id for row in await records.calls(2)] == ["call-4", "call-3"]
    older = await records.calls(10, before=(await records.calls(3))[2].started_at)
    assert [row.call_id for row in older] == ["call-1", "call-0"]


async def test_a_call_is_found_by_the_beginning_of_its_id_when_that_is_unique(records: Records) -> None:
    for call_id in ("abc1", "abd2", "x%y"):
        whole_call(records, call_id)
    await records.flush()
    found = {part: await records.call(part) for part in ("abc", "ab", "abd2", "last", "%", "nothing", "")}
    ids = {part: detail and detail.call.call_id for part, detail in found.items()}
    assert ids == {"abc": "abc1", "ab": None, "abd2": "abd2", "last": "x%y", "%": None, "nothing": None, "": None}


async def test_secret_turns_and_card_numbers_are_nowhere_in_the_file(records: Records, tmp_path: Path) -> None:
    """Records store what they are given; what they are given comes from the journal, which masks it."""
    card, words = "4111 1111 1111 1111", "four one one one " + "one " * 12
    sink, redactor = RecordSink(records), CallSecrets()
    journal = CallJournal("c1", sink.take, redactor)
    said = "nineteen oh three secretly"
    for event in (
        CallAnswered("sip", '"4111111111111111" <sip:x@y>', "sip:bot@here", "northwind", "", "leg"),
        CallerHeard(said, "speech", "a.pin", secret=True, alternatives=(said,), words=((said, 0.5),)),
        TurnDecided("slot", "a.pin", 1.0, found={"pin": redactor.secret("secretly", "digits")}),
        CallerHeard(f"it is {card}", "speech", "a.b", free_text=words, alternatives=(card, words)),
        TurnDecided("slot", "a.b", 1.0, found={"card": card}, why=(f"no-match {card}",)),
        CallerOverheard(words, "speech"),
        ActionDone("pay", "t", False, card, 1.0, {"card": card, "pin": redactor.secret("1903")}),
        PromptSpoken(f"Your card is {card}", card, False, "a.b"),
        DialogMoved("northwind", "a.b", "", 0.0, {"card": card}),
        CallOver("failed", card, "sip", (card,), card, {"card": card}, {"note": card}),
    ):
        journal.write(event)
    records.stop()
    stored = b"".join(file.read_bytes() for file in (tmp_path / "sub").iterdir())
    for text in (b"secretly", b"1111", b"one one", b"1903"):
        assert text not in stored


async def test_text_that_no_database_takes_is_made_storable(records: Records) -> None:
    records.call_started("c1", "sip", "x\x00y\ud800", "", "f" * 10_000)
    records.turn("c1", Turn("caller", "a" * 100_000, confidence=float(np.float32(0.5))))
    records.turn("c1", Turn("caller", "numpy", confidence=np.float32(0.5), timings_ms={"asr": np.float32(1.5)}))  # type: ignore[arg-type,dict-item]
    assert await records.flush()
    detail = await records.call("c1")
    assert detail is not None
    assert detail.call.caller == "x�y�"
    assert len(detail.turns[0].turn.text) == 8000
    assert detail.turns[1].turn.confidence == 0.5


async def test_data_that_is_too_long_is_left_out_rather_than_cut(records: Records) -> None:
    long = "x" * 200_000
    whole_call(records)
    records.action("c1", "find", {"text": "y" * 50_000}, True, "", 1.0)
    records.action("c1", "find", {"text": long}, True, "", 1.0)
    records.turn("c1", Turn("caller", "x", alternatives=(long,)))
    assert await records.flush()
    detail = await records.call("c1")
    assert detail is not None
    assert detail.actions[1].args == {"text": "y" * 50_000}
    assert detail.actions[2].args == {"left out": "200011 characters"}
    assert detail.turns[-1].turn.alternatives == ()


async def test_an_entry_that_is_refused_takes_no_other_with_it(records: Records) -> None:
    before = lost()
    whole_call(records, "c1")
    records.turn("no such call", Turn("caller", "lost"))
    whole_call(records, "c2")
    assert await records.flush()
    assert {row.call_id for row in await records.calls()} == {"c1", "c2"}
    assert lost() == before + 1


def lost() -> float:
    return REGISTRY.get_sample_value("voicebot_records_lost_total") or 0.0


async def test_a_full_disk_holds_entries_back_until_there_is_room(
    records: Records, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PAUSES_S", (0.01,))
    full = [True]

    def pages(connection: sa.Connection, *_: object) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {1 if full[0] else 1_000_000}")

    sa.event.listen(records._engine, "begin", pages)
    records.call_started("c1", "sip", "", "", "")
    for _ in range(200):
        records.turn("c1", Turn("bot", "x" * 4000))
    assert not await records.flush(0.1)
    full[0] = False
    assert await records.flush()
    detail = await records.call("c1")
    assert detail is not None
    assert len(detail.turns) == 200


async def test_a_full_queue_drops_turns_before_ends_of_calls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lost()
    it = Records(schema.engine_for(url), Clock(), capacity=10)
    upgrade.prepare(it._engine)  # the thread does not run yet: everything waits
    it.call_started("c1", "sip", "", "", "")
    for i in range(20):
        it.turn("c1", Turn("bot", str(i)))
    it.call_ended("c1", "resolved", "", (), "", {})
    assert lost() == before + 12
    it.start()
    assert await it.flush()
    detail = await it.call("c1")
    it.stop()
    assert detail is not None
    assert (detail.call.outcome, len(detail.turns)) == ("resolved", 8)


def test_stop_writes_what_waits(url: str) -> None:
    it = Records.open(url)
    it.start()
    for i in range(300):
        whole_call(it, f"c{i}")
    it.stop()
    it.stop()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
        assert db.execute("select count(*) from calls where outcome = 'resolved'").fetchone() == (300,)


async def python(script: str, *args: str) -> tuple[int, str]:
    """Run a script in a process of its own. Returns its exit status and what it printed."""
    command = [sys.executable, "-c", script, *args]
    done = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, text=True, timeout=30)
    return done.returncode, done.stdout


KILLED = """
import asyncio, os, signal, sys
from voicebot.record.records import Records
from voicebot.record.rows import Turn
async def main():
    records = Records.open(sys.argv[1])
    records.start()
    for name in ("done", "open"):
        records.call_started(name, "sip", "", "", "")
        records.turn(name, Turn("bot", "Hello."))
    records.call_ended("done", "resolved", "", (), "", {})
    await records.flush()
    records.turn("open", Turn("bot", "x" * 8000))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_a_killed_server_loses_no_finished_call_and_the_next_one_closes_the_others(url: str) -> None:
    code, _ = await python(KILLED, url)
    assert code == -signal.SIGKILL
    reader = Records.open(url)
    assert {row.call_id: row.outcome for row in await reader.calls()} == {"done": "resolved", "open": ""}
    reader.stop()
    it = Records.open(url)
    it.start()
    rows = {row.call_id: row for row in await it.calls()}
    it.stop()
    assert (rows["done"].outcome, rows["open"].outcome) == ("resolved", "failed")
    assert "stopped" in rows["open"].reason
    assert rows["open"].ended_at is not None


async def test_calls_of_a_living_process_are_left_alone(records: Records, url: str) -> None:
    records.call_started("mine", "sip", "", "", "")
    await records.flush()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db, db:
        host = db.execute("select writer from calls").fetchone()[0].rpartition(":")[0].rpartition(":")[0]
        row = "insert into calls select ?, ?, started_at, null, '', '', '', '', '', '', '[]', '', '{}', '{}', '' "
        row += "from calls"
        db.execute(row + " where call_id = 'mine'", ("sister", f"{host}:{os.getppid()}:1"))
        db.execute(row + " where call_id = 'mine'", ("other machine", "elsewhere:1:1"))
    other = Records.open(url)
    other.start()
    assert {row.call_id: row.outcome for row in await other.calls()} == {"mine": "", "sister": "", "other machine": ""}
    other.stop()


async def test_another_process_can_read_while_this_one_writes(records: Records, url: str) -> None:
    whole_call(records)
    await records.flush()
    script = (
        "import asyncio, sys; from voicebot.record.records import Records; r = Records.open(sys.argv[1]);"
        "print(asyncio.run(r.calls())[0].call_id); r.stop()"
    )
    assert await python(script, url) == (0, "c1\n")


def test_the_file_is_for_its_owner_only(records: Records, url: str) -> None:
    assert stat.S_IMODE(os.stat(url.removeprefix("sqlite:///")).st_mode) == 0o600


def test_reading_where_nothing_was_recorded_says_so_and_makes_no_file(url: str) -> None:
    it = Records.open(url)
    with pytest.raises(VoicebotError, match="no call records yet"):
        asyncio.run(it.calls())
    assert not os.path.exists(url.removeprefix("sqlite:///"))


def test_a_url_that_cannot_be_used_has_a_remedy_and_shows_no_password(tmp_path: Path) -> None:
    for bad in ("nonsense", "nosuchdb://x", f"sqlite:///{tmp_path}"):
        with pytest.raises(VoicebotError) as caught:
            Records.open(bad).start()
        assert caught.value.remedy
    with pytest.raises(VoicebotError) as caught:
        Records.open("postgresql+nosuch://user:s3cret@h/d").start()
    assert "s3cret" not in str(caught.value)


def test_records_of_a_newer_voicebot_are_not_touched(url: str) -> None:
    it = Records.open(url)
    it.start()
    it.stop()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db, db:
        db.execute("update schema_version set version = 99")
    newer = Records.open(url)
    with pytest.raises(VoicebotError, match="version 99"):
        newer.start()
    newer.stop()


async def test_what_was_committed_although_the_answer_was_lost_is_not_written_twice(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PAUSES_S", (0.01,))
    commit, answers = records._writer._commit, [False, True]

    def commit_and_lose(batch: list[writer.Write], number: int, *, again: bool) -> None:
        commit(batch, number, again=again)
        if batch and not answers.pop(0):
            raise sa.exc.OperationalError("COMMIT", {}, OSError("server closed the connection unexpectedly"))

    monkeypatch.setattr(records._writer, "_commit", commit_and_lose)
    records.event("c1", 1, 1.0, "answered", 1, {})
    assert await records.flush()
    assert answers == []
    assert len(await records.events("c1")) == 1


def test_what_could_not_be_written_before_the_end_is_counted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_PAUSES_S", (0.01,))
    monkeypatch.setattr("voicebot.record.records.STOP_S", 0.1)
    it = Records.open(url)
    it.start()
    before = lost()
    os.rename(url.removeprefix("sqlite:///"), url.removeprefix("sqlite:///") + ".away")
    sa.event.listen(it._engine, "begin", _refuse)
    for i in range(600):
        it.event("c1", i, 1.0, "answered", 1, {})
    it.stop()
    assert lost() == before + 600


def _refuse(_: sa.Connection) -> None:
    raise sa.exc.OperationalError("BEGIN", {}, OSError("disk I/O error"))


async def test_a_database_that_refuses_is_named_until_it_writes_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PAUSES_S", (0.01,))
    sa.event.listen(records._engine, "begin", _refuse)
    records.event("c1", 1, 1.0, "answered", 1, {})
    assert not await records.flush(0.1)
    assert records.fault == "disk I/O error"
    assert REGISTRY.get_sample_value("voicebot_database_up") == 0
    sa.event.remove(records._engine, "begin", _refuse)
    assert await records.flush()
    assert (records.fault, REGISTRY.get_sample_value("voicebot_database_up")) == ("", 1)


@pytest.mark.parametrize(
    ("url", "words", "remedy"),
    [
        (
            "postgresql+psycopg://u:s3cret@h/d",
            "the driver of postgresql+psycopg is not installed",
            'pip install "voicebot[postgres]"',
        ),
        ("postgresql://u:s3cret@h/d", "is not installed", "write postgresql+psycopg://"),
        ("postgresql+psycopg2://u:s3cret@h/d", "is not installed", "write postgresql+psycopg://"),
        ("postgresql+asyncpg://u:s3cret@h/d", "is not installed", "write postgresql+psycopg://"),
        ("postgres://u:s3cret@h/d", "another driver", "write postgresql+psycopg://"),
        ("mysql+pymysql://u:s3cret@h/d", "cannot be used", "sqlite:///var/voicebot.db or postgresql+psycopg://"),
    ],
)
def test_a_driver_that_is_missing_is_named_with_the_remedy(
    url: str, words: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("psycopg", "psycopg2", "asyncpg", "pymysql"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(VoicebotError) as caught:
        Records.open(url)
    assert words in caught.value.message
    assert remedy in caught.value.remedy
    assert "s3cret" not in str(caught.value)
