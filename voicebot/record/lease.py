"""Which servers write into a database, and the calls of those that are gone.

Each server holds a row of `schema.leases` and counts it up. The others watch the count by their own clocks: clocks of
hosts differ and wall clocks jump. A count that stands still for `LEASE_S` is of a server that is gone: its calls that
are under way are closed. Host names decide nothing: containers change theirs, and one host may run two servers.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from voicebot.record import process, schema

BEAT_S = 5.0
"""A server counts its lease up at least so often, and looks at the others as often."""
LEASE_S = 20.0
"""A lease that stood still for so long is of a server that is gone."""
UNLEASED_S = 120.0
"""A voicebot before version 3 of the tables holds no lease: its calls are left alone while turns come in them."""
INTERRUPTED = "the server stopped in the middle of the call"

_calls, _leases, _turns = schema.calls, schema.leases, schema.turns


@dataclass(frozen=True, slots=True)
class _Sign:
    """What was last seen of another server, and when by our clock."""

    count: float | None
    at_s: float


class Lease:
    """The lease of one server. All methods work inside the transaction that they are given; use it in one thread."""

    def __init__(self) -> None:
        self.instance = uuid.uuid4().hex
        """Stands in the rows of this server's calls."""
        self._number = 0
        self._held = False
        self._seen: dict[str, _Sign] = {}
        self._looked_s = float("-inf")

    def next_number(self) -> int:
        """For one transaction; also for it when it is tried again."""
        self._number += 1
        return self._number

    def renew(self, connection: sa.Connection, number: int, now: float) -> None:
        """Count up to `number`. `now`: seconds since 1970."""
        mine = _leases.c.instance == self.instance
        if connection.execute(_leases.update().where(mine).values(beats=number)).rowcount:
            return
        row = {"instance": self.instance, "process": process.own(), "started_at": now, "beats": number}
        connection.execute(_leases.insert().values(row))
        if self._held:  # somebody thought that we were gone: what was closed goes on
            wrongly = (_calls.c.writer == self.instance) & (_calls.c.reason == INTERRUPTED)
            connection.execute(_calls.update().where(wrongly).values(ended_at=None, outcome="", reason=""))
        self._held = True

    def stands_at(self, connection: sa.Connection, number: int) -> bool:
        """Whether the transaction with this number was committed, although its answer was lost."""
        stored = sa.select(_leases.c.beats).where(_leases.c.instance == self.instance)
        return connection.execute(stored).scalar() == number

    def look(self, connection: sa.Connection, now_s: float) -> int:
        """Close the calls of servers that are gone. Returns how many.

        Args:
            connection: of a transaction in which `renew` was called.
            now_s: seconds of a clock that does not jump.
        """
        if now_s - self._looked_s > LEASE_S / 2:
            self._seen.clear()  # we did not look, or the database was away: nobody could be seen to live
        self._looked_s = now_s
        leases = connection.execute(sa.select(_leases).where(_leases.c.instance != self.instance)).all()
        unleased = connection.execute(_OTHERS).all()
        signs: dict[str, float | None] = {row.instance: row.beats for row in leases}
        signs |= {row.writer: row.last for row in unleased}
        for name, count in signs.items():
            if name not in self._seen or self._seen[name].count != count:
                self._seen[name] = _Sign(count, now_s)
        self._seen = {name: sign for name, sign in self._seen.items() if name in signs}
        closed = 0
        for row in leases:
            gone = now_s - self._seen[row.instance].at_s >= LEASE_S or process.is_gone(row.process)
            if gone and _give_up(connection, row.instance, row.beats):
                closed += _close(connection, row.instance)
        for row in unleased:
            if now_s - self._seen[row.writer].at_s >= UNLEASED_S:
                closed += _close(connection, row.writer)
        return closed

    def release(self, connection: sa.Connection) -> None:
        """The server stops in order. What is under way, because it did not wait for it, is closed."""
        _close(connection, self.instance)
        connection.execute(_leases.delete().where(_leases.c.instance == self.instance))


def holders(connection: sa.Connection) -> dict[str, tuple[int, str]]:
    """Instance → count and process of every lease whose server may live."""
    rows = connection.execute(sa.select(_leases)).all()
    return {row.instance: (row.beats, row.process) for row in rows if not process.is_gone(row.process)}


_OTHERS = (
    sa.select(_calls.c.writer, sa.func.max(_turns.c.at).label("last"))
    .select_from(_calls.outerjoin(_turns, _turns.c.call_id == _calls.c.call_id))
    .where(_calls.c.ended_at.is_(None), _calls.c.writer.not_in(sa.select(_leases.c.instance)))
    .group_by(_calls.c.writer)
)
"""Writers of calls under way that hold no lease, with the time of their last turn."""


def _give_up(connection: sa.Connection, instance: str, beats: int) -> bool:
    """Take a lease away unless it was counted up meanwhile; of several that try one does."""
    seen = (_leases.c.instance == instance) & (_leases.c.beats == beats)
    return connection.execute(_leases.delete().where(seen)).rowcount == 1


def _close(connection: sa.Connection, writer: str) -> int:
    last = sa.select(sa.func.max(_turns.c.at)).where(_turns.c.call_id == _calls.c.call_id).scalar_subquery()
    ends = {"ended_at": sa.func.coalesce(last, _calls.c.started_at), "outcome": "failed", "reason": INTERRUPTED}
    open_ones = (_calls.c.writer == writer) & _calls.c.ended_at.is_(None)
    return connection.execute(_calls.update().where(open_ones).values(ends)).rowcount
