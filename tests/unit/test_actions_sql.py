"""SQL actions bind their arguments, keep reads from writing, and stop a statement when its time is over."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from actions_support import actions

CATALOG = """
actions:
  find: {{sql: {{database: "sqlite:///{db}", statement: "select number, item from orders where number = :number"}}}}
  all: {{sql: {{database: "sqlite:///{db}", statement: "select number from orders", max_rows: 2}}}}
  cancel:
    write: true
    sql: {{database: "sqlite:///{db}", statement: "update orders set item = 'gone' where number = :number"}}
  sly: {{sql: {{database: "sqlite:///{db}", statement: "with a as (select 1) delete from orders returning number"}}}}
  add:
    write: true
    sql: {{database: "sqlite:///{db}", statement: "insert into orders values (:number, 'x')"}}
  wrong: {{sql: {{database: "sqlite:///{db}", statement: "select nothing from nowhere"}}}}
  blob: {{sql: {{database: "sqlite:///{db}", statement: "select x'00ff' as b"}}}}
  endless:
    timeout_s: 0.2
    sql:
      database: "sqlite:///{db}"
      statement: "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
  endless_write:
    timeout_s: 0.2
    write: true
    sql:
      database: "sqlite:///{db}"
      statement: >-
        insert into orders with recursive n(i) as (select 1000 union all select i + 1 from n) select i, '' from n
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "b.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("create table orders (number text primary key, item text)")
        db.executemany("insert into orders values (?, ?)", [("1", "desk"), ("2", "lamp"), ("3", "chair")])
    return file


def items(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as db:
        return dict(db.execute("select number, item from orders").fetchall())


async def once(database: Path, name: str, **args: Any) -> Any:
    async with actions(database.parent, CATALOG.format(db=database)) as run:
        return await run(name, **args)


async def test_rows_come_back_as_dicts(database: Path) -> None:
    assert (await once(database, "find", number="2")).data == [{"number": "2", "item": "lamp"}]
    assert (await once(database, "find", number="9")).data == []


async def test_an_argument_is_a_value_and_never_a_piece_of_the_statement(database: Path) -> None:
    assert (await once(database, "find", number="2' or '1'='1")).data == []


async def test_rows_are_bounded(database: Path) -> None:
    assert len((await once(database, "all")).data) == 2


async def test_a_write_is_committed_and_says_how_many_rows_changed(database: Path) -> None:
    assert (await once(database, "cancel", number="1")).data == [{"changed": 1}]
    assert items(database)["1"] == "gone"


async def test_a_read_leaves_no_trace_whatever_its_statement_says(database: Path) -> None:
    assert (await once(database, "sly")).ok
    assert len(items(database)) == 3


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [("add", {"number": "1"}, "refused"), ("wrong", {}, "unreachable"), ("blob", {}, "bad-answer")],
)
async def test_faults_of_a_database_have_kinds(database: Path, name: str, args: dict[str, str], error: str) -> None:
    assert (await once(database, name, **args)).error == error


async def test_a_number_too_large_for_the_database_is_a_bad_answer_not_an_exception(database: Path) -> None:
    assert (await once(database, "find", number=2**80)).error == "bad-answer"


@pytest.mark.parametrize("name", ["endless", "endless_write"])
async def test_a_statement_that_does_not_end_is_stopped_in_its_thread(database: Path, name: str) -> None:
    async with actions(database.parent, CATALOG.format(db=database)) as run:
        assert (await run(name)).error == "timeout"
        wait_until(lambda: not [one for one in threading.enumerate() if one.name == "action"])
        assert (await run("find", number="1")).ok
    assert len(items(database)) == 3


def wait_until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(3000):
        if condition():
            return
        waiting.wait(0.01)
    pytest.fail("did not come true in 30 s")
