"""Any text-to-speech service of Pipecat as an engine: a phrase goes in, its audio comes out as the service gives it."""

from __future__ import annotations

import asyncio
import queue
from collections import deque

import numpy as np

from telephony.leg import Pcm
from voicebot.engines import pipecat  # the first: it keeps what is said out of the log
from voicebot.engines.pipecat_settings import PipecatSettings
from voicebot.errors import EngineFailed
from voicebot.tts.voice_engine import Emit

# isort: split
from pipecat.frames.frames import ErrorFrame, Frame, InterruptionFrame, TTSAudioRawFrame, TTSSpeakFrame, TTSStoppedFrame

SETTLED_S = 0.8
"""Services that do not say when they are done are done when nothing has come for so long."""
KEPT = 20
"""Phrases that are over, whose late audio is thrown away."""


class PipecatTts:
    """The engine: one service, one phrase at a time.

    Args:
        made_of: class, arguments and settings.
        limit_s: without a sound; a service that is late is built anew.
    """

    clausewise = False
    quick = False
    presence = 0.0

    def __init__(self, made_of: PipecatSettings, limit_s: float) -> None:
        self.name = made_of.name
        self.rate_hz = made_of.rate_hz
        self._limit_s = limit_s
        self._service = pipecat.PipecatService(made_of, self._on_frame)
        self._turn = asyncio.Lock()
        self._heard: asyncio.Queue[Pcm | EngineFailed | None] = asyncio.Queue()
        self._context: str | None = None
        """Pipecat's name of the phrase, once there is sound."""
        self._over: deque[str | None] = deque(maxlen=KEPT)

    def close(self) -> None:
        """See `VoiceEngine`."""
        self._service.close()

    def synthesize(self, text: str, emit: Emit) -> None:
        """See `VoiceEngine`. Raises EngineFailed."""
        blocks: queue.SimpleQueue[Pcm | None] = queue.SimpleQueue()
        work = self._service.submit(self._speak(text, blocks))
        work.add_done_callback(lambda _: blocks.put(None))
        while (block := blocks.get()) is not None:
            if not emit(block):
                work.cancel()
                return
        work.result()

    # ── on the service's loop ────────────────────────────────────────────────────────────────────────────────────

    async def _speak(self, text: str, blocks: queue.SimpleQueue[Pcm | None]) -> None:
        async with self._turn:
            await self._service.ready()
            self._heard, self._context = asyncio.Queue(), None
            try:
                await self._service.push([TTSSpeakFrame(text, append_to_context=False)])
                while (heard := await self._next()) is not None:
                    blocks.put(heard)
                if self._context is None:
                    raise EngineFailed(f"{self.name} gives no sound")
            except asyncio.CancelledError:
                await self._service.push([InterruptionFrame()])
                raise
            except EngineFailed:
                await self._service.reset()
                raise
            finally:
                self._over.append(self._context)

    async def _next(self) -> Pcm | None:
        """A block; None at the end of the phrase."""
        limit_s = self._limit_s if self._context is None else SETTLED_S
        try:
            heard = await asyncio.wait_for(self._heard.get(), limit_s)
        except TimeoutError:
            if self._context is not None:
                return None
            raise EngineFailed(f"{self.name} was silent for {limit_s:g} s") from None
        if isinstance(heard, EngineFailed):
            raise heard
        return heard

    def _on_frame(self, frame: Frame) -> None:
        if isinstance(frame, ErrorFrame):
            self._heard.put_nowait(EngineFailed(f"{self.name} failed: {pipecat.error_text(frame)}"))
        elif isinstance(frame, TTSAudioRawFrame | TTSStoppedFrame) and frame.context_id not in self._over:
            if isinstance(frame, TTSStoppedFrame):
                self._heard.put_nowait(None)
            else:
                self._context = frame.context_id or ""
                self._heard.put_nowait(np.frombuffer(frame.audio, np.int16)[:: frame.num_channels])
