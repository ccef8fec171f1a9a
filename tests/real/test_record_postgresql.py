"""The record on a real PostgreSQL: the same as on SQLite, and what only a server of its own can do to it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from tests.real.postgresql import Cluster, cluster
from tests.real.programs import until
from tests.unit.test_record_records import (  # the same tests, with the fixtures of this file
    Clock,
    lost,
    test_a_call_comes_back_as_it_was_written,  # noqa: F401
    test_a_call_is_found_by_the_beginning_of_its_id_when_that_is_unique,  # noqa: F401
    test_an_entry_that_is_refused_takes_no_other_with_it,  # noqa: F401
    test_an_event_needs_no_answered_call,  # noqa: F401
    test_another_process_can_read_while_this_one_writes,  # noqa: F401
    test_calls_are_listed_newest_first_and_bounded,  # noqa: F401
    test_data_that_is_too_long_is_left_out_rather_than_cut,  # noqa: F401
    test_events_come_back_in_the_order_of_their_numbers,  # noqa: F401
    test_text_that_no_database_takes_is_made_storable,  # noqa: F401
    test_why_a_turn_was_decided_and_what_an_action_may_do_come_back,  # noqa: F401
    whole_call,
)
from tests.unit.test_record_upgrade import CALL_1, VERSION_1
from voicebot import cli
from voicebot.errors import VoicebotError
from voicebot.record import schema, upgrade
from voicebot.record.records import Records
from voicebot.record.rows import Turn

pytestmark = pytest.mark.peer("initdb")
PREPARE = """
import sys
from voicebot.record import schema, upgrade
upgrade.prepare(schema.engine_for(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as it:
        yield it


@pytest.fixture
def url(server: Cluster) -> str:
    return server.database()


@pytest.fixture
def records(url: str) -> Iterator[Records]:
    it = Records(schema.engine_for(url), Clock())
    it.start()
    yield it
    it.stop()


def prepare(url: str) -> None:
    engine = schema.engine_for(url)
    try:
        upgrade.prepare(engine)
    finally:
        engine.dispose()


def make(url: str, version: int) -> None:
    """The tables of an older voicebot, with the call of one."""
    engine = schema.engine_for(url)
    config = Config()
    config.set_main_option("script_location", str(upgrade.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, f"{version:04d}")
        connection.exec_driver_sql("DROP TABLE alembic_version")
    with engine.begin() as connection:
        columns = {table: [c["name"] for c in sa.inspect(connection).get_columns(table)] for table in ("calls",)}
        assert columns["calls"][-1] == ("media" if version == 1 else "flow_hash")
        for statement in (
            CALL_1.replace("1, 'speech', 0", "true, 'speech', false").replace("', 1, ''", "', true, ''").split(";")
        ):
            if statement.strip():
                table = statement.split()[2]
                first = [c["name"] for c in sa.inspect(connection).get_columns(table)][: len(_columns(table))]
                connection.exec_driver_sql(statement.replace(f"{table} VALUES", f"{table} ({', '.join(first)}) VALUES"))
    engine.dispose()


def _columns(table: str) -> list[str]:
    """Of version 1."""
    text = VERSION_1.partition(f"CREATE TABLE {table} (")[2].partition("PRIMARY KEY")[0]
    return [part.split()[0] for part in text.split(",") if part.strip()]


# ── migrations ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", range(schema.VERSION))
async def test_every_older_version_is_migrated_and_its_calls_are_kept(url: str, version: int) -> None:
    if version:
        make(url, version)
    it = Records.open(url)
    await asyncio.to_thread(it.start)
    detail = await it.call("old")
    await asyncio.to_thread(it.stop)
    if version:
        assert detail is not None
        assert (detail.slots, detail.turns[0].turn.barged_in) == ({"order_number": "471102"}, True)
        assert (detail.actions[0].ok, detail.actions[0].write) == (True, False)
    engine = schema.engine_for(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
        assert schema.version(connection) == schema.VERSION
    engine.dispose()


@pytest.mark.parametrize("version", [0, 1])
def test_of_several_servers_that_start_at_once_one_migrates(server: Cluster, url: str, version: int) -> None:
    if version:
        make(url, version)
    starting = [subprocess.Popen([sys.executable, "-c", PREPARE, url]) for _ in range(3)]
    assert [it.wait(60) for it in starting] == [0, 0, 0]
    assert server.sql(url, "SELECT version FROM schema_version") == [(schema.VERSION,)]


def test_a_newer_database_is_refused_and_left_as_it_is(server: Cluster, url: str) -> None:
    prepare(url)
    server.sql(url, "UPDATE schema_version SET version = 99")
    with pytest.raises(VoicebotError, match=f"version 99, this voicebot knows {schema.VERSION}"):
        prepare(url)
    assert server.sql(url, "SELECT count(*) FROM leases") == [(0,)]


def test_a_migration_that_fails_leaves_the_old_tables(server: Cluster, url: str) -> None:
    make(url, 1)
    server.sql(url, "CREATE TABLE leases (of_somebody_else TEXT)")  # the last step of all fails
    with pytest.raises(VoicebotError, match=r'relation "leases" already exists.*they are as they were'):
        prepare(url)
    assert server.sql(url, "SELECT version FROM schema_version") == [(1,)]
    assert server.sql(url, "SELECT to_regclass('events')") == [(None,)]
    server.sql(url, "DROP TABLE leases")
    prepare(url)
    assert server.sql(url, "SELECT version FROM schema_version") == [(schema.VERSION,)]


def test_a_database_of_another_encoding_is_refused_with_the_remedy(server: Cluster) -> None:
    latin = server.database("-E", "LATIN1", "-T", "template0")
    with pytest.raises(VoicebotError, match=r"encoding LATIN1, call records need UTF8.*ENCODING 'UTF8'"):
        prepare(latin)


def test_a_user_who_may_make_no_tables_is_told_so(server: Cluster, url: str) -> None:
    server.sql(url, "DROP ROLE IF EXISTS guest")
    server.sql(url, "CREATE ROLE guest LOGIN PASSWORD 'secret'")
    with pytest.raises(VoicebotError, match=r"permission denied for schema public.*its user may make tables"):
        prepare(url.replace("owner:", "guest:"))
    with pytest.raises(VoicebotError, match="password authentication failed") as caught:
        prepare(url.replace("owner:secret", "owner:wr0ng"))
    assert "wr0ng" not in str(caught.value)


# ── a server that goes away ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_what_is_said_while_the_database_is_away_is_written_once_when_it_is_back(
    server: Cluster, url: str, records: Records, mode: str
) -> None:
    before, talking, said = lost(), True, 0

    async def talk() -> None:
        nonlocal said
        while talking:
            whole_call(records, f"call-{said}")
            said += 1
            await asyncio.sleep(0.001)

    going_on = asyncio.create_task(talk())
    await until(lambda: said > 50)
    await asyncio.to_thread(server.stop, mode)
    await until(lambda: records.fault != "")
    await asyncio.to_thread(server.start)
    await until(lambda: records.fault == "")
    talking = False
    await going_on
    assert await records.flush(60)
    assert lost() == before
    assert server.sql(url, "SELECT count(*) FROM calls WHERE outcome = 'resolved'") == [(said,)]
    assert server.sql(url, "SELECT count(*) FROM turns") == [(2 * said,)]
    assert server.sql(url, "SELECT count(*) FROM actions") == [(said,)]


async def test_a_database_that_hangs_is_a_fault_and_holds_nobody_for_good(
    server: Cluster, url: str, records: Records
) -> None:
    whole_call(records, "before")
    assert await records.flush()
    server.freeze()
    try:
        whole_call(records, "meanwhile")
        await until(lambda: records.fault != "", 60)
    finally:
        server.thaw()
    assert await records.flush(60)
    assert server.sql(url, "SELECT call_id FROM calls ORDER BY call_id") == [("before",), ("meanwhile",)]
    assert server.sql(url, "SELECT count(*) FROM turns WHERE call_id = 'meanwhile'") == [(2,)]


async def test_a_statement_that_waits_for_a_lock_too_long_is_tried_again(
    server: Cluster, url: str, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "STATEMENT_S", 1)
    it = Records.open(url)
    await asyncio.to_thread(it.start)
    engine = sa.create_engine(url)
    with engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")
        whole_call(it, "waits")
        await until(lambda: "statement timeout" in it.fault)
    assert await it.flush()
    assert it.fault == ""
    await asyncio.to_thread(it.stop)
    engine.dispose()
    detail = await records.call("waits")
    assert detail is not None
    assert (detail.call.outcome, len(detail.turns)) == ("resolved", 2)


# ── `voicebot records` ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.peer("pg_dump", "pg_restore")
async def test_a_backup_is_what_pg_restore_takes_and_the_password_is_in_no_command_line(
    server: Cluster, url: str, records: Records, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole_call(records, "kept")
    assert await records.flush()
    dump = tmp_path / "calls.dump"
    words = ["records", "backup", str(dump), "--database"]
    assert await asyncio.to_thread(cli.main, [*words, url]) == 0
    assert dump.stat().st_mode & 0o777 == 0o600
    other = server.database()
    dump.chmod(0o644)
    restored = ["pg_restore", "--no-owner", f"--dbname={other.replace('+psycopg', '')}", str(dump)]
    await asyncio.to_thread(subprocess.run, restored, check=True)
    assert server.sql(other, "SELECT call_id FROM calls") == [("kept",)]
    dump.unlink()
    assert await asyncio.to_thread(cli.main, [*words, url.replace("secret", "wr0ng")]) == 2
    said = capfd.readouterr()
    assert "wr0ng" not in said.out + said.err
    assert not dump.exists()


async def test_old_calls_are_pruned_while_a_server_writes(server: Cluster, url: str, records: Records) -> None:
    records.call_started("old", "sip", "", "", "", at=1.0)
    records.turn("old", Turn("bot", "Hello."), at=1.0)
    records.event("old", 1, 1.0, "answered", 1, {})
    records.event(None, 0, 1.0, "deployed", 1, {})
    records.call_ended("old", "resolved", "", (), "", {}, at=2.0)
    records.call_started("new", "sip", "", "", "", at=time.time())
    assert await records.flush()
    assert await asyncio.to_thread(cli.main, ["records", "prune", "--older-than", "90d", "--database", url]) == 0
    assert server.sql(url, "SELECT call_id FROM calls") == [("new",)]
    assert server.sql(url, "SELECT count(*) FROM turns") == [(0,)]
    assert server.sql(url, "SELECT kind FROM events ORDER BY id") == [("deployed",), ("pruned",)]


# ── two servers ──────────────────────────────────────────────────────────────────────────────────────────────────

SERVER = """
import sys, time
from voicebot.record import lease, process
process.own = lambda: ""  # as in a container: nobody else can look after this process
from voicebot.record.records import Records
from voicebot.record.rows import Turn
records = Records.open(sys.argv[1])
records.start()
records.call_started("theirs", "sip", "", "", "")
while not records._writer.flush(1): pass
print("up", flush=True)
time.sleep(1000)
"""


async def test_the_calls_of_a_server_that_was_killed_are_closed_by_the_other_when_its_lease_has_run_out(
    server: Cluster, url: str, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.call_started("mine", "sip", "", "", "")
    assert await records.flush()
    for name, value in (("voicebot.record.writer.BEAT_S", 0.2), ("voicebot.record.lease.LEASE_S", 2.0)):
        monkeypatch.setattr(name, value)
    script = f"from voicebot.record import writer; writer.BEAT_S = 0.2{SERVER}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, url, stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    begun = time.monotonic()
    while time.monotonic() < begun + 4:  # twice the lease: it is renewed all the time
        await asyncio.sleep(0.2)
        rows = {row.call_id: row.outcome for row in await records.calls()}
        assert rows == {"mine": "", "theirs": ""}
    process.kill()
    await process.wait()
    open_ones = "SELECT call_id FROM calls WHERE ended_at IS NULL"
    await until(lambda: server.sql(url, open_ones) == [("mine",)])
    assert server.sql(url, "SELECT outcome FROM calls WHERE call_id = 'theirs'") == [("failed",)]
