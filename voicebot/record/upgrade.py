"""Brings a database of call records to this program's version, when a server starts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from voicebot import log
from voicebot.errors import VoicebotError
from voicebot.record import backup, schema

WAIT_S = 120
"""How long a starting server waits for another one that migrates the same database."""
MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x766F6963  # "voic": any number that no other program takes in the same database

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _Migrated:
    before: int | None
    copy: Path | None
    """The backup; None where there was nothing to lose, or the database is not a file of ours."""


def prepare(engine: sa.Engine) -> None:
    """Make what is not there yet: the folder, the file (for its owner only), the tables of this version. Blocking.

    A database of this version is only asked for its version. An older one is migrated in one transaction, a SQLite file
    after it was copied (`backup.make`); of several servers that start at once one does it and the others wait.

    Raises:
        VoicebotError: the database cannot be reached, written, copied or migrated, or is of a newer voicebot; it is
            as it was before.
    """
    file = schema.sqlite_file(engine)
    found: int | None = None
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
        with engine.connect() as connection:
            _refuse_encoding(connection)
            found = schema.version(connection)
        if found == schema.VERSION:
            return
        schema.refuse_newer(found)
        with _alone(engine) as connection:
            done = _migrate(connection, file)
    except (SQLAlchemyError, OSError) as error:
        raise _failure(engine, found, getattr(error, "orig", None) or error) from None
    if done is not None and done.before is not None:
        copy = "" if done.copy is None else str(done.copy)
        _log.info("call records migrated", extra={"from": done.before, "to": schema.VERSION, "backup": copy})
    if file is not None:
        _prune(file)


def _refuse_encoding(connection: sa.Connection) -> None:
    """Raises VoicebotError for a PostgreSQL database that cannot hold what callers say."""
    if connection.dialect.name == schema.POSTGRESQL:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise VoicebotError(
                f"the database {schema.place(connection.engine)} has the encoding {encoding}, call records need UTF8",
                "make it with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
            )


def _migrate(connection: sa.Connection, file: Path | None) -> _Migrated | None:
    """Returns None when another process has done it meanwhile."""
    found = schema.version(connection)
    if found == schema.VERSION:
        return None
    schema.refuse_newer(found)
    copy = None if file is None or found is None else _copy(file)
    _run(connection, found)
    return _Migrated(found, copy)


def _run(connection: sa.Connection, found: int | None) -> None:
    # Imported here: it takes half a second, which a database of this version is spared.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        if found is not None and not sa.inspect(connection).has_table("alembic_version"):
            command.stamp(config, f"{found:04d}")  # made before there were migrations
        command.upgrade(config, "head")
    except CommandError as error:
        raise _failure(connection.engine, found, error) from None


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction, tables and indexes included, beside which no other migration runs; an error undoes all of it."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if sqlite:  # its driver would begin no transaction before CREATE TABLE
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            with connection.begin():
                if sqlite:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout={WAIT_S * 1000}")
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                elif engine.dialect.name == schema.POSTGRESQL:
                    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_S}s'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                yield connection
        finally:
            if sqlite:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={schema.BUSY_MS}")


def _copy(file: Path) -> Path:
    try:
        return backup.make(file, f"{schema.VERSION:04d}", time.time())
    except (OSError, sqlite3.Error) as error:
        raise VoicebotError(
            f"the call records in {file} must be migrated and cannot be copied beside it first: {error}; "
            "they are as they were",
            "make room for another file of that size and let the folder be written, then start again",
        ) from None


def _prune(file: Path) -> None:
    try:
        backup.prune(file)
    except OSError as error:
        _log.warning("old backups of the call records cannot be removed", extra={"error": str(error)})


def _failure(engine: sa.Engine, found: int | None, why: object) -> VoicebotError:
    where = schema.place(engine)
    if found is None or found >= schema.VERSION:
        sqlite = engine.dialect.name == "sqlite"
        return VoicebotError(
            f"call records cannot be written to {where}: {' '.join(str(why).split())}",
            "check record.database, and that "
            + ("the folder can be written" if sqlite else "the server is up and its user may make tables"),
        )
    return VoicebotError(
        f"the call records in {where} could not be brought from version {found} to {schema.VERSION}: {why}; "
        "they are as they were",
        "mend what it says and start again, or start the voicebot that wrote them",
    )
