"""A list of engines: the next hears what the first cannot, in the same turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from voicebot.asr.failover import Failover
from voicebot.asr.recogniser import Audio, Cancelled, Transcript
from voicebot.errors import EngineFailed
from voicebot.messages import Expect

AUDIO = np.zeros(100, np.float32)


class Engine:
    def __init__(self, name: str) -> None:
        self.name = name
        self.broken = False
        self.hangs = threading.Event()
        self.hangs.set()
        self.heard = 0
        self.closed = False

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        self.heard += 1
        self.hangs.wait()
        if self.broken:
            raise ZeroDivisionError("broken")
        return None if cancelled() else Transcript(self.name, 1.0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    pair = [Engine("first"), Engine("second")]
    yield pair
    for engine in pair:
        engine.hangs.set()


def hear(failover: Failover, cancelled: Cancelled = lambda: False) -> str | None:
    said = failover.recognise(AUDIO, Expect(), cancelled)
    return None if said is None else said.text


@pytest.fixture
def failover(engines: list[Engine]) -> Iterator[Failover]:
    both = Failover(engines, limit_s=0.6, first_rest_s=60.0)
    yield both
    both.close()
    assert all(engine.closed for engine in engines)


def test_the_first_hears_while_it_can(failover: Failover, engines: list[Engine]) -> None:
    assert hear(failover) == "first"
    assert engines[1].heard == 0


def test_the_second_hears_what_the_first_breaks_on_and_the_first_then_rests(
    failover: Failover, engines: list[Engine]
) -> None:
    engines[0].broken = True
    assert [hear(failover) for _ in range(4)] == ["second"] * 4
    assert engines[0].heard == 2


def test_the_second_hears_what_the_first_hangs_on(failover: Failover, engines: list[Engine]) -> None:
    engines[0].hangs.clear()
    assert hear(failover) == "second"


def test_an_engine_that_asks_whether_to_stop_is_at_work_but_not_for_ever(failover: Failover) -> None:
    def slow(seconds: float, stop: Cancelled) -> Transcript | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
            if stop():
                return None
        return Transcript("slow", 1.0)

    first = failover._members[0].engine
    first.recognise = lambda audio, expect, cancelled: slow(1.2, cancelled)  # type: ignore[method-assign]
    assert hear(failover) == "slow"
    first.recognise = lambda audio, expect, cancelled: slow(30.0, cancelled)  # type: ignore[method-assign]
    assert hear(failover) == "second"


def test_cancelling_is_no_fault(failover: Failover, engines: list[Engine]) -> None:
    assert [hear(failover, lambda: True) for _ in range(3)] == [None] * 3
    assert hear(failover) == "first"


def test_all_broken_is_told_and_then_told_at_once(failover: Failover, engines: list[Engine]) -> None:
    assert failover.usable
    for engine in engines:
        engine.broken = True
    for _ in range(2):
        with pytest.raises(EngineFailed, match="broken"):
            hear(failover)
    with pytest.raises(EngineFailed, match="rest"):
        hear(failover)
    assert not failover.usable
    assert [engine.heard for engine in engines] == [2, 2]


def test_a_single_engine_gets_a_second_try() -> None:
    engine = Engine("only")
    failover = Failover([engine], limit_s=1.0, first_rest_s=60.0)
    hear_once = iter([True, False])

    def recognise(audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript:
        if next(hear_once):
            raise EngineFailed("once")
        return Transcript("again", 1.0)

    engine.recognise = recognise  # type: ignore[method-assign]
    assert hear(failover) == "again"
    failover.close()
