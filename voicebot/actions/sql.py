"""Statements on databases, in threads, with a time limit that also stops the statement itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from voicebot.actions.catalog import SqlCall
from voicebot.actions.failure import TryFailed
from voicebot.actions.templates import Scalar
from voicebot.actions.threads import Threads
from voicebot.errors import VoicebotError


class _Job:
    """One statement under way in a thread; the event loop may abandon it."""

    def __init__(self) -> None:
        self._settling = threading.Lock()
        self._abandoned = False
        self._driver: Any = None

    def began(self, driver: Any) -> None:
        with self._settling:
            if self._abandoned:
                raise TryFailed("timeout", "given up before it began")
            self._driver = driver

    def settle(self, connection: sqlalchemy.Connection, *, commit: bool) -> None:
        """Commit, unless nobody waits any more: a write that was reported as timed out must not happen later."""
        with self._settling:
            self._driver = None
            if commit and not self._abandoned:
                connection.commit()
            else:
                connection.rollback()

    def abandon(self) -> None:
        """Stop the statement; does nothing when its commit is already under way. Returns at once."""
        self._abandoned = True
        threading.Thread(target=self._stop, name="action", daemon=True).start()

    def _stop(self) -> None:
        with self._settling:
            # sqlite3 calls it interrupt, psycopg cancel; both may be called from another thread, but psycopg's asks
            # the server and waits for it, so it must not be called on the event loop.
            stop = getattr(self._driver, "interrupt", None) or getattr(self._driver, "cancel", None)
            if stop is not None:
                stop()


class Database:
    """One database with its connections.

    Args:
        call: any of the calls on it; all share the URL.
        size: statements under way at once.

    Raises:
        VoicebotError: its driver is not installed.
    """

    def __init__(self, call: SqlCall, size: int) -> None:
        try:
            # hide_parameters: arguments must not reach a log through an exception's text.
            self._engine = sqlalchemy.create_engine(
                call.database, hide_parameters=True, pool_pre_ping=True, pool_size=size
            )
        except (ImportError, ArgumentError) as error:
            raise VoicebotError(f"no driver for {call.database.drivername}: {error}", "install it") from None
        if self._engine.dialect.name == "sqlite":
            # Left to itself, the driver begins a transaction only for statements that start with INSERT and the like;
            # "with … delete" would be committed at once.
            sqlalchemy.event.listen(self._engine, "connect", _leave_transactions_to_us)
            sqlalchemy.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        self._threads = Threads(size)

    async def close(self) -> None:
        await asyncio.to_thread(self._engine.dispose)

    async def send(self, call: SqlCall, args: Mapping[str, Scalar], *, write: bool) -> list[dict[str, Any]]:
        """One try.

        Returns:
            Rows as dicts, at most ``call.max_rows``; dates as ISO text. ``[{"changed": n}]`` for a write without rows.

        Raises:
            TryFailed: with the kind that flows branch on.
        """
        job = _Job()
        try:
            return await self._threads.run(lambda: self._run(job, call, args, write))
        except asyncio.CancelledError:
            job.abandon()
            raise
        except IntegrityError:
            raise TryFailed("refused", "a constraint of the database forbids it") from None
        except (OperationalError, DBAPIError) as error:
            raise TryFailed("unreachable", type(error).__name__, passing=True) from None
        except (SQLAlchemyError, OverflowError, UnicodeError) as error:
            raise TryFailed("bad-answer", type(error).__name__) from None

    def _run(self, job: _Job, call: SqlCall, args: Mapping[str, Scalar], write: bool) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            job.began(connection.connection.driver_connection)
            done = False
            try:
                result = connection.execute(call.statement, dict(args))
                rows = _rows(result, call.max_rows)
                done = True
            finally:
                # A read is rolled back whatever its statement was: only `write: true` may leave a trace.
                job.settle(connection, commit=write and done)
            return rows


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _rows(result: sqlalchemy.CursorResult[Any], most: int) -> list[dict[str, Any]]:
    if not result.returns_rows:
        return [{"changed": result.rowcount}]
    rows = [{name: plain(value) for name, value in row.items()} for row in result.mappings().fetchmany(most)]
    result.close()
    return rows


def plain(value: Any) -> Any:
    """A column's value as JSON knows it. Raises TryFailed (``bad-answer``) for bytes and the like."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    raise TryFailed("bad-answer", f"a column holds {type(value).__name__}")
