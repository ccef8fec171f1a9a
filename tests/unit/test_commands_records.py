"""``voicebot records``: what is backed up can be restored, when nobody writes; what is old goes, and no more."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from voicebot import cli
from voicebot.record import lease, restore, retention, schema
from voicebot.record.records import Records
from voicebot.record.rows import Turn

DAY_S = 86_400.0
SERVER = """
import sys
from voicebot.record import process
if len(sys.argv) > 2: process.own = lambda: ""
from voicebot.record.records import Records
records = Records.open(sys.argv[1])
records.start()
records.call_started("theirs", "sip", "", "", "")
while not records._writer.flush(1): pass
print("up", flush=True)
input()
records.stop()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Calls of 400, 100 and 1 days ago, one of 400 days ago that is under way, events of one that was not answered."""
    path = tmp_path / "calls.db"
    records, now = Records.open(f"sqlite:///{path}"), time.time()
    records.start()
    for days in (400, 100, 1):
        name, at = f"d{days}", now - days * DAY_S
        records.call_started(name, "sip", "sip:a@b", "sip:c@d", "northwind", at=at)
        records.turn(name, Turn("caller", f"said in {name}"), at=at)
        records.action(name, "find_order", {}, True, "", 1.0, at=at)
        records.event(name, 1, at, "answered", 1, {})
        records.call_ended(name, "resolved", "", (), "", {}, at=at + 60)
        records.event(f"refused-{name}", 1, at, "refused", 1, {})
        records.event(None, 0, at, "deployed", 1, {})
    records.call_started("under-way", "sip", "", "", "", at=now - 400 * DAY_S)
    assert records._writer.flush(10)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE calls SET writer = 'elsewhere' WHERE call_id = 'under-way'")
    records.stop()
    return path


def voicebot(*words: object) -> int:
    return cli.main(["records", *map(str, words)])


def rows(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as db:
        return list(db.execute(statement))


def calls(file: Path) -> set[object]:
    return {row[0] for row in rows(file, "SELECT call_id FROM calls")}


@pytest.fixture(params=["known", "elsewhere"])
def server(file: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """One that writes into the file; also one whose process cannot be looked up, as in a container."""
    words = [sys.executable, "-c", SERVER, f"sqlite:///{file}", *(["x"] if request.param == "elsewhere" else [])]
    with subprocess.Popen(words, stdin=-1, stdout=-1, text=True) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "up\n"
        yield it
        it.kill()


# ── backup and restore ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_of_a_running_server_is_whole_and_can_be_restored_when_it_has_stopped(
    file: Path, tmp_path: Path, server: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    assert voicebot("backup", copy, "--database", f"sqlite:///{file}") == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert "theirs" in calls(copy)
    assert "schema version 3, whole" in capsys.readouterr().out
    server.communicate("\n", timeout=30)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("DELETE FROM turns")
    assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 0
    assert len(rows(file, "SELECT * FROM turns")) == 3
    (aside,) = tmp_path.glob("calls.db.replaced-*[0-9]Z")
    assert rows(aside, "SELECT * FROM turns") == []
    assert copy.exists()


def test_a_restore_is_refused_while_a_server_runs(
    file: Path,
    tmp_path: Path,
    server: subprocess.Popen[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = tmp_path / "copy.db"
    voicebot("backup", copy, "--database", f"sqlite:///{file}")
    before = file.stat().st_ino
    assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 2
    assert "is in use" in capsys.readouterr().err
    assert file.stat().st_ino == before
    assert not list(tmp_path.glob("*.re*"))
    server.send_signal(signal.SIGKILL)
    server.wait()
    monkeypatch.setattr(restore.time, "sleep", lambda _: None)
    monkeypatch.setattr(lease, "LEASE_S", 1.0)
    assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 0


def test_a_restore_is_refused_while_anything_has_the_database_open(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    voicebot("backup", copy, "--database", f"sqlite:///{file}")
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT count(*) FROM calls').fetchall()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}; print('up', flush=True); input()", str(file)], stdin=-1, stdout=-1, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 2
        other.communicate("\n", timeout=30)
    assert "another program has it open" in capsys.readouterr().err
    assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 0


def test_a_damaged_database_can_be_replaced(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    voicebot("backup", copy, "--database", f"sqlite:///{file}")
    file.write_bytes(b"nonsense" * 1000)
    assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 0
    assert "d1" in calls(file)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda copy: sql(copy, "UPDATE schema_version SET version = 99"), "version 99, this voicebot knows 3"),
        (lambda copy: copy.write_bytes(b"nonsense" * 1000), "holds no call records"),
        (lambda copy: copy.unlink(), "holds no call records"),
        (lambda copy: sql(copy, "DROP TABLE schema_version"), "holds no call records"),
        (lambda copy: os.truncate(copy, copy.stat().st_size // 2), ""),
    ],
)
def test_a_copy_that_is_no_good_is_refused_and_nothing_changed(
    file: Path, tmp_path: Path, spoil: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    voicebot("backup", copy, "--database", f"sqlite:///{file}")
    assert callable(spoil)
    spoil(copy)
    before = file.read_bytes()
    assert voicebot("restore", copy, "--database", f"sqlite:///{file}") == 2
    assert words in capsys.readouterr().err
    assert file.read_bytes() == before


def sql(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(statement)


def test_a_backup_replaces_no_file_and_needs_a_database(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("something else")
    assert voicebot("backup", copy, "--database", f"sqlite:///{file}") == 2
    assert copy.read_text() == "something else"
    assert voicebot("backup", "--database", f"sqlite:///{tmp_path}/nothing.db") == 2
    assert not (tmp_path / "nothing.db").exists()
    assert voicebot("restore", file, "--database", f"sqlite:///{file}") == 2


def test_a_backup_is_named_by_its_time_where_no_name_is_given(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    assert voicebot("backup", folder, "--database", f"sqlite:///{file}") == 0
    assert voicebot("backup", "--database", f"sqlite:///{file}") == 0
    assert len(list(folder.glob("calls.db.backup-*Z"))) == len(list(tmp_path.glob("calls.db.backup-*Z"))) == 1


def test_postgresql_is_told_which_program_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    url = "postgresql+psycopg://u:s3cret@db.example:5433/calls"
    assert voicebot("backup", tmp_path / "calls.dump", "--database", url) == 2
    said = capsys.readouterr().err
    assert "PGHOST=db.example PGPORT=5433 PGUSER=u PGDATABASE=calls pg_dump --format=custom" in said
    assert voicebot("restore", tmp_path / "calls.dump", "--database", url) == 2
    said += capsys.readouterr().err
    assert "pg_restore --no-owner" in said
    assert "s3cret" not in said


# ── prune ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_older_goes_with_all_that_belongs_to_it_and_the_audit_stays(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert voicebot("prune", "--older-than", "90d", "--database", f"sqlite:///{file}") == 0
    assert calls(file) == {"d1", "under-way"}
    for table in ("turns", "actions"):
        assert rows(file, f"SELECT call_id FROM {table}") == [("d1",)]
    events = rows(file, "SELECT call_id, kind FROM events ORDER BY id")
    assert [event for event in events if event[0]] == [("d1", "answered"), ("refused-d1", "refused")]
    assert [event for event in events if not event[0]] == [(None, "deployed")] * 3 + [(None, "pruned")]
    assert "2 calls" in capsys.readouterr().out
    assert b"said in d100" not in file.read_bytes()
    assert b"said in d1" in file.read_bytes()


def test_a_dry_run_says_what_would_go_and_takes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_bytes()
    assert voicebot("prune", "--older-than", "1y", "--dry-run", "--database", f"sqlite:///{file}") == 0
    said = capsys.readouterr().out
    assert said.startswith("would go: 1 calls that began before ")
    assert "events of 1 that were never answered; 1 are under way and stay" in said
    assert file.read_bytes() == before


def test_many_go_in_small_transactions_with_a_word_of_each(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    with closing(sqlite3.connect(file)) as db, db:
        for i in range(95):
            db.execute(
                "INSERT INTO calls SELECT ?, writer, started_at, ended_at, channel, caller, called, flow, outcome,"
                " reason, resolved, summary, slots, media, flow_hash FROM calls WHERE call_id = 'd400'", (f"more-{i}",)
            )  # fmt: skip
    engine, told = schema.engine_for(f"sqlite:///{file}"), list[int]()
    old = retention.prune(engine, time.time() - 90 * DAY_S, 5.0, told.append)
    engine.dispose()
    assert (old.calls, old.unanswered, old.under_way) == (97, 2, 1)
    assert told == [*range(10, 100, 10), 97, 99]


def test_the_copies_that_still_hold_older_calls_are_named(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "calls.db.before-0003-20261201T102103Z.bak"
    shutil.copy(file, copy)
    voicebot("prune", "--older-than", "90", "--database", f"sqlite:///{file}")
    assert str(copy) in capsys.readouterr().out
    assert "d400" in calls(copy)


@pytest.mark.parametrize("age", ["", "0", "-3d", "3 months", "1e9", "9999999d", "d"])
def test_an_age_that_is_none_is_refused(file: Path, age: str) -> None:
    with pytest.raises(SystemExit):
        voicebot("prune", "--older-than", age, "--database", f"sqlite:///{file}")


def test_a_database_of_another_version_is_not_pruned(file: Path) -> None:
    sql(file, "UPDATE schema_version SET version = 2")
    assert voicebot("prune", "--older-than", "90d", "--database", f"sqlite:///{file}") == 2
    assert "d400" in calls(file)


def test_a_server_goes_on_writing_while_calls_are_pruned(file: Path) -> None:
    records = Records.open(f"sqlite:///{file}")
    records.start()
    for i in range(200):
        records.event(f"new-{i}", 1, time.time(), "answered", 1, {})
    assert voicebot("prune", "--older-than", "90d", "--database", f"sqlite:///{file}") == 0
    assert records._writer.flush(30)
    records.stop()
    assert len(rows(file, "SELECT * FROM events WHERE call_id LIKE 'new-%'")) == 200
    assert sa.inspect(schema.engine_for(f"sqlite:///{file}")).has_table("leases")
