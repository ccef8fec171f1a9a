"""Services written against Pipecat's own base classes: what an adapter must bear with. Named in configurations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601


@dataclass
class ScriptSettings(STTSettings):
    """How the service behaves."""

    behaviour: str = "final"


class StreamingStt(STTService):
    """Counts the seconds that it heard and says so when speech ends."""

    Settings = ScriptSettings
    made: ClassVar[list[StreamingStt]] = []

    def __init__(self, *, key: str = "", settings: ScriptSettings) -> None:
        if key == "refused":
            raise PermissionError("the key is refused")
        super().__init__(settings=settings, ttfs_p99_latency=0.0)
        self.key = key
        self.behaviour = settings.behaviour
        self.samples = 0
        self.made.append(self)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        self.samples += len(audio) // 2
        if self.samples > 8000:
            yield InterimTranscriptionFrame("not yet", "", time_now_iso8601())

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            heard, self.samples = self.samples, 0
            self.create_task(self._finish(f"{heard / 16000:.1f} seconds"))

    async def _finish(self, text: str) -> None:
        if self.behaviour == "error":
            await self.push_error("quota\nexceeded")
        elif self.behaviour == "parts":
            for part in ("one two", "three"):
                await self.push_frame(TranscriptionFrame(part, "", time_now_iso8601()))
                await asyncio.sleep(0.05)
        elif self.behaviour == "final":
            await self.push_frame(TranscriptionFrame(text, "", time_now_iso8601(), finalized=True))


class ToneTts(TTSService):
    """Speaks a tone of 0.2 s a word; a word that begins with X means trouble, and a dead one hangs always."""

    Settings = TTSSettings

    def __init__(self, *, dead: bool = False, **given: Any) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, settings=settings, **given)
        self.dead = dead

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        for word in text.split():
            if word.startswith("Xerror"):
                yield ErrorFrame("no such voice")
                return
            if self.dead or word.startswith("Xhang"):
                await asyncio.sleep(60)
            t = np.arange(self.sample_rate // 5) / self.sample_rate
            pcm = (8000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)
            yield TTSAudioRawFrame(pcm.tobytes(), self.sample_rate, 1, context_id=context_id)
