"""The file of routes at work: read again when it has changed, never on the event loop.

A wrong new file leaves the old routes at work. A disk that does not answer delays new routes, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from telephony.routing.lint import lint
from telephony.routing.rules import Router
from telephony.trunk.model import Trunk
from telephony.yaml_problems import Problem, SourceError
from voicebot import log
from voicebot.config import Config

LOOK_S = 1.0
"""How often the file is looked at for changes."""
_log = log.get(__name__)


class RoutesReload:
    """The routes of one configuration. Belongs to the event loop that starts it.

    Args:
        config: names the file, and what routes may lead to.
        trunks: those that routes may name, as they are now.
        look_s: how often the file is looked at.

    Raises:
        SourceError: the file is wrong.
    """

    def __init__(self, config: Config, trunks: Callable[[], Iterable[Trunk]], look_s: float = LOOK_S) -> None:
        self._config = config
        self._trunks = trunks
        self._look_s = look_s
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        path = config.sip.routes
        if path is None:
            self.router = Router.always(config.flow.stem)
            """Decides where calls go, by the file as it was read last."""
            self._changed_ns = 0
        else:
            self._changed_ns, self.router = self._read(path)

    def start(self) -> None:
        """Look at the file from now on."""
        if self._config.sip.routes is not None:
            self._task = asyncio.get_running_loop().create_task(self._look(self._config.sip.routes))

    async def stop(self) -> None:
        """Look at it no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def reload(self) -> list[Problem]:
        """Read the file now. Returns what is wrong with it; the old routes stay at work then."""
        path = self._config.sip.routes
        if path is None:
            return []
        async with self._reading:
            try:
                self._changed_ns, self.router = await asyncio.to_thread(self._read, path)
            except SourceError as error:
                return error.problems
        return []

    async def _look(self, path: Path) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            changed_ns = await asyncio.to_thread(_changed_ns, path)
            if changed_ns == self._changed_ns:
                continue
            self._changed_ns = changed_ns  # a wrong file is told of once
            problems = await self.reload()
            if problems:
                words = "\n".join(map(str, problems))
                _log.error("new routes are wrong, the old ones stay", extra={"problems": words})
            else:
                _log.info("routes read again", extra={"file": str(path)})

    def _read(self, path: Path) -> tuple[int, Router]:
        """The file and when it was changed. Raises SourceError."""
        changed_ns = _changed_ns(path)
        router = Router.load(path)
        problems = routing_problems(self._config, router, self._trunks())
        for problem in problems:
            _log.warning("routes", extra={"problem": str(problem)})
        wrong = [problem for problem in problems if not problem.warning]
        if wrong:
            raise SourceError(wrong)
        return changed_ns, router


def routing_problems(config: Config, router: Router, trunks: Iterable[Trunk]) -> list[Problem]:
    """What lint says of routes in this configuration."""
    names = {trunk.name: trunk.trusted for trunk in trunks}
    trusted = [name for name, is_trusted in names.items() if is_trusted]
    return lint(router, list(config.flow_files), list(config.handover.targets), list(names), trusted)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
