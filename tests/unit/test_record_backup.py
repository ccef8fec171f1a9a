"""Copies of the record's file are whole, few, and nobody else's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from voicebot.record import backup

DAY_S = 86_400.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "calls.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);")
    return path


def names(file: Path) -> set[str]:
    return {path.name for path in file.parent.iterdir()}


def test_the_copy_is_named_after_the_migration_and_the_time_in_utc(file: Path) -> None:
    copy = backup.make(file, "0002", 1_790_000_000.0)
    assert names(file) == {"calls.db", "calls.db.before-0002-20260921T141320Z.bak"}
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_what_a_server_still_holds_in_its_log_is_in_the_copy(file: Path) -> None:
    with closing(sqlite3.connect(file)) as server:
        server.execute("INSERT INTO t VALUES (2)")
        server.commit()
        copy = backup.make(file, "0002", 0.0)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]


def test_the_newest_three_copies_stay_whatever_they_were_made_for(file: Path) -> None:
    for day, revision in enumerate(("0002", "0003", "0002", "0003", "0002")):
        backup.make(file, revision, day * DAY_S)
    backup.prune(file)
    assert names(file) - {"calls.db"} == {
        "calls.db.before-0002-19700103T000000Z.bak",
        "calls.db.before-0003-19700104T000000Z.bak",
        "calls.db.before-0002-19700105T000000Z.bak",
    }


def test_only_our_own_copies_of_this_file_are_removed(file: Path) -> None:
    kept = {"calls.db.before-the-move.bak", "other.db.before-0002-19700101T000000Z.bak", "calls.db.bak", "calls.db"}
    interrupted = "calls.db.before-0002-19700101T000000Z.bak.part"
    for name in (*kept - {"calls.db"}, interrupted, f"{interrupted}-journal"):
        (file.parent / name).touch()
    for day in range(4):
        backup.make(file, "0002", (day + 1) * DAY_S)
    backup.prune(file)
    assert names(file) - kept == {f"calls.db.before-0002-1970010{day}T000000Z.bak" for day in (3, 4, 5)}


def test_a_copy_that_fails_leaves_nothing_that_looks_like_one(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    file.write_bytes(b"no database at all" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        backup.make(file, "0002", 0.0)
    assert names(file) == {"calls.db"}
