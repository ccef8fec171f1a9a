"""The tables of the call record, as the newest migration leaves them (a test compares the two)."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from voicebot.errors import VoicebotError

VERSION = 2
"""Of the tables below; the number of the newest migration."""
BUSY_MS = 5000
"""How long SQLite waits for another process's write."""

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
        VoicebotError: not a database URL, or its driver is not installed.
    """
    try:
        engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, ImportError, ValueError) as error:
        raise VoicebotError(
            f"record.database cannot be used: {type(error).__name__}",
            "it must be a SQLAlchemy URL such as sqlite:///var/voicebot.db, with its driver installed",
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_settings)
    return engine


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
