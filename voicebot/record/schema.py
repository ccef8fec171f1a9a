"""The tables of the call record, as the newest migration leaves them (a test compares the two)."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from voicebot.errors import VoicebotError

VERSION = 3
"""Of the tables below; the number of the newest migration."""
BUSY_MS = 5000
"""How long SQLite waits for another process's write."""
POSTGRESQL = "postgresql"
CONNECT_S, STATEMENT_S, IDLE_S = 5, 10, 60
"""PostgreSQL: no longer for a connection, for a statement, and for the next one of a transaction, so that a server that
hangs is a fault like any other and a client that hangs holds no lock."""

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", sa.String(200), primary_key=True),
    sa.Column("writer", sa.String(200), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False, index=True),
    sa.Column("ended_at", sa.Float),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("caller", sa.String(400), nullable=False),
    sa.Column("called", sa.String(400), nullable=False),
    sa.Column("flow", sa.String(200), nullable=False),
    sa.Column("outcome", sa.String(40), nullable=False, default=""),
    sa.Column("reason", sa.String(400), nullable=False, default=""),
    sa.Column("resolved", sa.Text, nullable=False, default="[]"),
    sa.Column("summary", sa.Text, nullable=False, default=""),
    sa.Column("slots", sa.Text, nullable=False, default="{}"),
    sa.Column("media", sa.Text, nullable=False, default="{}"),
    sa.Column("flow_hash", sa.String(64), nullable=False, server_default=sa.text("''")),
    sa.Index(
        "ix_calls_open", "writer", sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)  # fmt: skip

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("instance", sa.String(40), primary_key=True),
    sa.Column("process", sa.String(400), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("beats", sa.BigInteger, nullable=False),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("call_id", sa.ForeignKey("calls.call_id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("speaker", sa.String(10), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("intent", sa.String(100), nullable=False),
    sa.Column("intent_confidence", sa.Float),
    sa.Column("step", sa.String(200), nullable=False),
    sa.Column("timings_ms", sa.Text, nullable=False),
    sa.Column("barged_in", sa.Boolean, nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("secret", sa.Boolean, nullable=False),
    sa.Column("rule", sa.String(100), nullable=False, server_default=sa.text("''")),
    sa.Column("trace", sa.Text, nullable=False, server_default="{}"),
    sa.Column("alternatives", sa.Text, nullable=False, server_default="[]"),
    sa.Column("found", sa.Text, nullable=False, server_default="{}"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
)

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("call_id", sa.ForeignKey("calls.call_id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("args", sa.Text, nullable=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("error", sa.String(100), nullable=False),
    sa.Column("ms", sa.Float, nullable=False),
    sa.Column("token", sa.String(200), nullable=False, server_default=sa.text("''")),
    sa.Column("write", sa.Boolean, nullable=False, server_default=sa.false()),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # Not a foreign key: a call that is never answered has events and no row in calls.
    sa.Column("call_id", sa.String(200)),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_events_call_id_number", "call_id", "number"),
)


def engine_for(url: str) -> sa.Engine:
    """An engine that connects to nothing yet.

    Raises:
        VoicebotError: not the URL of a SQLite or PostgreSQL database, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        engine = sa.create_engine(
            parsed, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite"), connect_args=_connecting(parsed)
        )
    except (ArgumentError, ImportError, ValueError) as error:
        raise _unusable(url, error) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_settings)
    elif engine.dialect.name == "postgresql" and not engine.dialect.is_async:
        sa.event.listen(engine, "connect", _postgresql_settings)
    else:
        raise _unusable(url, None)
    return engine


def _unusable(url: str, error: Exception | None) -> VoicebotError:
    scheme = url.partition(":")[0]
    if scheme.startswith("postgres"):
        missing = isinstance(error, ImportError)
        why = f"the driver of {scheme} is not installed" if missing else f"{scheme} names another driver"
        ours = f"{POSTGRESQL}+psycopg"
        return VoicebotError(
            f"record.database cannot be used: {why}",
            ("" if scheme == ours else f"write {ours}://… and ") + 'run: pip install "voicebot[postgres]"',
        )
    why = "neither SQLite nor PostgreSQL" if error is None else type(error).__name__
    return VoicebotError(
        f"record.database cannot be used: {why}",
        f"it must be a URL such as sqlite:///var/voicebot.db or {POSTGRESQL}+psycopg://user:password@host/name",
    )


def _connecting(url: sa.URL) -> dict[str, Any]:
    """What libpq is told, where the URL does not say otherwise: a host that is gone is noticed in seconds."""
    if url.drivername not in (f"{POSTGRESQL}+psycopg", f"{POSTGRESQL}+psycopg2"):
        return {}
    wanted = {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": STATEMENT_S * 1000,
        "keepalives_idle": STATEMENT_S,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "application_name": "voicebot",
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def _postgresql_settings(connection: Any, _record: object) -> None:
    """Each is said rather than given as a start-up option, which a pooler in between might not take."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{STATEMENT_S}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'")
    connection.commit()


def _sqlite_settings(connection: sqlite3.Connection, _record: object) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        _write_ahead(cursor)
        # secure_delete: what is masked later leaves no copy in the file's free space.
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch to the write-ahead log. A new file is switched once, and only there SQLite's busy timeout does not hold:
    of servers that start at once some would fail."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def sqlite_file(engine: sa.Engine) -> Path | None:
    """The file of a SQLite database; None for other databases and for one in memory."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name and name != ":memory:" else None


def place(engine: sa.Engine) -> str:
    """The database's URL for people to read, without its password."""
    return engine.url.render_as_string(hide_password=True)


def version(connection: sa.Connection) -> int | None:
    """The version of the tables in a database; None where none were made yet."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return None
    found: int | None = connection.execute(sa.select(schema_version.c.version)).scalar()
    return found


def refuse_newer(found: int | None) -> None:
    """Raises VoicebotError when the tables are of a newer voicebot."""
    if found is not None and found > VERSION:
        raise VoicebotError(
            f"the call records have schema version {found}, this voicebot knows {VERSION}",
            "run the voicebot that wrote them, restore the copy that it made before (docs/operators.md), "
            "or name another record.database",
        )
