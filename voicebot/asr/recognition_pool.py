"""Recognitions off the event loop: a few threads, a bounded queue, jobs that can be thrown away.

Jobs of turns that are over go before speculative ones; onnxruntime leaves the GIL while it computes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicebot import log
from voicebot.asr.recogniser import Audio, Recogniser, Transcript
from voicebot.errors import EngineFailed
from voicebot.journal import metrics
from voicebot.messages import Expect

Prepare = Callable[[], Audio]
"""Gives the audio at 16 000 Hz; called in the worker, so that resampling is off the event loop too."""
OnDone = Callable[["RecognitionJob"], None]
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class QueueFull:
    """It was refused: too many recognitions wait."""


RecognitionOutcome = Transcript | EngineFailed | QueueFull


class RecognitionJob:
    """One recognition. `outcome` is set before `on_done` is called, on the event loop."""

    def __init__(self, prepare: Prepare, expect: Expect, on_done: OnDone) -> None:
        self.prepare = prepare
        self.expect = expect
        self.on_done = on_done
        self.cancelled = False
        self.outcome: RecognitionOutcome | None = None
        """None before it is over."""
        self.queued_at = time.perf_counter()
        self.call = log.call_id.get()
        """Whose it is, for the lines that are logged about it."""
        self.queue_ms = 0.0

    def cancel(self) -> None:
        """Nobody wants this any more: it does not run, or stops at its next step; `on_done` is not called."""
        self.cancelled = True


class RecognitionPool:
    """Threads that run an engine.

    Args:
        engine: shared by all threads.
        threads: recognitions under way at once.
        queue: recognitions that may wait.
    """

    def __init__(self, engine: Recogniser, threads: int, queue: int) -> None:
        self._engine = engine
        self._size = threads
        self._bound = queue
        self._urgent: deque[RecognitionJob] = deque()
        self._speculative: deque[RecognitionJob] = deque()
        self._wake = threading.Condition()
        self._running = False
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the threads; results come to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._threads = [threading.Thread(target=self._work, name=f"asr-{i}", daemon=True) for i in range(self._size)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads after the step they are in; waiting jobs are dropped."""
        with self._wake:
            self._running = False
            for job in (*self._urgent, *self._speculative):
                job.cancel()
            self._urgent.clear()
            self._speculative.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def submit(self, job: RecognitionJob, urgent: bool = True) -> bool:
        """Queue a job. False when the queue is full: the job will not run."""
        with self._wake:
            self._drop_cancelled()
            if not self._running or len(self._urgent) + len(self._speculative) >= self._bound:
                job.outcome = QueueFull()
                metrics.asr_refused.inc()
                return False
            (self._urgent if urgent else self._speculative).append(job)
            metrics.asr_queue.set(len(self._urgent) + len(self._speculative))
            self._wake.notify()
        return True

    def promote(self, job: RecognitionJob) -> None:
        """The turn is over: put a speculative job before those that may still be thrown away."""
        with self._wake:
            if job in self._speculative:
                self._speculative.remove(job)
                self._urgent.append(job)

    def _drop_cancelled(self) -> None:
        for queue in (self._urgent, self._speculative):
            for job in [job for job in queue if job.cancelled]:
                queue.remove(job)

    def _work(self) -> None:
        while (job := self._take()) is not None:
            if job.cancelled:
                continue
            with log.of_call(job.call):
                self._recognise(job)

    def _recognise(self, job: RecognitionJob) -> None:
        job.queue_ms = (time.perf_counter() - job.queued_at) * 1000
        try:
            job.outcome = self._engine.recognise(job.prepare(), job.expect, lambda: job.cancelled)
        except EngineFailed as error:
            job.outcome = error
        except Exception as error:  # noqa: BLE001 - a fault of the engine must cost one turn, not the thread of all calls
            _log.exception("recognition failed")
            job.outcome = EngineFailed(f"recognition failed: {error!r}")
        self._report(job)

    def _take(self) -> RecognitionJob | None:
        with self._wake:
            while self._running and not self._urgent and not self._speculative:
                self._wake.wait()
            if not self._running:
                return None
            job = (self._urgent or self._speculative).popleft()
            metrics.asr_queue.set(len(self._urgent) + len(self._speculative))
            return job

    def _report(self, job: RecognitionJob) -> None:
        def deliver() -> None:
            if not job.cancelled:
                job.on_done(job)

        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(deliver)
        except RuntimeError:  # the loop was closed while this job ran
            return
