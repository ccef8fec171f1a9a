"""What a caller says or keys: one queue, in which every turn is held against the question that was asked when it began.

Words said before a question was spoken never answer it, whatever they are: said while a backend worked or on hold they
would otherwise confirm what nobody had asked. They are told to whoever writes down, and are gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voicebot.errors import EngineFailed
from voicebot.messages import Heard

LIMIT = 16
"""Inputs kept; a caller who talks on while nothing takes his turns loses the oldest."""


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """He said or keyed something."""

    heard: Heard


@dataclass(frozen=True, slots=True)
class NothingSaid:
    """He was silent for as long as the dialog wanted to wait."""


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """He said something, and no recognition engine worked."""

    error: EngineFailed


Input = CallerTurn | NothingSaid | Unrecognised


class InputQueue:
    """Can be waited for beside another task without losing anything. Use it on the event loop only.

    Args:
        on_stale: is told of each turn that answers no question.
    """

    def __init__(self, on_stale: Callable[[Heard], None]) -> None:
        self._on_stale = on_stale
        self._items: deque[Input] = deque()
        self._ready = asyncio.Event()
        self._asked_s: float | None = None

    @property
    def asked(self) -> bool:
        """A question stands: it is being spoken, or waits for its answer."""
        return self._asked_s is not None

    def ask(self, now_s: float) -> None:
        """The prompts of a question begin to be spoken; what waits for an earlier one is stale."""
        self.answered()
        self._asked_s = now_s

    def answered(self) -> None:
        """Nothing is asked until the next `ask`."""
        self._asked_s = None
        while self._items:
            self.stale(self._items.popleft())

    def put(self, item: Input, began_s: float) -> None:
        """Add an input that began at `began_s`, on the clock of `ask`."""
        if self._asked_s is None or began_s < self._asked_s:
            self.stale(item)
            return
        self._items.append(item)
        if len(self._items) > LIMIT:
            self.stale(self._items.popleft())
        self._ready.set()

    async def get(self) -> Input:
        """The next answer to the question that is asked, or the silence after it."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    async def get_unless(self, other: asyncio.Task[Any]) -> Input | None:
        """The next answer, or None when `other` was done first. Silence while a prompt plays means nothing."""
        while True:
            item = self.take()
            if item is not None:
                return item
            if other.done():
                return None
            self._ready.clear()
            arrival = asyncio.create_task(self._ready.wait())
            try:
                await asyncio.wait({arrival, other}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrival.cancel()

    def take(self) -> Input | None:
        """The next answer if there is one now; silence is passed over."""
        while self._items:
            item = self._items.popleft()
            if not isinstance(item, NothingSaid):
                return item
        return None

    def stale(self, item: Input) -> None:
        """An input answers nothing, or is put right by a later one."""
        if isinstance(item, CallerTurn):
            self._on_stale(item.heard)
