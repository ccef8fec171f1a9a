"""Runs actions: limits, one more try, metrics and the audit line. Nothing a backend does raises out of here."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from aiohttp.abc import AbstractResolver

from voicebot import log, messages
from voicebot.actions.catalog import Action, Catalog, HttpCall, PythonCall, SqlCall
from voicebot.actions.failure import TryFailed
from voicebot.actions.function import Function
from voicebot.actions.http import HttpClient
from voicebot.actions.sql import Database
from voicebot.actions.templates import Scalar, checked
from voicebot.journal import metrics

MASK = "•••"
PAUSE_S = 0.1
"""Before the second try: long enough for a connection that is being replaced."""

_audit = log.get(__name__)


class Actions:
    """All backends of one flow. Use `start`, then `run` from any number of calls, then `stop`.

    Args:
        catalog: what can be done.
        resolver: asks the DNS; the system's by default.
    """

    def __init__(self, catalog: Catalog, resolver: AbstractResolver | None = None) -> None:
        self._catalog = catalog
        self._resolver = resolver
        self._seed = secrets.token_hex(16)
        self._http: HttpClient | None = None
        self._databases: dict[str, Database] = {}
        self._functions: dict[str, Function] = {}
        self._places: dict[str, asyncio.Semaphore] = {}
        self._running: set[asyncio.Task[messages.Result]] = set()

    async def start(self) -> None:
        """Open pools; connects to nothing yet.

        Raises:
            VoicebotError: a database driver or a Python function is not there.
        """
        size = self._catalog.max_concurrent
        for action in self._catalog.actions.values():
            call = action.call
            if isinstance(call, SqlCall):
                if call.backend not in self._databases:
                    self._databases[call.backend] = Database(call, size)
            elif isinstance(call, PythonCall):
                self._functions[call.function] = Function(call, size, self._catalog.max_answer_bytes)
            else:
                self._places.setdefault(call.backend, asyncio.Semaphore(size))
        self._http = HttpClient(self._catalog.allow, self._catalog.max_answer_bytes, self._resolver)

    async def stop(self) -> None:
        """Finish what runs (each within its own limit) and close pools. Calling it again does nothing."""
        if self._running:
            await asyncio.wait(self._running)
        async with AsyncExitStack() as closing:
            if self._http is not None:
                closing.push_async_callback(self._http.close)
            for database in self._databases.values():
                closing.push_async_callback(database.close)
        self._http = None
        self._databases.clear()

    def masked(self, do: messages.Do, mask: Callable[[object], str] = lambda _: MASK) -> dict[str, Any]:
        """The arguments for logs and events: secret ones as `mask` says (all of them when the action is unknown)."""
        action = self._catalog.actions.get(do.action)
        return {n: mask(value) if action is None or n in action.secret else value for n, value in do.args.items()}

    def writes(self, do: messages.Do) -> bool:
        """Whether the action changes something."""
        action = self._catalog.actions.get(do.action)
        return action is not None and action.write

    async def run(self, do: messages.Do) -> messages.Result:
        """Do it, within the action's time limit.

        Once begun it is finished and noted in the log, also when the task that waits for it is cancelled: a caller who
        hangs up must not leave a write half sent.

        Returns:
            ``ok`` with the data, or the kind of failure: ``timeout``, ``refused``, ``unreachable``, ``bad-answer``,
            ``status-404`` and so on (``data`` then holds the JSON that came with the status, if any).
        """
        running = asyncio.create_task(self._noted(do))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def _noted(self, do: messages.Do) -> messages.Result:
        started = time.monotonic()
        action = self._catalog.actions.get(do.action)
        if action is None:
            result = messages.Result(do.token, False, error="refused")
            message = "no such action"
        else:
            result, message = await self._limited(action, do)
        took_s = time.monotonic() - started
        metrics.actions.labels(do.action if action else "unknown", "ok" if result.ok else result.error).inc()
        metrics.stage.labels("action").observe(took_s)
        metrics.action_duration.labels(do.action if action else "unknown").observe(took_s)
        _audit.info(
            "action",
            extra={
                "action": do.action,
                "arguments": self.masked(do),
                "write": action.write if action else False,
                "result": "ok" if result.ok else result.error,
                "why": message,
                "ms": round(took_s * 1000),
                "token": do.token,
            },
        )
        return result

    async def _limited(self, action: Action, do: messages.Do) -> tuple[messages.Result, str]:
        try:
            async with asyncio.timeout(action.timeout_s):
                return messages.Result(do.token, True, await self._tries(action, do)), ""
        except TimeoutError:
            return messages.Result(do.token, False, error="timeout"), f"no answer in {action.timeout_s:g} s"
        except TryFailed as failure:
            return messages.Result(do.token, False, failure.data, failure.kind), failure.message

    async def _tries(self, action: Action, do: messages.Do) -> Any:
        args = checked(do.args, action.args)
        key = self._key(do)
        try:
            return await self._once(action, args, key)
        except TryFailed as failure:
            if not failure.passing or (action.write and not action.idempotent):
                raise
        await asyncio.sleep(PAUSE_S)
        return await self._once(action, args, key)

    async def _once(self, action: Action, args: dict[str, Scalar], key: str) -> Any:
        call = action.call
        if isinstance(call, HttpCall):
            if self._http is None:
                raise TryFailed("unreachable", "stopped")
            async with self._places[call.backend]:
                return await self._http.send(call, args, write=action.write, key=key)
        if isinstance(call, SqlCall):
            database = self._databases.get(call.backend)
            if database is None:
                raise TryFailed("unreachable", "stopped")
            return await database.send(call, args, write=action.write)
        return await self._functions[call.function].send(args)

    def _key(self, do: messages.Do) -> str:
        """The idempotency key: a `Do.token` is unique in its call only, a key must be unique for the backend.

        Hashed, because a call's id can come from a stranger's Call-ID.
        """
        text = "\0".join((self._seed, log.call_id.get(), do.action, do.token))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
