"""The one clock of everything that runs on the event loop."""

from __future__ import annotations

import asyncio


def now_s() -> float:
    """Seconds of the running loop's clock: monotonic, from any beginning. What `loop.call_at` counts by."""
    return asyncio.get_running_loop().time()
