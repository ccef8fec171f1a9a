"""The call record: what other rooms call while a call runs, and what lists and pages read afterwards."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from voicebot import log
from voicebot.paths import ROOT
from voicebot.record import reader, schema, upgrade
from voicebot.record.rows import CallDetail, CallRow, EventRow, Turn
from voicebot.record.writer import CAPACITY, Writer

MAX_TEXT_CHARS = 8000
MAX_JSON_CHARS = 100_000
"""Longer data is left out whole: cut JSON could not be read."""
STOP_S = 10.0

_log = log.get(__name__)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class Records:
    """Call records in one database. Writing methods only queue; a thread of its own writes.

    Everything said in one call is in the database a moment after it was said; the end of the call, with its outcome,
    summary and slots, is one transaction. It is stored as it comes: what must not be kept was masked where it was made
    (`voicebot.journal.redaction`), so nothing but the journal's `RecordSink` writes here.
    """

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time, capacity: int = CAPACITY) -> None:
        self._engine = engine
        self._clock = clock
        self._writer = Writer(engine, capacity)
        self._started = False

    @classmethod
    def open(cls, url: str) -> Records:
        """Records at a SQLAlchemy URL; touches nothing yet. Raises VoicebotError for a URL that cannot be used."""
        return cls(schema.engine_for(url))

    def start(self) -> None:
        """Make or migrate the tables, close records that a killed process left open, start the writing thread.

        Blocking: short, but for a migration, which copies a SQLite file first.

        Raises:
            VoicebotError: the database cannot be written or migrated, or is of a newer voicebot, with a remedy.
        """
        upgrade.prepare(self._engine)
        left = self._writer.take_lease()
        if left:
            _log.warning("calls of a stopped server closed", extra={"calls": left})
        self._writer.start()
        self._started = True

    def stop(self) -> None:
        """Write what waits (10 s at most) and close the database. Blocking. Calling it again does nothing."""
        if self._started:
            self._started = False
            self._writer.stop(STOP_S)
        self._engine.dispose()

    @property
    def folder(self) -> Path:
        """Where data lies on this machine: the folder of a SQLite file, or the checkout."""
        file = schema.sqlite_file(self._engine)
        return ROOT if file is None else file.parent

    @property
    def fault(self) -> str:
        """Why nothing can be written just now; empty when all is well. What is recorded meanwhile waits."""
        return self._writer.fault

    async def flush(self, limit_s: float = STOP_S) -> bool:
        """Return when all that was recorded so far is committed, or False after `limit_s`."""
        return await asyncio.to_thread(self._writer.flush, limit_s)

    # ── while a call runs ────────────────────────────────────────────────────────────────────────────────────────

    def call_started(
        self,
        call_id: str,
        channel: str,
        caller: str,
        called: str,
        flow: str,
        flow_hash: str = "",
        at: float | None = None,
    ) -> None:
        """A call was answered. `call_id` must be one of our own making, unique for all time.

        Args:
            at: seconds since 1970, here and below; now without it.
        """
        values = {
            "call_id": _clean(call_id, 200),
            "writer": self._writer.lease.instance,
            "started_at": self._at(at),
            "channel": _clean(channel, 40),
            "caller": _clean(caller, 400),
            "called": _clean(called, 400),
            "flow": _clean(flow, 200),
            "flow_hash": _clean(flow_hash, 64),
        }
        self._writer.put(lambda c: _insert(c, schema.calls, values), important=True)

    def turn(self, call_id: str, turn: Turn, at: float | None = None) -> None:
        """Somebody said something, or something happened."""
        values = {
            "call_id": _clean(call_id, 200),
            "at": self._at(at),
            "speaker": turn.speaker,
            "text": _clean(turn.text),
            "confidence": _number(turn.confidence),
            "intent": _clean(turn.intent, 100),
            "intent_confidence": _number(turn.intent_confidence),
            "step": _clean(turn.step, 200),
            "timings_ms": _json({name: round(float(ms), 1) for name, ms in turn.timings_ms.items()}),
            "barged_in": turn.barged_in,
            "source": _clean(turn.source, 20),
            "secret": turn.secret,
            "rule": _clean(turn.rule, 100),
            "trace": _json(turn.trace),
            "alternatives": _json(turn.alternatives),
            "found": _json(turn.found),
            "failures": turn.failures,
        }
        self._writer.put(lambda c: _insert(c, schema.turns, values))

    def action(
        self,
        call_id: str,
        name: str,
        args: Mapping[str, Any],
        ok: bool,
        error: str,
        ms: float,
        token: str = "",
        write: bool = False,
        at: float | None = None,
    ) -> None:
        """A backend action came to its end. Secret arguments are masked already (`Actions.masked`)."""
        values = {
            "call_id": _clean(call_id, 200),
            "at": self._at(at),
            "name": _clean(name, 100),
            "args": _json(args),
            "ok": ok,
            "error": _clean(error, 100),
            "ms": round(float(ms), 1),
            "token": _clean(token, 200),
            "write": write,
        }
        self._writer.put(lambda c: _insert(c, schema.actions, values))

    def event(
        self, call_id: str | None, number: int, at: float, kind: str, version: int, data: Mapping[str, Any]
    ) -> None:
        """An event of the journal.

        Args:
            call_id: None for what happened to the server rather than in a call.
            number: from 1, within the call.
            at: seconds since 1970.
            kind: the event's name.
            version: of the kind's fields.
            data: the fields as plain data; secrets are masked already.
        """
        values = {
            "call_id": None if call_id is None else _clean(call_id, 200),
            "number": number,
            "at": at,
            "kind": _clean(kind, 40),
            "version": version,
            "data": _json(data),
        }
        self._writer.put(lambda c: _insert(c, schema.events, values))

    def slots(self, call_id: str, slots: Mapping[str, str]) -> None:
        """What the dialog knows now; replaces what was stored before. Secret slots are masked already."""
        self._update(call_id, {"slots": _json(slots)}, important=False)

    def call_ended(
        self,
        call_id: str,
        outcome: str,
        reason: str,
        resolved: Iterable[str],
        summary: str,
        media: Mapping[str, Any],
        at: float | None = None,
    ) -> None:
        """The call is over."""
        values = {
            "ended_at": self._at(at),
            "outcome": _clean(outcome, 40),
            "reason": _clean(reason, 400),
            "resolved": _json(list(resolved)),
            "summary": _clean(summary),
            "media": _json(media),
        }
        self._update(call_id, values, important=True)

    def _at(self, at: float | None) -> float:
        return self._clock() if at is None else at

    def _update(self, call_id: str, values: dict[str, Any], *, important: bool) -> None:
        calls = schema.calls
        where = calls.c.call_id == _clean(call_id, 200)
        self._writer.put(lambda c: _execute(c, calls.update().where(where).values(values)), important=important)

    # ── afterwards ───────────────────────────────────────────────────────────────────────────────────────────────

    async def calls(self, limit: int = 20, before: float | None = None) -> list[CallRow]:
        """The newest calls, newest first, at most `limit` (1 to 1000), begun before `before` (seconds since 1970).

        Raises:
            VoicebotError: there is no such database, or no records in it.
        """
        return await asyncio.to_thread(reader.calls, self._engine, limit, before)

    async def call(self, call_id: str) -> CallDetail | None:
        """One call by its id, by the beginning of its id if no other begins so, or by ``last``; None if there is none.

        Raises:
            VoicebotError: there is no such database, or no records in it.
        """
        return await asyncio.to_thread(reader.call, self._engine, call_id)

    async def events(self, call_id: str) -> list[EventRow]:
        """The events of the call with just this id, in their order; none for a call that has none.

        Raises:
            VoicebotError: there is no such database, or no records in it.
        """
        return await asyncio.to_thread(reader.events, self._engine, call_id)

    async def server_events(self, limit: int = 20, kind: str = "") -> list[EventRow]:
        """The newest events that belong to no call, in their order, at most `limit` (1 to 1000), of one kind if named.

        Raises:
            VoicebotError: there is no such database, or no records in it.
        """
        return await asyncio.to_thread(reader.server_events, self._engine, limit, kind)


def _insert(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
    connection.execute(table.insert().values(values))


def _execute(connection: sa.Connection, statement: sa.Executable) -> None:
    connection.execute(statement)


def _clean(text: str, longest: int = MAX_TEXT_CHARS) -> str:
    """Text that every database can store (no NUL, no lone surrogates), cut to its column."""
    return _UNSTORABLE.sub("�", text)[:longest]


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Redacted data as JSON that every database can store; data that is too long is said to be left out."""
    text = _UNSTORABLE.sub("�", _compact(value))
    if len(text) <= MAX_JSON_CHARS:
        return text
    return _compact({"left out": f"{len(text)} characters"}) if isinstance(value, Mapping) else "[]"


def _number(value: float | None) -> float | None:
    """A plain float: recognition counts in numpy's, which no database driver knows."""
    return None if value is None else round(float(value), 4)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """What JSON does not know: mappings of other kinds, and numpy's numbers."""
    if isinstance(value, Mapping):
        return dict(value)
    return float(value) if hasattr(value, "__float__") else str(value)
