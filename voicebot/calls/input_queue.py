"""What a caller has said or keyed and the dialog has not taken yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from voicebot.messages import Heard

Input = Heard | None
"""A turn of the caller; None is silence for as long as the dialog wanted to wait."""
LIMIT = 16
"""Turns kept; a caller who talks on while nothing takes his turns loses the oldest."""


class Inbox:
    """A queue that can be waited for beside another task without losing anything."""

    def __init__(self) -> None:
        self._items: deque[Input] = deque(maxlen=LIMIT)
        self._ready = asyncio.Event()

    def put(self, item: Input) -> None:
        """Add a turn, or None for silence."""
        self._items.append(item)
        self._ready.set()

    async def get(self) -> Input:
        """The next turn or silence."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    async def get_unless(self, other: asyncio.Task[Any]) -> Heard | None:
        """The next turn, or None when `other` was done first. Silence while a prompt plays means nothing."""
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

    def take(self) -> Heard | None:
        """The next turn if there is one now; silence is passed over."""
        while self._items:
            item = self._items.popleft()
            if item is not None:
                return item
        return None

    def drain(self) -> list[Heard]:
        """Take out everything that was said in words."""
        said = [item for item in self._items if item is not None and item.text]
        self._items.clear()
        return said
