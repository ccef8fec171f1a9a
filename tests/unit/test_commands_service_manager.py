"""What systemd is told, and when it is told no more."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.unit.virtual_clock import virtual_clock
from voicebot.commands.service_manager import LOOK_S, ServiceManager, watchdog_s
from voicebot.web.readiness import WELL


class Told:
    """What was said, and a server that may be ill."""

    def __init__(self, interval_s: float | None = None) -> None:
        self.messages: list[str] = []
        self.parts = {"calls": WELL}
        self.calls = 0
        self.manager = ServiceManager(self.messages.append, self._look, lambda: self.calls, interval_s)

    async def _look(self) -> dict[str, str]:
        return self.parts

    def take(self) -> list[str]:
        taken, self.messages[:] = list(self.messages), []
        return taken


@virtual_clock
async def test_ready_is_told_once_and_the_calls_whenever_they_change() -> None:
    told = Told()
    told.manager.start()
    await asyncio.sleep(3 * LOOK_S)
    assert told.take() == ["READY=1", "STATUS=ready: 0 calls"]
    told.calls = 2
    await asyncio.sleep(3 * LOOK_S)
    assert told.take() == ["STATUS=ready: 2 calls"]
    await told.manager.stop()


@virtual_clock
async def test_a_server_that_is_not_ready_asks_for_time_and_says_what_is_wrong() -> None:
    told = Told()
    told.parts = {"calls": WELL, "disk": "full\nMAINPID=1 \N{GRINNING FACE}"}
    told.manager.start()
    await asyncio.sleep(1.5 * LOOK_S)
    more = "EXTEND_TIMEOUT_USEC=30000000"
    assert told.take() == [more, "STATUS=not ready: disk: full MAINPID=1 \\U0001f600", more]
    told.parts = {"calls": WELL, "disk": WELL}
    await asyncio.sleep(LOOK_S)
    assert told.take() == ["READY=1", "STATUS=ready: 0 calls"]
    told.parts = {"calls": WELL, "disk": "full"}
    await asyncio.sleep(LOOK_S)
    assert told.take() == ["STATUS=not ready: disk: full"]
    await told.manager.stop()


@virtual_clock
async def test_a_server_that_stops_says_so_at_once_and_is_never_ready_again() -> None:
    told = Told()
    told.manager.start()
    await asyncio.sleep(LOOK_S / 2)
    told.take()
    told.calls = 3
    told.manager.stopping()
    assert told.take() == ["STOPPING=1", "STATUS=stopping: 3 calls left"]
    told.calls = 1
    await asyncio.sleep(LOOK_S)
    assert told.take() == ["STATUS=stopping: 1 call left"]
    await told.manager.stop()
    await asyncio.sleep(10)
    assert told.take() == []


@virtual_clock
async def test_signs_of_life_come_three_times_an_interval_until_the_end_even_while_a_disk_hangs() -> None:
    told = Told(interval_s=30)

    async def hangs() -> dict[str, str]:
        await asyncio.sleep(1000)
        return {}

    told.manager = ServiceManager(told.messages.append, hangs, lambda: 0, 30)
    told.manager.start()
    await asyncio.sleep(61)
    assert told.take() == 7 * ["WATCHDOG=1"]
    told.manager.stopping()
    await asyncio.sleep(30)
    assert told.take().count("WATCHDOG=1") == 3
    await told.manager.stop()
    await asyncio.sleep(60)
    assert told.take() == []


async def test_a_loop_that_hangs_gives_no_sign_of_life() -> None:
    told = Told(interval_s=0.03)
    told.manager.start()
    told.take()
    time.sleep(0.1)  # noqa: ASYNC251 - the loop hangs
    assert told.take() == []
    await asyncio.sleep(0)
    await told.manager.stop()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_on_when_systemd_asks_this_process(environ: dict[str, str], expected: float | None) -> None:
    assert watchdog_s(environ) == expected
