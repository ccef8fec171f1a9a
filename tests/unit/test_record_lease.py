"""Servers that share a database know of each other by leases: who is gone has none that goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from voicebot.record import process, schema, upgrade
from voicebot.record.lease import BEAT_S, INTERRUPTED, LEASE_S, UNLEASED_S, Lease, holders


class Shared:
    """A database, a clock of its own, and servers that write into it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.now_s = 1000.0

    def beat(self, *servers: Lease) -> int:
        """Each counts up and looks at the others. Returns how many calls were closed."""
        closed = 0
        for server in servers:
            with self.engine.begin() as connection:
                server.renew(connection, server.next_number(), 1_790_000_000.0)
                closed += server.look(connection, self.now_s)
        return closed

    def pass_(self, seconds: float, *living: Lease) -> int:
        closed, ends_s = 0, self.now_s + seconds
        while self.now_s < ends_s:
            self.now_s = min(ends_s, self.now_s + BEAT_S)
            closed += self.beat(*living)
        return closed

    def call(self, name: str, writer: str, last_turn: float | None = None) -> None:
        row = {
            "call_id": name,
            "writer": writer,
            "started_at": 7.0,
            "channel": "sip",
            "caller": "",
            "called": "",
            "flow": "",
        }
        with self.engine.begin() as connection:
            connection.execute(schema.calls.insert().values(row))
        if last_turn is not None:
            self.turn(name, last_turn)

    def turn(self, name: str, at: float) -> None:
        row = {"call_id": name, "at": at, "speaker": "bot", "text": "", "intent": "", "step": "", "timings_ms": "{}"}
        row |= {"barged_in": False, "source": "", "secret": False}
        with self.engine.begin() as connection:
            connection.execute(schema.turns.insert().values(row))

    def calls(self) -> dict[str, tuple[str, str, float | None]]:
        c = schema.calls.c
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(c.call_id, c.outcome, c.reason, c.ended_at)).all()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}


OPEN = ("", "", None)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    monkeypatch.setattr(process, "own", lambda: "")  # as on another host: no process can be looked up
    engine = schema.engine_for(f"sqlite:///{tmp_path}/calls.db")
    upgrade.prepare(engine)
    yield Shared(engine)
    engine.dispose()


def test_calls_of_a_server_that_is_gone_are_closed_when_its_lease_has_run_out_and_not_before(shared: Shared) -> None:
    a, b = Lease(), Lease()
    shared.beat(a, b)
    shared.call("a1", a.instance, last_turn=9.0)
    shared.call("b1", b.instance)
    assert shared.pass_(10 * LEASE_S, a, b) == 0
    assert shared.pass_(LEASE_S - BEAT_S, b) == 0
    assert shared.pass_(BEAT_S, b) == 1
    assert shared.calls() == {"a1": ("failed", INTERRUPTED, 9.0), "b1": OPEN}


def test_a_call_without_turns_ends_when_it_began(shared: Shared) -> None:
    a, b = Lease(), Lease()
    shared.beat(a, b)
    shared.call("a1", a.instance)
    shared.pass_(LEASE_S, b)
    assert shared.calls()["a1"] == ("failed", INTERRUPTED, 7.0)


def test_a_server_that_starts_waits_for_the_lease_before_it_judges(shared: Shared) -> None:
    a = Lease()
    shared.beat(a)
    shared.call("a1", a.instance)
    shared.now_s += 1e6
    late = Lease()
    assert shared.beat(late) == 0
    assert shared.pass_(LEASE_S, late) == 1


def test_two_servers_with_one_host_name_are_two(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "voicebot")
    a, b = Lease(), Lease()
    assert a.instance != b.instance
    shared.beat(a, b)
    shared.call("a1", a.instance)
    shared.call("b1", b.instance)
    shared.pass_(LEASE_S + BEAT_S, a)  # a saw b for the first time one beat later
    assert shared.calls() == {"a1": OPEN, "b1": ("failed", INTERRUPTED, 7.0)}


def test_a_database_that_was_away_for_all_closes_nobodys_calls(shared: Shared) -> None:
    a, b = Lease(), Lease()
    shared.beat(a, b)
    shared.call("a1", a.instance)
    shared.call("b1", b.instance)
    shared.now_s += 100 * LEASE_S  # nobody could count up, and b comes back first
    assert shared.beat(b) == 0
    assert shared.pass_(10 * LEASE_S, b, a) == 0


def test_a_server_that_was_only_slow_takes_its_calls_back(shared: Shared) -> None:
    a, b = Lease(), Lease()
    shared.beat(a, b)
    shared.call("goes on", a.instance)
    shared.call("over", a.instance)
    with shared.engine.begin() as connection:
        over = schema.calls.update().where(schema.calls.c.call_id == "over")
        connection.execute(over.values(ended_at=8.0, outcome="resolved", reason="caller"))
    assert shared.pass_(LEASE_S, b) == 1
    shared.beat(a)
    assert shared.calls() == {"goes on": OPEN, "over": ("resolved", "caller", 8.0)}


def test_of_several_that_see_it_one_gives_a_lease_up(shared: Shared) -> None:
    a, b, c = Lease(), Lease(), Lease()
    shared.beat(a, b, c)
    shared.call("a1", a.instance)
    assert shared.pass_(LEASE_S, b, c) == 1


def test_a_server_that_stops_in_order_leaves_no_lease_and_no_open_call(shared: Shared) -> None:
    a = Lease()
    shared.beat(a)
    shared.call("a1", a.instance)
    with shared.engine.begin() as connection:
        a.release(connection)
        assert holders(connection) == {}
    assert shared.calls()["a1"] == ("failed", INTERRUPTED, 7.0)


def test_calls_of_a_voicebot_that_holds_no_lease_are_closed_when_nothing_is_said_in_them_any_more(
    shared: Shared,
) -> None:
    a = Lease()
    shared.call("old", "gone-host:17:1790000000", last_turn=8.0)
    shared.call("live", "other-host:18:1790000000", last_turn=8.0)
    shared.beat(a)
    shared.pass_(UNLEASED_S - BEAT_S, a)
    shared.turn("live", 9.0)
    assert shared.pass_(BEAT_S, a) == 1
    assert shared.calls() == {"old": ("failed", INTERRUPTED, 8.0), "live": OPEN}


def test_a_transaction_whose_answer_was_lost_is_known_again(shared: Shared) -> None:
    a = Lease()
    first, second = a.next_number(), a.next_number()
    with shared.engine.begin() as connection:
        a.renew(connection, first, 0.0)
    with shared.engine.begin() as connection:
        assert a.stands_at(connection, first)
        assert not a.stands_at(connection, second)


# ── the process behind a lease ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    script = "from voicebot.record import process; print(process.own(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as it:
        yield it
        it.kill()


def test_a_process_is_known_to_live_and_known_to_be_gone(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert (process.lives(name), process.is_gone(name)) == (True, False)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not fetched by its parent
    assert process.is_gone(name)
    child.wait()
    assert process.is_gone(name)


@pytest.mark.parametrize(
    "change",
    [
        lambda machine, pid, started: f"another/{machine} {pid} {started}",
        lambda machine, pid, started: "",
        lambda machine, pid, started: "host:17:1790000000",
        lambda machine, pid, started: f"{machine} x {started}",
        lambda machine, pid, started: f"{machine} {'9' * 40} {started}",
    ],
)
def test_who_cannot_be_looked_up_is_neither(change: Callable[[str, str, str], str]) -> None:
    name = change(*process.own().split(" "))
    assert (process.lives(name), process.is_gone(name)) == (False, False)


def test_a_number_that_was_given_anew_is_another_process() -> None:
    machine, pid, started = process.own().split(" ")
    assert process.is_gone(f"{machine} {pid} {int(started) - 1}")
