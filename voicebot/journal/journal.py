"""The journal: takes the events of all calls and hands each to every sink, in a thread of that sink's own.

A sink that is slow keeps its own queue waiting and nothing else; one that breaks is counted and goes on with the next
event. No call ever waits for a sink, and no sink knows of another.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from voicebot import log
from voicebot.journal import metrics
from voicebot.journal.entry import Entry, Event
from voicebot.journal.redaction import Redactor

CAPACITY = 20_000
"""Entries that may wait for one sink; about ten minutes of 50 busy calls. More are lost for it, and counted."""
STOP_S = 10.0
_log = log.get(__name__)


class Sink(Protocol):
    """Something that reads events."""

    name: str
    """In metrics and logs."""

    def take(self, entry: Entry) -> None:
        """Read one entry; called in order, in one thread. What it raises is counted and forgotten."""


class CallJournal:
    """The journal of one call. Use it in one thread at a time.

    Args:
        call: our own id of the call.
        publish: gets each entry; `Journal.publish`, or whatever a test or a terminal wants.
        redactor: takes out of every event what must not leave.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        call: str | None,
        publish: Callable[[Entry], None],
        redactor: Redactor | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.call = call
        self.redactor = redactor or Redactor()
        self._publish, self._clock = publish, clock
        self._number = 0

    def write(self, event: Event) -> None:
        """Something happened now."""
        self._number += self.call is not None
        self._publish(Entry(self.call, self._number, self._clock(), self.redactor.event(event)))


class Journal:
    """All sinks of this process, from `start` to `stop`.

    Args:
        sinks: who reads.
        capacity: entries that may wait for one of them.
    """

    def __init__(self, sinks: Sequence[Sink], capacity: int = CAPACITY) -> None:
        self._readers = [_Reader(sink, capacity) for sink in sinks]
        self._server = CallJournal(None, self.publish)

    def start(self) -> None:
        """From now on sinks are given events."""
        for reader in self._readers:
            reader.start()

    def stop(self, limit_s: float = STOP_S) -> None:
        """Hand over what waits, for at most `limit_s` seconds in all. Blocking. Calling it again does nothing."""
        ends_s = time.monotonic() + limit_s
        for reader in self._readers:
            reader.stop(max(0.0, ends_s - time.monotonic()))

    def flush(self, limit_s: float = STOP_S) -> bool:
        """Wait until every sink has read all that was written so far. Blocking. False after `limit_s` seconds."""
        ends_s = time.monotonic() + limit_s
        flushed = [reader.flush(max(0.0, ends_s - time.monotonic())) for reader in self._readers]
        return all(flushed)

    def publish(self, entry: Entry) -> None:
        """Hand an entry to every sink; returns at once. Any thread."""
        for reader in self._readers:
            reader.put(entry)

    def note(self, event: Event) -> None:
        """Something happened that belongs to no call. Any thread."""
        self._server.write(event)


class _Reader:
    """A sink, its queue and its thread."""

    def __init__(self, sink: Sink, capacity: int) -> None:
        self._sink, self._capacity = sink, capacity
        self._waiting: deque[Entry] = deque()
        self._busy = self._stopping = self._ill = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"journal {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, entry: Entry) -> None:
        with self._changed:
            if self._stopping or len(self._waiting) >= self._capacity:
                metrics.journal_lost.labels(self._sink.name).inc()
                return
            self._waiting.append(entry)
            self._changed.notify_all()

    def flush(self, limit_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, limit_s)

    def stop(self, limit_s: float) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(limit_s)
        if self._waiting:
            metrics.journal_lost.labels(self._sink.name).inc(len(self._waiting))
            _log.error("events lost", extra={"sink": self._sink.name, "entries": len(self._waiting)})

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                entry = self._waiting.popleft()
                self._busy = True
            self._give(entry)

    def _give(self, entry: Entry) -> None:
        with log.of_call(entry.call or log.NO_CALL):
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        try:
            self._sink.take(entry)
        except Exception as error:  # noqa: BLE001 - whatever a sink does, calls and the other sinks go on
            metrics.journal_faults.labels(self._sink.name).inc()
            if not self._ill:
                _log.exception("a sink of the journal broke", extra={"sink": self._sink.name, "error": str(error)})
            self._ill = True
        else:
            self._ill = False
