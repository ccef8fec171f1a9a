"""What the server tells systemd (sd_notify): that it is ready or stops, how it does, that its loop turns.

Without ``NOTIFY_SOCKET`` nothing is told. systemd restarts a server whose event loop hangs for longer than
``WatchdogSec=`` of its unit: ``WATCHDOG=1`` comes from a timer of that loop, and from nowhere else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping

from sdnotify import SystemdNotifier

from voicebot.web.readiness import WELL

LOOK_S = 2.0
"""How often readiness and calls are looked at."""
BEATS = 3
"""Signs of life in each of the unit's watchdog intervals."""
PATIENCE_US = 30_000_000
"""A start that is not ready yet may take so long from each look on: who waits for a disk must not be killed for it."""

Tell = Callable[[str], None]
Parts = Callable[[], Awaitable[Mapping[str, str]]]
"""What ``/readyz`` says: each part of the server, and `WELL` or what is wrong with it."""


def notifier() -> Tell:
    """Sends one message to systemd, or drops it: the loop never waits for that."""
    systemd = SystemdNotifier()
    if systemd.socket is not None:
        systemd.socket.setblocking(False)

    def tell(message: str) -> None:
        systemd.notify(message)

    return tell


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """How often systemd wants a sign of life from this process at least; None: it does not."""
    given, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not given.isdecimal() or int(given) == 0 or (whose and whose != str(os.getpid())):
        return None
    return int(given) / 1e6


class ServiceManager:
    """Belongs to the event loop that starts it.

    Args:
        tell: see `notifier`.
        parts: see there.
        calls: how many there are now.
        interval_s: `watchdog_s`.
    """

    def __init__(self, tell: Tell, parts: Parts, calls: Callable[[], int], interval_s: float | None) -> None:
        self._tell, self._parts, self._calls, self._interval_s = tell, parts, calls, interval_s
        self._ready = self._stopping = False
        self._status = ""
        self._beat: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on systemd is told; READY=1 when all parts are well."""
        if self._interval_s is not None:
            self._turn(self._interval_s / BEATS)
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def stopping(self) -> None:
        """No new calls are taken any more."""
        self._stopping = True
        self._tell("STOPPING=1")
        self._show(f"stopping: {self._count()} left")

    async def stop(self) -> None:
        """Say no more."""
        if self._beat is not None:
            self._beat.cancel()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _turn(self, every_s: float) -> None:
        self._tell("WATCHDOG=1")
        self._beat = asyncio.get_running_loop().call_later(every_s, self._turn, every_s)

    async def _look(self) -> None:
        while True:
            faults = [f"{part}: {state}" for part, state in (await self._parts()).items() if state != WELL]
            if self._stopping:
                self._show(f"stopping: {self._count()} left")
            elif faults:
                if not self._ready:
                    self._tell(f"EXTEND_TIMEOUT_USEC={PATIENCE_US}")
                self._show(f"not ready: {'; '.join(faults)}")
            else:
                if not self._ready:
                    self._ready = True
                    self._tell("READY=1")
                self._show(f"ready: {self._count()}")
            await asyncio.sleep(LOOK_S)

    def _count(self) -> str:
        calls = self._calls()
        return f"{calls} call" if calls == 1 else f"{calls} calls"

    def _show(self, words: str) -> None:
        if words != self._status:
            self._status = words
            self._tell("STATUS=" + words.replace("\n", " ").encode("ascii", "backslashreplace").decode())
