"""Silero over many calls at once: batches give what single runs give."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.listening import vad
from voicebot.listening.vad import WINDOW, BatchedVad, Silero, find_model


@pytest.fixture(scope="module")
def silero() -> Silero:
    return Silero(find_model())


def noise(seed: int, windows: int) -> list[NDArray[np.int16]]:
    samples = np.random.default_rng(seed).normal(0, 2000, windows * WINDOW)
    return list(samples.astype(np.int16).reshape(windows, WINDOW))


async def run(model: Silero, calls: list[list[NDArray[np.int16]]]) -> list[list[float]]:
    worker = BatchedVad(model, gather_s=0)
    found: list[list[float]] = [[] for _ in calls]
    left = sum(map(len, calls))
    done = asyncio.Event()

    def note(results: list[float]) -> Callable[[float], None]:
        def on_probability(probability: float) -> None:
            nonlocal left
            results.append(probability)
            left -= 1
            if not left:
                done.set()

        return on_probability

    streams = [worker.open(note(results)) for results in found]
    for stream, windows in zip(streams, calls, strict=True):
        for window in windows:
            worker.submit(stream, window)
    worker.start()
    try:
        await asyncio.wait_for(done.wait(), 10)
    finally:
        worker.stop()
    return found


async def test_batches_of_calls_of_different_length_give_what_each_call_alone_gives(silero: Silero) -> None:
    calls = [noise(seed, windows) for seed, windows in ((1, 8), (2, 3), (3, 12))]
    together = await run(silero, calls)
    for call, results in zip(calls, together, strict=True):
        (alone,) = await run(silero, [call])
        assert results == pytest.approx(alone, abs=1e-4)


async def test_a_closed_stream_reports_nothing_more(silero: Silero) -> None:
    worker = BatchedVad(silero, gather_s=0)
    heard: list[float] = []
    other = asyncio.Event()
    closed, still_open = worker.open(heard.append), worker.open(lambda p: other.set())
    worker.submit(closed, noise(1, 1)[0])
    worker.submit(still_open, noise(2, 1)[0])
    worker.close(closed)
    worker.start()
    await asyncio.wait_for(other.wait(), 10)
    worker.stop()
    assert heard == []


def test_the_state_is_cleared_every_two_seconds_but_only_in_silence() -> None:
    stream = vad.VadStream(lambda p: None)
    state = np.ones((2, 128), np.float32)
    for _ in range(100):
        stream.settle(0.9, state)
    assert stream.state.all()
    for _ in range(7):
        stream.settle(0.01, state)
    assert stream.state.all()
    stream.settle(0.01, state)
    assert not stream.state.any()


class Broken(Silero):
    def __init__(self) -> None:
        self.failed = threading.Event()

    def run(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.failed.set()
        raise RuntimeError("onnxruntime is unwell")


async def test_a_failing_model_is_heard_as_silence() -> None:
    (results,) = await run(Broken(), [noise(1, 2)])
    assert results == [0.0, 0.0]
