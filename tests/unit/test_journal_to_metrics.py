"""What operators watch: figures of calls, and that none of them grows with the calls that are over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from tests.unit.virtual_clock import VirtualClockLoop, virtual_clock
from voicebot.journal import events
from voicebot.journal.entry import Entry, Event
from voicebot.journal.loop_lag import EVERY_S, LoopLag
from voicebot.journal.to_metrics import MetricsSink

HELD = events.CallHeld("reception", "asked", "", 1, "sip", "", "", "northwind", "opening", "")


class Counted:
    """A sink, and by how much a sample grew since."""

    def __init__(self) -> None:
        self.sink = MetricsSink()
        self._before: dict[tuple[str, str], float] = {}

    def take(self, event: Event, at: float = 0.0, call: str = "c1") -> None:
        self.sink.take(Entry(call, 1, at, event))

    def grew(self, name: str, **labels: str) -> float:
        now = REGISTRY.get_sample_value(name, labels) or 0.0
        before = self._before.get((name, str(labels)), 0.0)
        self._before[name, str(labels)] = now
        return now - before


@pytest.fixture
def counted() -> Iterator[Counted]:
    it = Counted()
    for name in (
        "voicebot_recognition_confidence_count",
        "voicebot_recognition_confidence_sum",
        "voicebot_barge_ins_total",
    ):
        it.grew(name)
    for result in ("answered", "busy", "hung-up"):
        for part in ("count", "sum"):
            it.grew(f"voicebot_handover_wait_seconds_{part}", result=result)
    yield it
    assert it.sink._held_at == {}


def test_confidence_is_of_speech_only_and_barge_ins_are_counted(counted: Counted) -> None:
    counted.take(events.CallerHeard("yes", "speech", "s", confidence=0.75, barged_in=True))
    counted.take(events.CallerHeard("no", "speech", "s", confidence=0.5))
    counted.take(events.CallerHeard("1", "keys", "s", barged_in=True))
    assert counted.grew("voicebot_recognition_confidence_count") == 2
    assert counted.grew("voicebot_recognition_confidence_sum") == 1.25
    assert counted.grew("voicebot_barge_ins_total") == 2


@pytest.mark.parametrize(
    ("end", "result"),
    [
        (events.HumanJoined("reception", "asked", "sip:h@x"), "answered"),
        (events.HumanNotReached("reception", "asked", "busy"), "busy"),
        (events.CallOver("abandoned", "caller", "sip"), "hung-up"),
    ],
)
def test_a_wait_for_a_human_ends_with_him_without_him_or_with_the_call(
    counted: Counted, end: Event, result: str
) -> None:
    counted.take(HELD, at=100.0)
    counted.take(HELD, at=105.0, call="c2")
    counted.take(end, at=112.5)
    assert counted.grew("voicebot_handover_wait_seconds_count", result=result) == 1
    assert counted.grew("voicebot_handover_wait_seconds_sum", result=result) == 12.5
    counted.take(end, at=106.0, call="c2")
    assert counted.grew("voicebot_handover_wait_seconds_sum", result=result) == 1.0
    counted.take(events.CallOver("abandoned", "caller", "sip"), at=300.0)
    assert counted.grew("voicebot_handover_wait_seconds_count", result=result) == 1


@virtual_clock
async def test_the_lag_of_the_loop_is_how_late_it_comes_to_what_is_due() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualClockLoop)
    name = "voicebot_loop_lag_seconds_sum"
    before = REGISTRY.get_sample_value(name) or 0.0
    lag = LoopLag()
    lag.start()
    await asyncio.sleep(10 * EVERY_S)
    assert (REGISTRY.get_sample_value(name) or 0.0) - before < 1e-6
    loop.now_s += 3.0  # something held it
    await asyncio.sleep(EVERY_S)
    lag.stop()
    lag.stop()
    assert (REGISTRY.get_sample_value(name) or 0.0) - before == pytest.approx(3.0, abs=EVERY_S)
