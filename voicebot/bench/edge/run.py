"""Processes of an edge bench: one server, one with the callers, and this one, which watches."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from voicebot.bench.edge.callers import LoadPlan, LoadProgress, LoadResult, run_callers
from voicebot.bench.edge.server import ProcessFigures, ProcessRequest, ServerSetup, resident_mb, run_server
from voicebot.errors import VoicebotError

START_S = 30.0
FAREWELL_S = 30.0
TELL_S = 5.0
REMEMBERED_S = 34.0
"""Transactions are for 32 s (RFC 3261: 64 T1)."""


class ServerProcess:
    """The server's process."""

    def __init__(self, connection: Connection, pid: int) -> None:
        self._connection = connection
        self._pid = pid
        self.target: tuple[str, int] = ("127.0.0.1", int(received(connection, START_S)))

    def figures(self) -> ProcessFigures:
        """Of now."""
        self._connection.send(ProcessRequest.FIGURES)
        found: ProcessFigures = received(self._connection, START_S)
        return found

    def memory_mb(self) -> float:
        """Resident now; read from outside, so that it costs the server nothing."""
        return resident_mb(self._pid)

    def settle(self, before: ProcessFigures, patience_s: float) -> ProcessFigures:
        """The figures once sockets, tasks and calls are back where they began, or when patience ends.

        With more of it than transactions are remembered for, they are waited for, too.
        """
        end_s = time.monotonic() + patience_s
        if patience_s > REMEMBERED_S:
            time.sleep(REMEMBERED_S)
        while (now := self.figures()).held != before.held and time.monotonic() < end_s:
            time.sleep(0.2)
        return now


class CallersProcess:
    """The callers' process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.progress = LoadProgress()

    def watch(
        self,
        until: Callable[[LoadProgress], bool],
        patience_s: float,
        each: Callable[[LoadProgress], None] = lambda _: None,
    ) -> bool:
        """Follow them until the condition holds (True) or patience ends (False)."""
        end_s, told_s = time.monotonic() + patience_s, time.monotonic()
        while time.monotonic() < end_s:
            if until(self.progress):
                return True
            if self._connection.poll(0.1):
                self.progress = self._connection.recv()
                each(self.progress)
            if time.monotonic() - told_s > TELL_S:
                told_s = time.monotonic()
                one = self.progress
                say(f"{one.placed} calls placed, {one.up} up, {one.over} over, {one.failed} failed")
        return until(self.progress)

    def stop(self) -> LoadResult:
        """Have them hang up, and what they saw. Raises VoicebotError when they are gone."""
        self._connection.send(ProcessRequest.STOP)
        end_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < end_s:
            found = received(self._connection, FAREWELL_S)
            if isinstance(found, LoadResult):
                return found
        raise VoicebotError("the callers did not come to an end")


@contextlib.contextmanager
def server(setting: ServerSetup) -> Iterator[ServerProcess]:
    """A server that is up. Raises VoicebotError when it does not start."""
    with started(run_server, setting) as (connection, pid):
        one = ServerProcess(connection, pid)
        try:
            yield one
        finally:
            with contextlib.suppress(OSError):  # it may be gone already
                connection.send(ProcessRequest.STOP)


@contextlib.contextmanager
def callers(plan: LoadPlan) -> Iterator[CallersProcess]:
    """Callers at work."""
    with process(run_callers, plan) as connection:
        yield CallersProcess(connection)


def say(line: str) -> None:
    """Progress is for people: not among the results."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def process(work: Callable[[Connection, Any], None], what: Any) -> Iterator[Connection]:
    """A process that does some work, and the way to speak with it; it has to end by itself."""
    with started(work, what) as (connection, _):
        yield connection


@contextlib.contextmanager
def started(work: Callable[[Connection, Any], None], what: Any) -> Iterator[tuple[Connection, int]]:
    """The same with its number."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=work, args=(theirs, what), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours, child.pid or 0
    finally:
        child.join(FAREWELL_S)
        if child.is_alive():
            child.kill()
            child.join()
        ours.close()


def received(connection: Connection, patience_s: float) -> Any:
    try:
        if connection.poll(patience_s):
            return connection.recv()
    except (EOFError, OSError):
        pass
    raise VoicebotError("a process of the benchmark is gone, or says nothing")
