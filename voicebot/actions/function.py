"""Actions that are functions of your own."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from voicebot import log
from voicebot.actions.catalog import PythonCall
from voicebot.actions.failure import TryFailed
from voicebot.actions.http import decoded
from voicebot.actions.templates import Scalar
from voicebot.actions.threads import Threads
from voicebot.errors import ActionFailed, VoicebotError

_log = log.get(__name__)


class Function:
    """One function, found once.

    Raises:
        VoicebotError: there is no such function.
    """

    def __init__(self, call: PythonCall, size: int, max_answer_bytes: int) -> None:
        module, _, name = call.function.partition(":")
        try:
            self._function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise VoicebotError(f"action function {call.function}: {error}", "check the name and PYTHONPATH") from None
        self._name = call.function
        self._max_bytes = max_answer_bytes
        self._threads = Threads(size)

    async def send(self, args: Mapping[str, Scalar]) -> Any:
        """One call.

        Returns:
            What the function returned, through JSON.

        Raises:
            TryFailed: the kind of the `ActionFailed` that it raised; ``bad-answer`` for any other exception.
        """
        if inspect.iscoroutinefunction(self._function):
            running = asyncio.ensure_future(self._function(**args))
        else:
            running = asyncio.ensure_future(self._threads.run(lambda: self._function(**args)))
        try:
            await asyncio.wait([running])
        finally:
            running.cancel()
        if running.cancelled():
            raise TryFailed("bad-answer", f"{self._name} was cancelled")
        error = running.exception()
        if isinstance(error, ActionFailed):
            raise TryFailed(error.kind, error.message)
        if error is not None:
            # Only the place: an exception's text may hold arguments.
            frame = error.__traceback__
            while frame is not None and frame.tb_next is not None:
                frame = frame.tb_next
            line = frame.tb_lineno if frame is not None else 0
            raise TryFailed("bad-answer", f"{self._name} raised {type(error).__name__} (line {line})")
        return self._plain(running.result())

    def _plain(self, value: Any) -> Any:
        try:
            raw = json.dumps(value).encode()
        except (TypeError, ValueError, RecursionError):
            raise TryFailed("bad-answer", f"{self._name} returned something that is not JSON") from None
        if len(raw) > self._max_bytes:
            raise TryFailed("bad-answer", f"{self._name} returned more than {self._max_bytes} bytes")
        return decoded(raw, "application/json")
