"""Takes calls out of the record that are older than they may be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from voicebot.journal.server_events import RecordsPruned
from voicebot.record import reader, schema

BATCH = 200
"""Calls in one transaction: a server that writes meanwhile waits for no more than these."""

_calls, _events = schema.calls, schema.events


@dataclass(frozen=True, slots=True)
class Old:
    """What is older than a time."""

    calls: int
    """That are over."""
    unanswered: int
    """Calls of which there are events only, because they were never answered."""
    under_way: int
    """Not over although they began before; they stay."""


def count(engine: sa.Engine, before: float) -> Old:
    """What `prune` would take out. `before`: seconds since 1970. Raises VoicebotError as reading does."""
    began_before = sa.select(sa.func.count()).select_from(_calls).where(_calls.c.started_at < before)
    with reader.reading(engine) as connection:
        return Old(
            connection.execute(began_before.where(_calls.c.ended_at.is_not(None))).scalar_one(),
            connection.execute(sa.select(sa.func.count()).select_from(_unanswered(before).subquery())).scalar_one(),
            connection.execute(began_before.where(_calls.c.ended_at.is_(None))).scalar_one(),
        )


def prune(engine: sa.Engine, before: float, now: float, progress: Callable[[int], None]) -> Old:
    """Take out calls that are over and began before a time, with their turns, actions and events. Blocking.

    Events that belong to no call stay: deploys, blocks, stops, and the one that this writes. What is taken out of a
    SQLite file is overwritten in it.

    Args:
        engine: of the records; a server may write into them meanwhile.
        before: seconds since 1970.
        now: seconds since 1970.
        progress: told how many are gone so far.

    Raises:
        VoicebotError: there are no records, or they are of another version.
        SQLAlchemyError: the database does not let us; what was told as gone is gone.
    """
    old = count(engine, before)
    over = sa.select(_calls.c.call_id).where(_calls.c.started_at < before, _calls.c.ended_at.is_not(None))
    gone = 0
    for batch in (over.limit(BATCH), _unanswered(before).limit(BATCH)):
        while ids := _take(engine, batch):
            gone += ids
            progress(gone)
    event = RecordsPruned(before, old.calls, old.unanswered)
    row = {"call_id": None, "number": 0, "at": now, "kind": event.kind, "version": event.version}
    with engine.begin() as connection:
        connection.execute(_events.insert().values({**row, "data": json.dumps(event.data())}))
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return old


def _unanswered(before: float) -> sa.Select[tuple[str]]:
    known = sa.select(_calls.c.call_id).where(_calls.c.call_id == _events.c.call_id)
    old = (_events.c.at < before) & _events.c.call_id.is_not(None)
    return sa.select(_events.c.call_id).where(old, ~known.exists()).distinct()


def _take(engine: sa.Engine, wanted: sa.Select[tuple[str]]) -> int:
    """One batch, in one transaction. Returns how many calls."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        ids = list(connection.execute(wanted).scalars())
        for table in (schema.turns, schema.actions, _events, _calls) if ids else ():
            connection.execute(table.delete().where(table.c.call_id.in_(ids)))
        return len(ids)
