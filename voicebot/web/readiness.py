"""What ``/readyz`` knows: each part of the server by name, and what is wrong with it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from voicebot.journal import metrics

WELL = "ok"
LOW_BYTES = 100_000_000
"""Less than this is a full disk soon; a twentieth of the volume where that is less."""

Look = Callable[[], str]
"""What is wrong with a part, in words that anybody may read; empty when nothing is. Short; may block."""


class Readiness:
    """The parts of one server.

    Args:
        parts: name → look.
    """

    def __init__(self, parts: Mapping[str, Look]) -> None:
        self._parts = dict(parts)

    async def look(self, without: Collection[str] = ()) -> dict[str, str]:
        """Part → `WELL`, or what is wrong with it. `without`: parts that are not asked."""
        asked = {name: look for name, look in self._parts.items() if name not in without}
        found = await asyncio.to_thread(lambda: {name: look() or WELL for name, look in asked.items()})
        for name, state in found.items():
            metrics.part_up.labels(name).set(state == WELL)
        return found


def disk_fault(folder: Path) -> str:
    """Says so when little room is left on the disk of a folder, or it cannot be looked at."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return f"the data folder cannot be looked at: {error.strerror}"
    metrics.disk_free.set(usage.free)
    if usage.free >= min(LOW_BYTES, usage.total // 20):
        return ""
    return f"{usage.free / 1e6:.1f} MB of {usage.total / 1e6:.0f} MB are left for the data folder"
