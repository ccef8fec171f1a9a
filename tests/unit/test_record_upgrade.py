"""A database of an older voicebot is migrated whole or not at all, once, and can be gone back to."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from voicebot.errors import VoicebotError
from voicebot.record import schema, upgrade
from voicebot.record.records import Records
from voicebot.record.rows import Turn

VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
CREATE TABLE calls (
    call_id VARCHAR(200) NOT NULL, writer VARCHAR(200) NOT NULL, started_at FLOAT NOT NULL, ended_at FLOAT,
    channel VARCHAR(40) NOT NULL, caller VARCHAR(400) NOT NULL, called VARCHAR(400) NOT NULL,
    flow VARCHAR(200) NOT NULL, outcome VARCHAR(40) NOT NULL, reason VARCHAR(400) NOT NULL, resolved TEXT NOT NULL,
    summary TEXT NOT NULL, slots TEXT NOT NULL, media TEXT NOT NULL, PRIMARY KEY (call_id)
);
CREATE INDEX ix_calls_started_at ON calls (started_at);
CREATE TABLE turns (
    id INTEGER NOT NULL, call_id VARCHAR(200) NOT NULL, at FLOAT NOT NULL, speaker VARCHAR(10) NOT NULL,
    text TEXT NOT NULL, confidence FLOAT, intent VARCHAR(100) NOT NULL, intent_confidence FLOAT,
    step VARCHAR(200) NOT NULL, timings_ms TEXT NOT NULL, barged_in BOOLEAN NOT NULL, source VARCHAR(20) NOT NULL,
    secret BOOLEAN NOT NULL, PRIMARY KEY (id), FOREIGN KEY(call_id) REFERENCES calls (call_id)
);
CREATE INDEX ix_turns_call_id ON turns (call_id);
CREATE TABLE actions (
    id INTEGER NOT NULL, call_id VARCHAR(200) NOT NULL, at FLOAT NOT NULL, name VARCHAR(100) NOT NULL,
    args TEXT NOT NULL, ok BOOLEAN NOT NULL, error VARCHAR(100) NOT NULL, ms FLOAT NOT NULL, PRIMARY KEY (id),
    FOREIGN KEY(call_id) REFERENCES calls (call_id)
);
CREATE INDEX ix_actions_call_id ON actions (call_id);
"""
"""What the voicebot before migrations made, word for word."""
CALL_1 = """
INSERT INTO calls VALUES ('old', 'host:1:1', 1.0, 9.0, 'sip', 'sip:a@b', 'sip:c@d', 'northwind', 'resolved', 'caller',
    '["order_status"]', 'Asked for an order.', '{"order_number":"471102"}', '{"lost":2}');
INSERT INTO turns VALUES (1, 'old', 2.0, 'caller', 'where is my order', 0.9, 'order_status', 0.8, 'main',
    '{"asr":40.0}', 1, 'speech', 0);
INSERT INTO actions VALUES (1, 'old', 3.0, 'find_order', '{"number":"471102"}', 1, '', 12.0);
"""
PREPARE = """
import os, signal, sys
import sqlalchemy as sa
from voicebot.record import schema, upgrade
url, wanted, do = sys.argv[1:]
engine = schema.engine_for(url)
@sa.event.listens_for(engine, "before_cursor_execute")
def look(connection, cursor, statement, *rest):
    if statement.strip().startswith(wanted):
        print(do, flush=True)
        if do == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
upgrade.prepare(engine)
print("alembic" in sys.modules)
"""
"""Prepares a database; when it comes to a statement it says so, or is killed."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of version 1 with one call in it."""
    path = tmp_path / "calls.db"
    write(path, f"PRAGMA journal_mode = WAL; {VERSION_1} {CALL_1} INSERT INTO schema_version VALUES (1);")
    path.chmod(0o600)
    return path


def write(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.executescript(script)


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        return list(db.iterdump())


def backups(file: Path) -> list[Path]:
    return sorted(file.parent.glob("*.bak*"))


def prepare(file: Path) -> None:
    engine = schema.engine_for(f"sqlite:///{file}")
    try:
        upgrade.prepare(engine)
    finally:
        engine.dispose()


def version(file: Path) -> int | None:
    """As a voicebot of any version reads it, the first one too."""
    with closing(sqlite3.connect(file)) as db:
        return int(db.execute("SELECT version FROM schema_version").fetchone()[0])


def process(file: Path, wanted: str, do: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREPARE, f"sqlite:///{file}", wanted, do]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# ── what the steps come to ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("old", [True, False])
def test_the_migrated_tables_are_those_of_the_schema(file: Path, old: bool) -> None:
    if not old:
        file.unlink()
    prepare(file)
    engine = schema.engine_for(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
        columns = {
            table: [c["name"] for c in sa.inspect(connection).get_columns(table)] for table in schema.metadata.tables
        }
    engine.dispose()
    assert columns == {table.name: [c.name for c in table.columns] for table in schema.metadata.sorted_tables}


def test_the_comparison_sees_a_column_that_no_step_makes(file: Path) -> None:
    prepare(file)
    more = sa.MetaData()
    for table in schema.metadata.sorted_tables:
        table.to_metadata(more)
    more.tables["calls"].append_column(sa.Column("forgotten", sa.Text))
    engine = schema.engine_for(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert len(compare_metadata(MigrationContext.configure(connection), more)) == 1
    engine.dispose()


def test_the_steps_are_numbered_up_to_the_version_of_the_schema() -> None:
    steps = [step.revision for step in ScriptDirectory(str(upgrade.MIGRATIONS)).walk_revisions()]
    assert steps == [f"{number:04d}" for number in range(schema.VERSION, 0, -1)]


def test_the_steps_can_be_said_in_the_words_of_postgresql() -> None:
    said = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": said, "literal_binds": True}
    )
    with Operations.context(context):
        for step in reversed(list(ScriptDirectory(str(upgrade.MIGRATIONS)).walk_revisions())):
            step.module.upgrade()
    assert "id SERIAL NOT NULL" in said.getvalue()
    assert "ALTER TABLE actions ADD COLUMN write BOOLEAN DEFAULT false NOT NULL" in said.getvalue()


# ── old data ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_old_database_is_migrated_at_start_and_its_calls_are_kept(file: Path) -> None:
    records = Records.open(f"sqlite:///{file}")
    await asyncio.to_thread(records.start)
    detail = await records.call("old")
    events = await records.events("old")
    await asyncio.to_thread(records.stop)
    assert detail is not None
    assert (detail.call.outcome, detail.call.flow_hash, detail.slots) == ("resolved", "", {"order_number": "471102"})
    (turn,) = detail.turns
    assert turn.turn == Turn(
        "caller", "where is my order", 0.9, "order_status", 0.8, "main", {"asr": 40.0}, True, "speech"
    )
    (action,) = detail.actions
    assert (action.args, action.token, action.write) == ({"number": "471102"}, "", False)
    assert (events, version(file)) == ([], schema.VERSION)


@pytest.mark.parametrize("old", range(1, schema.VERSION))
async def test_every_version_there_was_migrates_forward_after_a_copy_of_it(file: Path, old: int) -> None:
    """Acceptance 46."""
    to_version(file, old)
    before = dump(file)
    prepare(file)
    assert version(file) == schema.VERSION
    (copy,) = backups(file)
    assert dump(copy) == before
    records = Records.open(f"sqlite:///{file}")
    detail = await records.call("old")
    records.stop()
    assert detail is not None
    assert (detail.call.outcome, detail.summary, len(detail.turns), len(detail.actions)) == (
        "resolved", "Asked for an order.", 1, 1,
    )  # fmt: skip


def to_version(file: Path, wanted: int) -> None:
    """Bring the database of version 1 to a later one, as a voicebot of that time did."""
    config = Config()
    config.set_main_option("script_location", str(upgrade.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    engine = schema.engine_for(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.stamp(config, "0001")
        command.upgrade(config, f"{wanted:04d}")
    engine.dispose()
    assert version(file) == wanted


def test_an_old_file_is_copied_first_for_its_owner_only(file: Path) -> None:
    before = dump(file)
    prepare(file)
    (copy,) = backups(file)
    assert re.fullmatch(r"calls\.db\.before-0003-\d{8}T\d{6}Z\.bak", copy.name)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert dump(copy) == before


def test_a_new_database_is_made_without_a_copy(tmp_path: Path) -> None:
    prepare(tmp_path / "sub" / "calls.db")
    assert version(tmp_path / "sub" / "calls.db") == schema.VERSION
    assert backups(tmp_path / "sub" / "calls.db") == []


def test_a_database_of_this_version_is_left_alone_and_costs_no_import(file: Path) -> None:
    prepare(file)
    copies, before = backups(file), dump(file)
    starting = process(file, "BEGIN IMMEDIATE", "locks")
    assert starting.communicate(timeout=30)[0] == "False\n"
    assert (backups(file), dump(file)) == (copies, before)


def test_the_first_start_of_an_old_voicebot_that_was_killed_half_way_is_finished(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    write(file, VERSION_1.partition("CREATE TABLE actions")[0])
    prepare(file)
    assert version(file) == schema.VERSION


def test_a_server_of_the_old_version_can_go_on_writing_until_it_is_stopped(file: Path) -> None:
    with closing(sqlite3.connect(file)) as old:
        prepare(file)
        row = "SELECT 'new', writer, started_at, ended_at, channel, caller, called, flow, outcome, reason, resolved,"
        columns = "call_id, writer, started_at, ended_at, channel, caller, called, flow, outcome, reason, resolved,"
        old.execute(f"INSERT INTO calls ({columns} summary, slots, media) {row} summary, slots, media FROM calls")
        old.commit()
        assert old.execute("SELECT flow_hash FROM calls WHERE call_id = 'new'").fetchone() == ("",)


# ── what may go wrong ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_newer_database_is_neither_written_nor_read(file: Path) -> None:
    write(file, "UPDATE schema_version SET version = 99")
    before = dump(file)
    records = Records.open(f"sqlite:///{file}")
    with pytest.raises(VoicebotError, match=r"version 99, this voicebot knows 3 — run the voicebot"):
        await asyncio.to_thread(records.start)
    for read in (records.calls(), records.call("old"), records.events("old")):
        with pytest.raises(VoicebotError, match="version 99, this voicebot knows 3"):
            await read
    records.stop()
    assert (dump(file), backups(file)) == (before, [])


async def test_reading_migrates_nothing_and_says_what_does(file: Path) -> None:
    before = dump(file)
    records = Records.open(f"sqlite:///{file}")
    with pytest.raises(VoicebotError, match="version 1, this voicebot reads 3 — start the server once"):
        await records.calls()
    records.stop()
    assert dump(file) == before


def test_a_migration_that_fails_leaves_the_old_database_and_says_why(file: Path) -> None:
    write(file, "CREATE TABLE events (of_somebody_else TEXT)")
    before = dump(file)
    with pytest.raises(VoicebotError) as caught:
        prepare(file)
    for words in (str(file), "from version 1 to 3", "table events already exists", "they are as they were"):
        assert words in caught.value.message
    assert "start the voicebot that wrote them" in caught.value.remedy
    assert dump(file) == before
    write(file, "DROP TABLE events")
    prepare(file)
    assert version(file) == schema.VERSION


@pytest.mark.parametrize("statement", ["CREATE TABLE events", "ALTER TABLE actions", "UPDATE schema_version"])
def test_a_migration_that_is_killed_is_as_if_it_had_never_begun(file: Path, statement: str) -> None:
    before = dump(file)
    killed = process(file, statement, "dies")
    assert killed.communicate(timeout=30)[0] == "dies\n"
    assert killed.returncode == -signal.SIGKILL
    assert dump(file) == before
    prepare(file)
    assert version(file) == schema.VERSION


def test_of_two_servers_that_start_at_once_one_migrates(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        starting = [process(file, "BEGIN IMMEDIATE", "has read version 1") for _ in range(2)]
        for it in starting:
            assert it.stdout is not None
            assert it.stdout.readline() == "has read version 1\n"
        other.execute("COMMIT")
    for it in starting:
        it.communicate(timeout=30)
    assert [it.returncode for it in starting] == [0, 0]
    assert version(file) == schema.VERSION
    assert len(backups(file)) == 1


def test_servers_may_start_at_once_where_no_database_is_yet(tmp_path: Path) -> None:
    starting = [process(tmp_path / "calls.db", "BEGIN IMMEDIATE", "locks") for _ in range(3)]
    for it in starting:
        it.communicate(timeout=60)
    assert [it.returncode for it in starting] == [0, 0, 0]
    with closing(sqlite3.connect(tmp_path / "calls.db")) as db:
        assert db.execute("SELECT version FROM schema_version").fetchall() == [(schema.VERSION,)]


def test_without_room_for_the_copy_nothing_is_migrated(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = dump(file)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VoicebotError) as caught:
        prepare(file)
    assert str(file) in caught.value.message
    assert "No space left on device" in caught.value.message
    assert "make room" in caught.value.remedy
    assert dump(file) == before
    assert backups(file) == []


# ── the way back (docs/operators.md) ─────────────────────────────────────────────────────────────────────────────


async def test_the_copy_put_back_is_read_by_the_old_voicebot_and_migrated_again_by_the_new_one(file: Path) -> None:
    before = dump(file)
    records = Records.open(f"sqlite:///{file}")
    await asyncio.to_thread(records.start)
    records.call_started("new", "sip", "", "", "northwind", "abc")
    records.event("new", 1, 1.0, "answered", 1, {})
    await asyncio.to_thread(records.stop)
    assert version(file) == schema.VERSION

    (copy,) = backups(file)
    for name in ("calls.db", "calls.db-wal", "calls.db-shm"):
        if (file.parent / name).exists():
            (file.parent / name).rename(file.parent / f"{name}.version-2")
    shutil.copy2(copy, file)
    assert version(file) == 1
    assert dump(file) == before

    prepare(file)
    assert version(file) == schema.VERSION
    assert version(file.with_name("calls.db.version-2")) == schema.VERSION
