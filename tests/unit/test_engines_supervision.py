"""An engine that breaks or hangs costs one limit, rests, and comes back by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from voicebot.engines.supervision import MAX_STUCK, EngineTimedOut, SupervisedEngine, SupervisedJob
from voicebot.errors import EngineFailed


class Fickle:
    """Answers, breaks or hangs, as it is told."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.hung = threading.Event()
        self.hung.set()
        self.probed = threading.Semaphore(0)

    def answer(self, ticket: SupervisedJob | None = None) -> str:
        self.hung.wait()
        if self.broken is not None:
            raise self.broken
        return "late" if ticket is not None and ticket.expired else "heard"

    def probe(self) -> None:
        try:
            self.answer()
        finally:
            self.probed.release()


@pytest.fixture
def engine() -> Iterator[Fickle]:
    fickle = Fickle()
    yield fickle
    fickle.hung.set()


@pytest.fixture
def member(engine: Fickle) -> Iterator[SupervisedEngine[Fickle]]:
    one = SupervisedEngine("asr", "fickle", engine, Fickle.probe, limit_s=0.6, first_rest_s=0.02)
    yield one
    one.close()


def wait_until_usable(member: SupervisedEngine[Fickle], engine: Fickle) -> None:
    for _ in range(100):
        assert engine.probed.acquire(timeout=5)
        for _ in range(100):
            if member.usable:
                return
            threading.Event().wait(0.002)
    raise AssertionError("never came back")


@pytest.mark.parametrize("fault", [EngineFailed("broken"), ZeroDivisionError(), TimeoutError("its own")])
def test_any_exception_is_told_as_engine_failed(
    engine: Fickle, member: SupervisedEngine[Fickle], fault: Exception
) -> None:
    engine.broken = fault
    with pytest.raises(EngineFailed):
        member.run(engine.answer)


def test_one_fault_does_not_rest_an_engine_two_in_a_row_do_and_a_probe_brings_it_back(
    engine: Fickle, member: SupervisedEngine[Fickle]
) -> None:
    engine.broken = EngineFailed("broken")
    for usable in (True, False):
        with pytest.raises(EngineFailed):
            member.run(engine.answer)
        assert member.usable is usable
    with pytest.raises(EngineFailed, match="rests"):
        member.run(lambda _: pytest.fail("it rests"))
    assert engine.probed.acquire(timeout=5)
    assert not member.usable
    engine.broken = None
    wait_until_usable(member, engine)
    assert member.run(engine.answer) == "heard"


def test_faults_that_are_not_in_a_row_do_not_count(engine: Fickle, member: SupervisedEngine[Fickle]) -> None:
    for _ in range(3):
        engine.broken = EngineFailed("broken")
        with pytest.raises(EngineFailed):
            member.run(engine.answer)
        engine.broken = None
        assert member.run(engine.answer) == "heard"
    assert member.usable


def test_a_hanging_job_is_given_up_and_told_that_nobody_waits(engine: Fickle, member: SupervisedEngine[Fickle]) -> None:
    engine.hung.clear()
    tickets: list[SupervisedJob] = []

    def answer(ticket: SupervisedJob) -> str:
        tickets.append(ticket)
        return engine.answer(ticket)

    with pytest.raises(EngineTimedOut):
        member.run(answer)
    assert tickets[0].expired
    engine.hung.set()


def test_progress_keeps_a_long_job_alive(member: SupervisedEngine[Fickle]) -> None:
    def slow(ticket: SupervisedJob) -> int:
        for _ in range(5):
            threading.Event().wait(0.2)
            ticket.beat()
        return ticket.beats

    assert member.run(slow) == 5


def test_a_job_that_computes_is_slow_and_not_hung_but_not_for_ever(member: SupervisedEngine[Fickle]) -> None:
    def compute(ticket: SupervisedJob, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not ticket.expired:
            sum(range(1000))
        return not ticket.expired

    assert member.run(lambda ticket: compute(ticket, 1.0))
    with pytest.raises(EngineTimedOut):
        member.run(lambda ticket: compute(ticket, 30.0))


def test_so_many_hanging_threads_and_no_more(engine: Fickle) -> None:
    engine.hung.clear()
    member = SupervisedEngine("asr", "hung", engine, Fickle.probe, limit_s=0.01, first_rest_s=60.0)
    for _ in range(MAX_STUCK + 3):
        with pytest.raises(EngineTimedOut):
            member._limited(engine.answer)
    assert [thread.name for thread in threading.enumerate()].count("engine hung") == MAX_STUCK
    member.close()
