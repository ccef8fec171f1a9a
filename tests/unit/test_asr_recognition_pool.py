"""Recognitions in threads: bounded, in order of urgency, thrown away when nobody wants them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from voicebot.asr.recogniser import Audio, Cancelled, Transcript
from voicebot.asr.recognition_pool import QueueFull, RecognitionJob, RecognitionPool
from voicebot.errors import EngineFailed
from voicebot.messages import Expect

SILENCE = np.zeros(10, np.float32)


class GatedEngine:
    """Writes down what runs and waits at a gate before each answer."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.ran: list[str] = []
        self.fails: type[Exception] | None = None

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        self.ran.append(expect.phrases[0])
        self.entered.release()
        assert self.gate.acquire(timeout=5)
        if self.fails is not None:
            raise self.fails("broken")
        return None if cancelled() else Transcript(expect.phrases[0], 1.0)


@pytest.fixture
async def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
async def pool(engine: GatedEngine) -> AsyncIterator[RecognitionPool]:
    pool = RecognitionPool(engine, threads=1, queue=3)
    pool.start()
    yield pool
    for _ in range(20):
        engine.gate.release()
    pool.stop()


def job(name: str, done: Callable[[RecognitionJob], None]) -> RecognitionJob:
    return RecognitionJob(lambda: SILENCE, Expect("phrases", phrases=(name,)), done)


async def collect(engine: GatedEngine, queue: "asyncio.Queue[RecognitionJob]", count: int) -> list[RecognitionJob]:
    for _ in range(count):
        engine.gate.release()
    return [await asyncio.wait_for(queue.get(), 5) for _ in range(count)]


async def test_turns_that_are_over_go_before_speculation(engine: GatedEngine, pool: RecognitionPool) -> None:
    done: asyncio.Queue[RecognitionJob] = asyncio.Queue()
    jobs = [job(name, done.put_nowait) for name in ("first", "speculative", "promoted", "urgent")]
    pool.submit(jobs[0])
    engine.entered.acquire()
    pool.submit(jobs[1], urgent=False)
    pool.submit(jobs[2], urgent=False)
    pool.submit(jobs[3])
    pool.promote(jobs[2])
    await collect(engine, done, 4)
    assert engine.ran == ["first", "urgent", "promoted", "speculative"]


async def test_cancelled_jobs_neither_run_nor_report(engine: GatedEngine, pool: RecognitionPool) -> None:
    done: asyncio.Queue[RecognitionJob] = asyncio.Queue()
    running, waiting, last = (job(name, done.put_nowait) for name in ("running", "waiting", "last"))
    pool.submit(running)
    engine.entered.acquire()
    pool.submit(waiting)
    pool.submit(last)
    running.cancel()
    waiting.cancel()
    engine.gate.release()
    assert await collect(engine, done, 1) == [last]
    assert engine.ran == ["running", "last"]


async def test_a_full_queue_refuses_and_cancelled_jobs_make_room(engine: GatedEngine, pool: RecognitionPool) -> None:
    jobs = [job(str(n), lambda job: None) for n in range(6)]
    pool.submit(jobs[0])
    engine.entered.acquire()
    assert [pool.submit(j) for j in jobs[1:5]] == [True, True, True, False]
    assert jobs[4].outcome == QueueFull()
    jobs[1].cancel()
    assert pool.submit(jobs[5])


@pytest.mark.parametrize("failure", [EngineFailed, ZeroDivisionError])
async def test_a_failure_costs_one_job_only(
    engine: GatedEngine, pool: RecognitionPool, failure: type[Exception]
) -> None:
    done: asyncio.Queue[RecognitionJob] = asyncio.Queue()
    engine.fails = failure
    pool.submit(job("broken", done.put_nowait))
    (broken,) = await collect(engine, done, 1)
    assert isinstance(broken.outcome, EngineFailed)
    engine.fails = None
    pool.submit(job("next", done.put_nowait))
    (after,) = await collect(engine, done, 1)
    assert after.outcome == Transcript("next", 1.0)
