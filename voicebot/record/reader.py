"""Reads call records; usable while a server writes them in another process. Blocking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from voicebot.errors import VoicebotError
from voicebot.record import schema
from voicebot.record.rows import ActionRow, CallDetail, CallRow, EventRow, Turn, TurnRow

_calls, _turns, _actions, _events = schema.calls, schema.turns, schema.actions, schema.events
_SPOKEN = (
    sa.select(sa.func.count())
    .select_from(_turns)
    .where(_turns.c.call_id == _calls.c.call_id, _turns.c.speaker == "caller")
    .scalar_subquery()
    .label("spoken")
)


def calls(engine: sa.Engine, limit: int, before: float | None = None) -> list[CallRow]:
    """See `Records.calls`."""
    wanted = sa.select(_calls, _SPOKEN).order_by(_calls.c.started_at.desc()).limit(max(1, min(limit, 1000)))
    if before is not None:
        wanted = wanted.where(_calls.c.started_at < before)
    with reading(engine) as connection:
        return [_row(row) for row in connection.execute(wanted).mappings()]


def call(engine: sa.Engine, call_id: str) -> CallDetail | None:
    """See `Records.call`."""
    with reading(engine) as connection:
        row = _find(connection, call_id)
        if row is None:
            return None
        mine = row["call_id"]
        turns = connection.execute(sa.select(_turns).where(_turns.c.call_id == mine).order_by(_turns.c.id)).mappings()
        done = connection.execute(sa.select(_actions).where(_actions.c.call_id == mine).order_by(_actions.c.id))
        return CallDetail(
            call=_row(row),
            summary=row["summary"],
            slots=json.loads(row["slots"]),
            turns=tuple(_turn(turn) for turn in turns),
            actions=tuple(_action(action) for action in done.mappings()),
            media=json.loads(row["media"]),
        )


def events(engine: sa.Engine, call_id: str) -> list[EventRow]:
    """See `Records.events`."""
    wanted = sa.select(_events).where(_events.c.call_id == call_id).order_by(_events.c.number, _events.c.id)
    with reading(engine) as connection:
        return [_event(row) for row in connection.execute(wanted).mappings()]


def server_events(engine: sa.Engine, limit: int, kind: str = "") -> list[EventRow]:
    """See `Records.server_events`."""
    wanted = sa.select(_events).where(_events.c.call_id.is_(None)).order_by(_events.c.at.desc(), _events.c.id.desc())
    if kind:
        wanted = wanted.where(_events.c.kind == kind)
    with reading(engine) as connection:
        newest = [_event(row) for row in connection.execute(wanted.limit(max(1, min(limit, 1000)))).mappings()]
    return newest[::-1]


def _find(connection: sa.Connection, call_id: str) -> sa.RowMapping | None:
    wanted = sa.select(_calls, _SPOKEN)
    if call_id == "last":
        return connection.execute(wanted.order_by(_calls.c.started_at.desc()).limit(1)).mappings().first()
    exact = connection.execute(wanted.where(_calls.c.call_id == call_id)).mappings().first()
    if exact is not None or not call_id:
        return exact
    beginning = sa.func.substr(_calls.c.call_id, 1, len(call_id)) == call_id
    found = connection.execute(wanted.where(beginning).limit(2)).mappings().all()
    return found[0] if len(found) == 1 else None


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection to records of this version. Raises VoicebotError: there are none, or they are of another one."""
    file = schema.sqlite_file(engine)
    where = schema.place(engine)
    none_yet = VoicebotError(f"there are no call records yet at {where}", "take a call first, or name the database")
    if file is not None and not file.exists():  # reading must not make an empty database
        raise none_yet
    try:
        with engine.connect() as connection:
            found = schema.version(connection)
            if found is None:
                raise none_yet
            schema.refuse_newer(found)
            if found < schema.VERSION:  # reading must not migrate: an older server may be writing
                raise VoicebotError(
                    f"the call records at {where} have schema version {found}, this voicebot reads {schema.VERSION}",
                    "start the server once: it copies and migrates them",
                )
            yield connection
    except (OperationalError, ProgrammingError) as error:
        raise VoicebotError(
            f"call records cannot be read from {where}: {error.orig}", "check record.database"
        ) from None


def _row(row: sa.RowMapping) -> CallRow:
    return CallRow(
        call_id=row["call_id"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        channel=row["channel"],
        caller=row["caller"],
        called=row["called"],
        flow=row["flow"],
        outcome=row["outcome"],
        reason=row["reason"],
        resolved=tuple(json.loads(row["resolved"])),
        turns=row["spoken"],
        flow_hash=row["flow_hash"],
    )


def _turn(row: sa.RowMapping) -> TurnRow:
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    loaded: dict[str, Any] = {name: json.loads(row[name]) for name in ("timings_ms", "trace", "found")}
    return TurnRow(row["at"], Turn(alternatives=tuple(json.loads(row["alternatives"])), **plain, **loaded))


_PLAIN = (
    "speaker", "text", "confidence", "intent", "intent_confidence", "step", "barged_in", "source", "secret", "rule",
    "failures",
)  # fmt: skip


def _action(row: sa.RowMapping) -> ActionRow:
    names = ("at", "name", "ok", "error", "ms", "token", "write")
    return ActionRow(args=json.loads(row["args"]), **{name: row[name] for name in names})


def _event(row: sa.RowMapping) -> EventRow:
    names = ("call_id", "number", "at", "kind", "version")
    return EventRow(data=json.loads(row["data"]), **{name: row[name] for name in names})
