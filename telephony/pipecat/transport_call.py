"""The call under a transport: answered once, watched, hung up once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from pipecat.frames.frames import CancelWorkerFrame
from pipecat.processors.frame_processor import FrameProcessor

from ..call.dialog.sipleg import SipLeg
from ..call.inbound.incoming import IncomingCall
from ..leg import LegError, Pcm

MAX_WAITING = 100
"""Blocks kept until the pipeline takes them, 2 s: what the caller says while it starts."""

Notify = Callable[..., Awaitable[Any]]


class TransportCall:
    """Belongs to the event loop of the agent.

    Args:
        call: an incoming call that rings, or an answered leg of either direction.
        notify: tells the bot of an event: its name, and what comes with it.
    """

    def __init__(self, call: IncomingCall | SipLeg, notify: Notify) -> None:
        self.incoming = call if isinstance(call, IncomingCall) else None
        self.leg: SipLeg | None = None
        self.on_dtmf: Callable[[str], None] | None = None
        self.answers_at_output = False
        """The pipeline is ready when its output is."""
        self._notify = notify
        self._blocks: deque[Pcm] = deque(maxlen=MAX_WAITING)
        self._arrived = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._began = False
        self._leaving = False
        if isinstance(call, SipLeg):
            self._take(call)

    @property
    def over(self) -> bool:
        """Nobody hears us any more, or yet."""
        return self.leg is None or self.leg.state == "closed"

    @property
    def deaf(self) -> bool:
        """Nothing goes out now: not answered, on hold, or over."""
        agreed = None if self.leg is None or self.over else self.leg.negotiation.agreed
        return agreed is None or agreed.direction not in ("sendrecv", "sendonly")

    def ring(self) -> None:
        """Tell the caller that the pipeline is starting."""
        if self.incoming is not None and not self.incoming.decided:
            self.incoming.ring()

    async def answer(self, side: FrameProcessor) -> SipLeg | None:
        """Take the call. None when it cannot be: the bot has been told, and the pipeline is being cancelled."""
        if self.leg is None and self.incoming is not None:
            try:
                self._take(await self.incoming.answer())
            except LegError as error:
                await self._notify("on_dialin_error", error)
                await side.push_frame(CancelWorkerFrame(reason=str(error)))
        return self.leg

    async def begin(self, side: FrameProcessor) -> None:
        """The pipeline is ready for the call: tell the bot, and watch for its end."""
        if self.leg is not None and not self._began:
            self._began = True
            await self._notify("on_client_connected", self.leg)
            self._watch = side.create_task(self._until_closed(self.leg))

    async def blocks(self) -> list[Pcm]:
        """Wait for audio, and take all that has come."""
        await self._arrived.wait()
        self._arrived.clear()
        taken = list(self._blocks)
        self._blocks.clear()
        return taken

    async def hang_up(self) -> None:
        """The pipeline has said everything; returns when the caller knows."""
        self._leaving = True
        if self.leg is not None:
            await self.leg.hang_up()

    def end(self) -> None:
        """The pipeline is over: hang up without waiting, or refuse a call that was never answered."""
        self._leaving = True
        if self.leg is not None:
            self.leg.end()
        elif self.incoming is not None:
            self.incoming.reject(480)

    async def close(self, side: FrameProcessor) -> None:
        """The same, and watch no longer."""
        self.end()
        if self._watch is not None:
            await side.cancel_task(self._watch)
            self._watch = None

    def _take(self, leg: SipLeg) -> None:
        self.leg = leg
        leg.on_audio = self._on_audio
        leg.on_dtmf = self._on_dtmf

    def _on_audio(self, pcm: Pcm) -> None:
        self._blocks.append(pcm)
        self._arrived.set()

    def _on_dtmf(self, key: str) -> None:
        if self.on_dtmf is not None:
            self.on_dtmf(key)

    async def _until_closed(self, leg: SipLeg) -> None:
        closed = asyncio.Event()
        leg.when_closed(lambda _: closed.set())
        await closed.wait()
        if not self._leaving:
            await self._notify("on_client_disconnected", leg)
