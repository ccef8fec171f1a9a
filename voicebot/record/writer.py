"""The thread that writes the record. Nothing of a call ever waits for the disk."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError

from voicebot import log
from voicebot.journal import metrics
from voicebot.record.lease import BEAT_S, LEASE_S, Lease

Write = Callable[[sa.Connection], None]
_Waiting = log.InCall[[sa.Connection], None]
"""One entry, carried out inside a transaction."""

CAPACITY = 20_000
"""Entries that may wait; about an hour of 50 busy calls. The last tenth is kept for beginnings and ends of calls."""
BATCH = 500
_PAUSES_S = (0.1, 0.3, 1.0, 3.0, 5.0)

_log = log.get(__name__)


class Writer:
    """Writes entries in the order given, all that wait in one transaction, and keeps the server's lease.

    When the database fails (disk full, server gone) entries wait and are tried again; calls go on. Entries are dropped
    only when `capacity` is reached; ``voicebot_records_lost_total`` counts them. A transaction whose answer was lost is
    found again by the number that it wrote into the lease, so that nothing is written twice.
    """

    def __init__(self, engine: sa.Engine, capacity: int = CAPACITY) -> None:
        self.lease = Lease()
        self._engine = engine
        self._capacity = capacity
        self._waiting: deque[_Waiting] = deque()
        self._busy = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._deadline = 0.0
        self._fault = ""
        self._answered_s = time.monotonic()
        self._looked_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    def take_lease(self) -> int:
        """Take the lease, and close what servers that are certainly gone left open. Blocking. Returns how many calls.

        Raises:
            SQLAlchemyError: the database does not let us.
        """
        number = self.lease.next_number()
        with self._engine.begin() as connection:
            self.lease.renew(connection, number, time.time())
            return self.lease.look(connection, time.monotonic())

    def start(self) -> None:
        self._answered_s = self._looked_s = time.monotonic()
        metrics.database_up.set(1)
        self._thread.start()

    @property
    def fault(self) -> str:
        """What the database answered last instead of writing, or that it answers nothing; empty when all is well."""
        silent_s = time.monotonic() - self._answered_s
        if not self._fault and self._thread.is_alive() and silent_s > LEASE_S:
            return f"no answer for {silent_s:.0f} s"
        return self._fault

    def put(self, write: Write, *, important: bool = False) -> bool:
        """Queue an entry; never waits. Returns False when it was dropped because the queue is full."""
        with self._changed:
            room = self._capacity if important else self._capacity * 9 // 10
            if self._stopping or len(self._waiting) >= room:
                metrics.records_lost.inc()
                return False
            self._waiting.append(log.in_call(write))
            metrics.records_waiting.set(len(self._waiting) + self._busy)
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
        while (batch := self._next()) is not None:
            if not self._write(batch):
                return  # out of time: what is left is counted in `stop`
            self._look()
            with self._changed:
                self._busy = 0
                metrics.records_waiting.set(len(self._waiting))
                self._changed.notify_all()
        try:
            with self._engine.begin() as connection:
                self.lease.release(connection)
        except SQLAlchemyError as error:
            _log.warning("the lease is left to run out", extra={"error": str(_cause(error))})

    def _next(self) -> list[_Waiting] | None:
        """What waits; nothing when only the lease is due; None when it is over."""
        with self._changed:
            due_s = self._looked_s + BEAT_S - time.monotonic()
            self._changed.wait_for(lambda: self._waiting or self._stopping, max(0.0, due_s))
            if self._stopping and not self._waiting:
                return None
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._busy = len(batch)
            return batch

    def _look(self) -> None:
        """Look after the other servers when it is time."""
        if time.monotonic() - self._looked_s < BEAT_S:
            return
        number = self.lease.next_number()
        try:
            with self._engine.begin() as connection:
                self.lease.renew(connection, number, time.time())
                closed = self.lease.look(connection, time.monotonic())
        except SQLAlchemyError as error:
            self._failed(error)
            return
        finally:
            self._looked_s = time.monotonic()
        self._worked()
        if closed:
            _log.warning("calls of a server that is gone closed", extra={"calls": closed})

    def _write(self, batch: list[_Waiting]) -> bool:
        """Write a batch, however long it takes. Returns False when stopping and out of time."""
        tries, number = 0, self.lease.next_number()
        while batch:
            try:
                self._commit(batch, number, again=tries > 0)
                self._worked()
                return True
            except SQLAlchemyError as error:
                if not _passing(error):
                    if len(batch) == 1:
                        metrics.records_lost.inc()
                        with log.of_call(batch[0].call):
                            _log.error("call record entry refused", extra={"error": type(error).__name__})
                        return True
                    # one of them is at fault: find it, keep the others
                    return all(self._write([write]) for write in batch)
                self._failed(error)
                if not self._pause(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)]):
                    return False
                tries += 1
        return True

    def _commit(self, batch: list[_Waiting], number: int, *, again: bool) -> None:
        with self._engine.begin() as connection:
            if again and self.lease.stands_at(connection, number):
                return
            self.lease.renew(connection, number, time.time())
            for write in batch:
                write(connection)

    def _worked(self) -> None:
        self._answered_s = time.monotonic()
        metrics.database_up.set(1)
        if self._fault:
            self._fault = ""
            _log.warning("call records are written again", extra={"waiting": len(self._waiting) + self._busy})

    def _failed(self, error: SQLAlchemyError) -> None:
        """Said once, until it works again: a night without a database is one line, not thousands."""
        self._answered_s = time.monotonic()
        metrics.database_up.set(0)
        if not self._fault:
            _log.error("call records cannot be written; trying again", extra={"error": str(_cause(error))})
        self._fault = " ".join(str(_cause(error)).split())

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
