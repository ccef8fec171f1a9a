"""The thread that writes the record. Nothing of a call ever waits for the disk."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError

from voicebot import log
from voicebot.journal import metrics
from voicebot.record import schema

Write = Callable[[sa.Connection], None]
"""One entry, carried out inside a transaction."""

CAPACITY = 20_000
"""Entries that may wait; about an hour of 50 busy calls. The last tenth is kept for beginnings and ends of calls."""
BATCH = 500
SCRUB_AGAIN_S = 1.0
"""After so long the write-ahead log is tried again that somebody was reading."""
_PAUSES_S = (0.1, 0.3, 1.0, 3.0, 5.0)

_log = log.get(__name__)
_PROCESS = f"{socket.gethostname()}:{os.getpid()}:{time.time():.0f}"


class Writer:
    """Writes entries in the order given, all that wait in one transaction.

    When the database fails (disk full, server gone) entries wait and are tried again; calls go on. Entries are dropped
    only when `capacity` is reached; ``voicebot_records_lost_total`` counts them.
    """

    def __init__(self, engine: sa.Engine, capacity: int = CAPACITY) -> None:
        self._engine = engine
        self._capacity = capacity
        self._waiting: deque[Write] = deque()
        self._busy = 0
        self._changed = threading.Condition()
        self._stopping = self._scrub = False
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, write: Write, *, important: bool = False, scrub: bool = False) -> bool:
        """Queue an entry; never waits. Returns False when it was dropped because the queue is full.

        Args:
            scrub: what it replaces must leave no copy in SQLite's write-ahead log either.
        """
        with self._changed:
            room = self._capacity if important else self._capacity * 9 // 10
            if self._stopping or len(self._waiting) >= room:
                metrics.records_lost.inc()
                return False
            self._waiting.append(write)
            self._scrub |= scrub
            self._changed.notify_all()
            return True

    def flush(self, limit_s: float) -> bool:
        """Wait until all that was queued is committed. Blocking. Returns False when that took longer than `limit_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, limit_s)

    def stop(self, limit_s: float) -> None:
        """Write what waits, for at most `limit_s`, and end the thread. Blocking."""
        with self._changed:
            self._stopping = True
            self._deadline = time.monotonic() + limit_s
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(limit_s + 1)
        lost = len(self._waiting) + self._busy
        if lost:
            metrics.records_lost.inc(lost)
            _log.error("call records lost", extra={"entries": lost})

    def _run(self) -> None:
        while (batch := self._next()) or not self._stopping:
            self._write(batch)
            self._empty_log()
            with self._changed:
                self._busy = 0
                self._changed.notify_all()

    def _next(self) -> list[Write]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping, SCRUB_AGAIN_S if self._scrub else None)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._busy = len(batch)
            return batch

    def _write(self, batch: list[Write]) -> None:
        tries = 0
        while batch:
            try:
                self._commit(batch)
                return
            except SQLAlchemyError as error:
                if not _passing(error):
                    if len(batch) == 1:
                        metrics.records_lost.inc()
                        _log.error("call record entry refused", extra={"error": type(error).__name__})
                        return
                    for write in batch:  # one of them is at fault: find it, keep the others
                        self._write([write])
                    return
                _log.error("call records cannot be written; trying again", extra={"error": str(_cause(error))})
                if not self._pause(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)]):
                    return
                tries += 1

    def _commit(self, batch: list[Write]) -> None:
        with self._engine.begin() as connection:
            for write in batch:
                write(connection)

    def _empty_log(self) -> None:
        """Where something was masked: bring the write-ahead log into the file and cut it; later, while it is read."""
        with self._changed:
            due = self._scrub and not self._waiting
        if not due:
            return
        try:
            if self._engine.dialect.name == "sqlite":
                with self._engine.connect() as connection:
                    busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                    if busy:
                        return
        except SQLAlchemyError as error:
            _log.error("the write-ahead log cannot be emptied; trying again", extra={"error": str(_cause(error))})
            return
        with self._changed:
            self._scrub = bool(self._waiting) and self._scrub

    def _pause(self, seconds: float) -> bool:
        """Wait before another try. Returns False when stopping and out of time."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping and time.monotonic() > self._deadline, seconds)
            return not (self._stopping and time.monotonic() > self._deadline)


def _cause(error: SQLAlchemyError) -> object:
    return getattr(error, "orig", None) or type(error).__name__


def _passing(error: SQLAlchemyError) -> bool:
    """Whether the same entry may succeed later: the database is ill, rather than the entry wrong."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InternalError, InterfaceError))


def process_name() -> str:
    """Names this process in the rows that it writes."""
    return _PROCESS


def close_interrupted(connection: sa.Connection, now: float) -> int:
    """Close the records of calls that a process on this machine left open when it was killed. Returns how many."""
    open_calls = sa.select(schema.calls.c.call_id, schema.calls.c.writer).where(schema.calls.c.ended_at.is_(None))
    dead = [call_id for call_id, writer in connection.execute(open_calls) if _is_dead(writer)]
    for call_id in dead:
        last = sa.select(sa.func.max(schema.turns.c.at)).where(schema.turns.c.call_id == call_id).scalar_subquery()
        connection.execute(
            schema.calls.update()
            .where(schema.calls.c.call_id == call_id)
            .values(
                ended_at=sa.func.coalesce(last, schema.calls.c.started_at),
                outcome="failed",
                reason="the server stopped in the middle of the call",
            )
        )
    return len(dead)


def _is_dead(writer: str) -> bool:
    host, _, rest = writer.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or writer == _PROCESS or not rest.isdecimal():
        return False
    if int(rest) == os.getpid():  # the same number, but an earlier process
        return True
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
