"""A service of Pipecat's catalogue, alone in a pipeline, on an event loop in a thread of its own.

Both rooms use it: `asr/pipecat_stt.py` and `tts/pipecat_tts.py`. After `reset` the pipeline is built anew, so
that a service that has lost its way costs one job.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import os
import re
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar, get_args

import aiohttp
import loguru

loguru.logger.disable("pipecat")  # it writes what callers say into the log; errors reach us as frames
from pipecat.frames.frames import CancelFrame, ErrorFrame, Frame, StartFrame  # noqa: E402
from pipecat.pipeline.pipeline import Pipeline  # noqa: E402
from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # noqa: E402
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor  # noqa: E402
from pipecat.workers.runner import WorkerRunner  # noqa: E402

from voicebot.engines.pipecat_settings import PipecatSettings  # noqa: E402
from voicebot.errors import EngineFailed  # noqa: E402

START_S = 20.0
"""A service that has not connected or loaded by then has failed."""
STOP_S = 3.0
_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
T = TypeVar("T")
OnFrame = Callable[[Frame], None]


class PipecatService:
    """Runs one service.

    Args:
        made_of: class, arguments and settings.
        on_frame: gets every frame that leaves the service at either end, errors included, on the service's own loop.

    Raises:
        EngineFailed: there is no such class, or what it needs is not installed.
    """

    def __init__(self, made_of: PipecatSettings, on_frame: OnFrame) -> None:
        find(made_of)
        self._made_of = made_of
        self._on_frame = on_frame
        self.service: Any = None
        """The running service; None until `ready`."""
        self._session: aiohttp.ClientSession | None = None
        self._worker: PipelineWorker | None = None
        self._running: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"pipecat {made_of.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(_cancel_all())
        self._loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the service's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End the pipeline and the thread."""
        with contextlib.suppress(TimeoutError):  # the thread is a daemon: the process can end all the same
            self.submit(self.reset()).result(STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)

    # ── on the service's loop ────────────────────────────────────────────────────────────────────────────────────

    async def ready(self) -> None:
        """Build and start the pipeline, unless it runs.

        Raises:
            EngineFailed: the class cannot be found, made or started.
        """
        if self._running is not None and not self._running.done():
            return
        self.service = self._make()
        started = asyncio.Event()

        def see(frame: Frame) -> None:
            if isinstance(frame, StartFrame):
                started.set()
            self._on_frame(frame)

        self._worker = PipelineWorker(
            Pipeline(
                [_FrameTap(see, FrameDirection.UPSTREAM), self.service, _FrameTap(see, FrameDirection.DOWNSTREAM)]
            ),
            params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=self._made_of.rate_hz),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            enable_turn_tracking=False,
        )
        runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
        await runner.add_workers(self._worker)
        self._running = asyncio.create_task(runner.run())
        try:
            await asyncio.wait_for(started.wait(), START_S)
        except TimeoutError:
            await self.reset()
            raise EngineFailed(f"{self._made_of.name} did not start within {START_S:g} s") from None

    def _make(self) -> Any:
        """Raises EngineFailed."""
        kind = find(self._made_of)
        try:
            arguments = arguments_for(kind, self._made_of)
            if "aiohttp_session" in inspect.signature(kind).parameters:  # those that are asked over HTTP
                self._session = arguments["aiohttp_session"] = aiohttp.ClientSession()
            return kind(**arguments)
        except EngineFailed:
            raise
        except Exception as error:  # a service may raise anything when it is made
            remedy = "see its arguments and settings"
            raise EngineFailed(f"{self._made_of.pipecat} cannot be made: {error}", remedy) from error

    async def push(self, frames: Iterable[Frame]) -> None:
        """Give frames to the service. Call `ready` before."""
        if self._worker is not None:
            for frame in frames:
                await self._worker.queue_frame(frame)

    async def reset(self) -> None:
        """Throw the pipeline away; the next `ready` builds another."""
        worker, running = self._worker, self._running
        self._worker = self._running = self.service = None
        if worker is not None and running is not None and not running.done():
            await worker.queue_frame(CancelFrame())
            _, late = await asyncio.wait({running}, timeout=STOP_S)
            for task in late:
                task.cancel()
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class _FrameTap(FrameProcessor):
    """Stands at one end of the pipeline and tells what comes there."""

    def __init__(self, on_frame: OnFrame, direction: FrameDirection) -> None:
        super().__init__(enable_direct_mode=True)
        self._tell = on_frame
        self._told_of = direction

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction == self._told_of:
            self._tell(frame)
        await self.push_frame(frame, direction)


def find(made_of: PipecatSettings) -> Any:
    """The class that is named. Raises EngineFailed when it is not there, or what it needs is not installed."""
    module, _, name = made_of.pipecat.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EngineFailed(f"{made_of.pipecat} cannot be used: {error}", f"install what {module} needs") from error


def check(made_of: PipecatSettings) -> None:
    """See that the class is there and its secrets are set, without making it. Raises EngineFailed."""
    arguments_for(find(made_of), made_of)


def arguments_for(kind: Any, made_of: PipecatSettings, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the class is made with. Raises EngineFailed for a secret that is not set."""
    takes = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {}
    for name, value in made_of.arguments.items():
        filled = _filled(value, environment)
        wants = takes[name].annotation if name in takes else None
        arguments[name] = Path(filled) if Path in (wants, *get_args(wants)) else filled
    if made_of.settings:
        settings = {name: _filled(value, environment) for name, value in made_of.settings.items()}
        arguments["settings"] = kind.Settings(**settings)
    return arguments


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    """Texts with ``${NAME}`` filled in. Raises EngineFailed."""
    if not isinstance(value, str):
        return value

    def look_up(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise EngineFailed(f"the environment variable {found[1]} is not set")
        return environment[found[1]]

    return _SECRET.sub(look_up, value)


def error_text(frame: ErrorFrame) -> str:
    """What went wrong, in one line."""
    return " ".join(str(frame.error).split())[:200]
