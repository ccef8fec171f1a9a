"""The sink that shows: events of a browser call go to its page over its data channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.journal import events
from voicebot.journal.entry import Entry, Event
from voicebot.messages import GUESSED
from voicebot.web import page_messages as page


class PageSink:
    """Knows the pages of the browser calls under way."""

    name = "page"

    def __init__(self) -> None:
        self._pages: dict[str, tuple[asyncio.AbstractEventLoop, Callable[[str], None]]] = {}

    def attach(self, call: str, send: Callable[[str], None]) -> None:
        """A call has a page, to which `send` sends; until its `CallOver`. Call it on the event loop."""
        self._pages[call] = asyncio.get_running_loop(), send

    def take(self, entry: Entry) -> None:
        """Show one event, if its call has a page."""
        found = self._pages.get(entry.call or "")
        if found is None:
            return
        loop, send = found
        messages = _messages(entry.call or "", entry.number, entry.event)
        if isinstance(entry.event, events.CallOver):
            del self._pages[entry.call or ""]
        if messages and not loop.is_closed():
            loop.call_soon_threadsafe(_send, send, messages)


def _send(send: Callable[[str], None], messages: list[str]) -> None:
    for message in messages:
        send(message)


def _messages(call: str, number: int, event: Event) -> list[str]:
    match event:
        case events.CallAnswered() | events.HumanNotReached():
            return [page.state("answered", call)]
        case events.DialogMoved() as now:
            return [page.step(now.flow, now.step, now.intent, now.intent_confidence, now.slots)]
        case events.CallerHeard(text=text, words=words):
            guessed = [at for at, (_, sure) in enumerate(words) if sure < GUESSED]
            return [page.said("caller", text, unsure=guessed, number=number)]
        case events.PromptStarted(text=text):
            return [page.said("bot", text, number=number)]
        case events.ResponseStarted(latency_ms=latency_ms, timings_ms=stages):
            return [page.turn(latency_ms, dict(stages))]
        case events.CallHeld():
            return [page.state("on hold", call)]
        case events.HumanJoined():
            return [page.state("with a person", call)]
        case events.Redacted(entries=entries):
            return [page.redacted(int(at), str(data["text"])) for at, data in entries.items() if "text" in data]
        case events.CallOver(summary=summary):
            return [page.outcome(summary), page.state("ended", call)]
    return []
