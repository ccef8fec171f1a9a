"""Engines that may break: how long one may take, how long a broken one rests, how it comes back.

Recognition and synthesis each have a list of engines; its members are watched here. A job that takes longer than its
limit is given up: its thread is left behind (it is told, and comes back when the engine does), so that an engine that
hangs costs the caller the limit and no more.

    usable ── FAULTS_TO_REST faults in a row ──▶ resting ── a probe in the background works ──▶ usable
                                                    └──── the probe fails: rests twice as long ────┘
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Literal, TypeVar

from voicebot import log
from voicebot.errors import EngineFailed
from voicebot.journal import metrics

FAULTS_TO_REST = 2
"""A single bad job says nothing about the next; two in a row do."""
FIRST_REST_S, LONGEST_REST_S = 1.0, 8.0
"""Between probes of a resting engine: each rest is twice as long as the one before."""
BUSY_LIMITS, BUSY_S = 4, 0.01
"""A job whose thread computes (for at least so long in each limit) may take so many limits: a machine that is short of
time makes engines slow, not broken."""
MAX_STUCK = 4
"""Jobs of one engine that hang at the same time; with so many it gets no new ones."""

E = TypeVar("E")
T = TypeVar("T")
_log = log.get(__name__)


class EngineTimedOut(EngineFailed):
    """The engine did not answer within its limit."""


class SupervisedJob:
    """One job, as the engine's side sees it."""

    def __init__(self) -> None:
        self.expired = False
        """Nobody waits any more: stop at the next step."""
        self.beats = 0

    def beat(self) -> None:
        """There is progress: the limit begins again."""
        self.beats += 1


class SupervisedEngine(Generic[E]):
    """An engine of a list, run in threads of its own and watched. Used by several threads.

    Args:
        room: ``asr`` or ``tts``, for metrics.
        name: of the engine, for people.
        engine: what is watched.
        probe: a small job that works if the engine does, and raises if not.
        limit_s: a job that shows no progress for so long has failed.
        first_rest_s: time until the first probe.
    """

    def __init__(
        self,
        room: Literal["asr", "tts"],
        name: str,
        engine: E,
        probe: Callable[[E], object],
        limit_s: float,
        first_rest_s: float = FIRST_REST_S,
    ) -> None:
        self.name = name
        self.engine = engine
        self._labels = (room, name)
        self._probe = probe
        self._limit_s = limit_s
        self._first_rest_s = first_rest_s
        self._lock = threading.Lock()
        self._idle: list[_WorkerThread] = []
        self._stuck = 0
        self._faults = 0
        self._rest_s = 0.0
        self._timer: threading.Timer | None = None
        self._closed = False
        metrics.engine_up.labels(*self._labels).set(1)

    @property
    def usable(self) -> bool:
        """Not resting."""
        return self._timer is None

    def run(self, work: Callable[[SupervisedJob], T]) -> T:
        """Do a job; blocks for at most the limit since its last `SupervisedJob.beat`, longer while its thread computes.

        Raises:
            EngineFailed: it rests, hangs or broke.
        """
        if not self.usable:
            raise EngineFailed(f"{self.name} rests after faults")
        try:
            result = self._limited(work)
        except EngineFailed as error:
            self._failed("limit" if isinstance(error, EngineTimedOut) else "fault", error)
            raise
        except Exception as error:
            self._failed("fault", error)
            raise EngineFailed(f"{self.name} failed: {error!r}") from error
        with self._lock:
            self._faults = 0
            if self.usable:
                self._rest_s = 0.0
        return result

    def close(self) -> None:
        """End the threads that are idle, and all probing."""
        with self._lock:
            self._closed = True
            workers, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
        for worker in workers:
            worker.jobs.put(None)

    def _limited(self, work: Callable[[SupervisedJob], T]) -> T:
        worker = self._idle_worker()
        job, done = SupervisedJob(), Future[Any]()
        worker.jobs.put((log.in_call(lambda: work(job)), done))
        limits, seen, computed_s = 0, 0, worker.computed_s()
        while True:
            try:
                result: T = done.result(self._limit_s)
            except TimeoutError:
                if done.done():  # the work's own TimeoutError
                    raise
                if job.beats != seen:
                    limits, seen = 0, job.beats
                    continue
                limits, before_s, computed_s = limits + 1, computed_s, worker.computed_s()
                if limits < BUSY_LIMITS and computed_s - before_s > BUSY_S:
                    continue
                job.expired = True
                with self._lock:
                    self._stuck += 1
                done.add_done_callback(self._unstuck)
                raise EngineTimedOut(f"{self.name} took longer than {self._limit_s:g} s") from None
            return result

    def _idle_worker(self) -> _WorkerThread:
        with self._lock:
            if self._stuck >= MAX_STUCK:
                raise EngineTimedOut(f"{self.name} hangs in {self._stuck} jobs")
            return self._idle.pop() if self._idle else _WorkerThread(self.name, self._free)

    def _free(self, worker: _WorkerThread) -> bool:
        """Called by a thread whose job is over; False ends it."""
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
            return not self._closed

    def _unstuck(self, _: Future[Any]) -> None:
        with self._lock:
            self._stuck -= 1

    def _failed(self, why: Literal["limit", "fault"], error: Exception) -> None:
        metrics.engine_faults.labels(*self._labels, why).inc()
        _log.error("engine failed", extra={"engine": self.name, "why": why, "error": str(error)})
        with self._lock:
            self._faults += 1
            if self._faults >= FAULTS_TO_REST and self.usable:
                self._rest()

    def _rest(self) -> None:
        """With the lock held: no job until a probe works."""
        if self._closed:
            return
        self._rest_s = min(self._rest_s * 2, LONGEST_REST_S) or self._first_rest_s
        metrics.engine_up.labels(*self._labels).set(0)
        _log.warning("engine rests", extra={"engine": self.name, "seconds": self._rest_s})
        self._timer = threading.Timer(self._rest_s, self._try_again)
        self._timer.daemon = True
        self._timer.start()

    def _try_again(self) -> None:
        try:
            self._limited(lambda _: self._probe(self.engine))
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine is not back
            _log.warning("engine still broken", extra={"engine": self.name, "error": str(error)})
            with self._lock:
                self._rest()
            return
        with self._lock:
            self._timer, self._faults = None, 0
        metrics.engine_up.labels(*self._labels).set(1)
        _log.info("engine is back", extra={"engine": self.name})


_Work = tuple[Callable[[], Any], "Future[Any]"]


class _WorkerThread:
    """A thread that does one job at a time."""

    def __init__(self, name: str, free: Callable[[_WorkerThread], bool]) -> None:
        self.jobs: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._free = free
        self._thread = threading.Thread(target=self._work, name=f"engine {name}", daemon=True)
        self._thread.start()

    def computed_s(self) -> float:
        """Processor time of the thread so far."""
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident or 0))

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            work, done = job
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - belongs to whoever waits
                goes_on = self._free(self)
                done.set_exception(error)
            else:
                goes_on = self._free(self)
                done.set_result(result)
            del job, work, done
            if not goes_on:
                return
