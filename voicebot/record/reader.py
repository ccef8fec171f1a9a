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
from voicebot.record.rows import ActionRow, CallDetail, CallRow, Turn, TurnRow

_calls, _turns, _actions = schema.calls, schema.turns, schema.actions
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
    with _reading(engine) as connection:
        return [_row(row) for row in connection.execute(wanted).mappings()]


def call(engine: sa.Engine, call_id: str) -> CallDetail | None:
    """See `Records.call`."""
    with _reading(engine) as connection:
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
def _reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    file = schema.sqlite_file(engine)
    where = engine.url.render_as_string(hide_password=True)
    if file is not None and not file.exists():  # reading must not make an empty database
        raise VoicebotError(f"there are no call records yet at {where}", "take a call first, or name the database")
    try:
        with engine.connect() as connection:
            schema.check_version(connection.execute(sa.select(schema.schema_version.c.version)).scalar())
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
    )


def _turn(row: sa.RowMapping) -> TurnRow:
    names = ("speaker", "text", "confidence", "intent", "intent_confidence", "step", "barged_in", "source", "secret")
    fields: dict[str, Any] = {name: row[name] for name in names}
    return TurnRow(row["at"], Turn(timings_ms=json.loads(row["timings_ms"]), **fields))


def _action(row: sa.RowMapping) -> ActionRow:
    return ActionRow(row["at"], row["name"], json.loads(row["args"]), row["ok"], row["error"], row["ms"])
