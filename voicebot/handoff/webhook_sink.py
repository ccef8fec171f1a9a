"""The sink that tells the company's own systems: each handover's written summary goes to the configured webhook."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from voicebot import log
from voicebot.handoff.webhook import post_summary
from voicebot.journal.entry import Entry
from voicebot.journal.events import CallHeld

STOP_S = 3.0
_log = log.get(__name__)
FIELDS = (
    "number", "channel", "caller", "called", "flow", "target", "reason", "summary", "step", "intent", "slots",
    "resolved",
)  # fmt: skip
"""Of `CallHeld`, as they stand in the JSON, beside ``call``."""


class WebhookSink:
    """Posts summaries in the background; a receiver that is slow or down keeps nobody waiting.

    Args:
        url: the configured webhook; None posts nothing.
    """

    name = "webhook"

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: set[Future[bool]] = set()

    def start(self) -> None:
        """From now on post on the running event loop."""
        self._loop = asyncio.get_running_loop()

    def take(self, entry: Entry) -> None:
        """Post the summary of a handover; passes over everything else."""
        if self._url is None or self._loop is None or not isinstance(entry.event, CallHeld):
            return
        data = entry.event.data()
        summary = {"call": entry.call, **{name: data[name] for name in FIELDS}}
        posting = post_summary(self._url, summary, f"{entry.call}-{entry.event.number}")
        sent = asyncio.run_coroutine_threadsafe(posting, self._loop)
        self._under_way.add(sent)
        sent.add_done_callback(self._under_way.discard)

    async def stop(self, limit_s: float = STOP_S) -> None:
        """Wait until what is being posted has arrived, for so long; then give the rest up, and say so."""
        waiting = [asyncio.wrap_future(sent) for sent in self._under_way]
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=limit_s)
        for posting in late:
            posting.cancel()
        if late:
            _log.error("summaries not posted", extra={"summaries": len(late)})
