"""The tables of the call record."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from voicebot.errors import VoicebotError

VERSION = 1
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


def _sqlite_settings(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def sqlite_file(engine: sa.Engine) -> Path | None:
    """The file of a SQLite database; None for other databases and for one in memory."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name and name != ":memory:" else None


def prepare(engine: sa.Engine) -> None:
    """Make what is not there yet: the folder, the file (for its owner only) and the tables. Blocking.

    Raises:
        VoicebotError: the database cannot be reached or written, or is of a newer voicebot.
    """
    file = sqlite_file(engine)
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
        with engine.begin() as connection:
            metadata.create_all(connection)
            found = connection.execute(sa.select(schema_version.c.version)).scalar()
            if found is None:
                connection.execute(schema_version.insert().values(version=VERSION))
    except (SQLAlchemyError, OSError) as error:
        where = engine.url.render_as_string(hide_password=True)
        raise VoicebotError(
            f"call records cannot be written to {where}: {getattr(error, 'orig', None) or error}",
            "check record.database, that the server is up and that the folder can be written",
        ) from None
    check_version(found)


def check_version(found: int | None) -> None:
    """Raises VoicebotError when the tables are of a newer voicebot."""
    if found is not None and found != VERSION:
        raise VoicebotError(
            f"the call records have schema version {found}, this voicebot knows {VERSION}",
            "run the voicebot that wrote them, or name another record.database",
        )
