"""The server of the edge benches, in a process of its own: a user agent that answers every call with sound."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import gc
import os
import resource
import sys
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.leg import LegError
from telephony.media.engine import MediaEngine
from telephony.sip.flood_guard import FloodGuard
from telephony.sip_trace import SipTrace

_SOUND_S = 10
_TRACE_BYTES = 1 << 20
"""Little, so that the ring is full soon and its filling is not taken for a leak."""


@dataclass(frozen=True)
class ServerSetup:
    """How the server is set up."""

    max_calls: int
    max_new_per_s: float
    first_port: int
    hold_ms: float = 0.0
    """The event loop is held so long in each second."""
    trusted: tuple[str, ...] = ("127.0.0.1",)
    """Addresses whose messages the gate does not count as a stranger's."""


@dataclass
class ProcessFigures:
    """Of the process, since it began."""

    memory_mb: float
    """Resident."""
    blocks: int
    """Of memory that Python's objects take: unlike pages, they are given back when nothing needs them."""
    cpu_s: float
    """Of the process, user and system, without the holding."""
    engine_cpu_s: float
    """Of the media thread."""
    loop_cpu_s: float
    """Of the event loop's thread, without the holding."""
    sockets: int
    tasks: int
    calls: int
    heard_s: float
    refused: dict[str, int] = field(default_factory=dict)
    """Messages turned away by the gate."""

    @property
    def held(self) -> tuple[int, int, int]:
        """What has to be back where it began: sockets (so ports, too), tasks, calls."""
        return self.sockets, self.tasks, self.calls


class ProcessRequest(enum.Enum):
    """What the benchmark asks the server's process."""

    FIGURES = "figures"
    """Answered with `ProcessFigures`."""
    STOP = "stop"


def run_server(connection: Connection, setting: ServerSetup) -> None:
    """Process: tell the port; then each `ProcessRequest` is answered."""
    _allow_files(4 * setting.max_calls + 512)
    asyncio.run(_Server(setting).serve(connection))


class _Server:
    def __init__(self, setting: ServerSetup) -> None:
        self._setting = setting
        self._heard = 0.0
        self._held_s = 0.0
        self._sound = {hz: np.full(_SOUND_S * hz, 1000, np.int16) for hz in (8000, 16000)}
        ports = 2 * (2 * setting.max_calls + 100)
        self._engine = MediaEngine("127.0.0.1", setting.first_port, setting.first_port + ports)
        self._guard = FloodGuard(trusted=setting.trusted)
        config = AgentConfig(port=0, max_calls=setting.max_calls, max_new_per_s=setting.max_new_per_s)
        self._agent = UserAgent(config, self._engine, self._answer, guard=self._guard, trace=SipTrace(_TRACE_BYTES))

    async def serve(self, connection: Connection) -> None:
        self._engine.start()
        await self._agent.start()
        holding = asyncio.create_task(self._hold())
        connection.send(self._agent.port)
        while await asyncio.to_thread(connection.recv) is ProcessRequest.FIGURES:
            connection.send(self._figures())
        holding.cancel()
        await self._agent.stop()
        self._engine.stop()

    async def _answer(self, incoming: IncomingCall) -> None:
        try:
            leg = await incoming.answer()
        except LegError:
            return
        rate_hz = leg.rate_hz

        def hear(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
            self._heard += len(pcm) / rate_hz

        leg.on_audio = hear
        while not leg.closed.done():
            if leg.queued_samples < rate_hz:
                leg.play(self._sound[rate_hz])
            await asyncio.wait([leg.closed], timeout=_SOUND_S - 2)

    async def _hold(self) -> None:
        while self._setting.hold_ms:
            await asyncio.sleep(1)
            began_s, until_s = time.thread_time(), time.monotonic() + self._setting.hold_ms / 1000
            while time.monotonic() < until_s:
                pass
            self._held_s += time.thread_time() - began_s

    def _figures(self) -> ProcessFigures:
        gc.collect()
        thread = next(one.ident for one in threading.enumerate() if one.name == "media")
        assert thread is not None
        return ProcessFigures(
            memory_mb=resident_mb(os.getpid()),
            blocks=sys.getallocatedblocks(),
            cpu_s=time.process_time() - self._held_s,
            engine_cpu_s=time.clock_gettime(time.pthread_getcpuclockid(thread)),
            loop_cpu_s=time.thread_time() - self._held_s,
            sockets=sum(_is_socket(path) for path in Path("/proc/self/fd").iterdir()),
            tasks=len(asyncio.all_tasks()),
            calls=self._agent.active_calls,
            heard_s=self._heard,
            refused=dict(self._guard.refused),
        )


def resident_mb(pid: int) -> float:
    """Memory of a process. Raises OSError when it is gone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _is_socket(path: Path) -> bool:
    try:
        return os.readlink(path).startswith("socket:")
    except OSError:  # the descriptor of the listing itself
        return False


def _allow_files(wanted: int) -> None:
    """Two sockets a call, and some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
