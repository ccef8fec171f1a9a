"""kill -9 at random moments: a call record that was finished is there afterwards, and the database is whole.

A hundred kills are ``voicebot bench kill``.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from voicebot.bench import kill

KILLS = 20


def test_no_finished_call_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    found = kill.measure(tmp_path / "calls.db", KILLS, seed=22)
    print(found)
    assert found["ok"], found
    assert found["finished"] > KILLS * 3
    assert found["torn_writes"] == KILLS // 2
    with contextlib.closing(sqlite3.connect(tmp_path / "calls.db")) as database:
        assert database.execute("select count(*) from calls where outcome = ''").fetchone() == (0,)


def test_a_call_that_is_not_there_or_not_whole_is_told(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    kill.look(file, set())
    with contextlib.closing(sqlite3.connect(file)) as database:
        row = {"call_id": "half", "outcome": "resolved"}
        for _, name, kind, required, default, _ in database.execute("pragma table_info(calls)").fetchall():
            if required and default is None:
                row.setdefault(name, "" if "CHAR" in kind or kind in ("TEXT", "JSON") else 0)
        database.execute(f"insert into calls ({', '.join(row)}) values ({', '.join('?' * len(row))})", [*row.values()])
        database.commit()
    found = kill.look(file, {"gone", "half"})
    assert (found["lost"], found["incomplete"], found["said_to_be_resolved_but_half"], found["ok"]) == (1, 1, 1, False)
