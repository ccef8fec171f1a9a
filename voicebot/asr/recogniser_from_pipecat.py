"""Any speech-to-text service of Pipecat as an engine: the finished utterance goes in, its transcript comes out.

Services that take a whole segment (most that are asked over HTTP, and the local ones) are done when their request is;
streaming ones are done when a transcript is marked final, or none has followed the last for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import numpy as np
from numpy.typing import NDArray

from voicebot.asr import rejection
from voicebot.asr.grammar_match import GrammarMatcher
from voicebot.asr.recogniser import RATE_HZ, Audio, Cancelled, Transcript
from voicebot.engines import pipecat  # the first: it keeps what callers say out of the log
from voicebot.engines.pipecat_settings import PipecatSettings
from voicebot.errors import EngineFailed
from voicebot.messages import Expect

# isort: split
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.stt_service import SegmentedSTTService

CONFIDENCE = 0.8
"""Most services say nothing about it; what is in the grammar counts as heard well, what is not as heard fairly."""
UNSURE = 0.6
CHUNK = RATE_HZ // 10
SETTLED_S = 0.3
"""No further transcript for so long after one: the streaming service has said all."""
POLL_S = 0.02


class PipecatStt:
    """The engine: one service, one utterance at a time.

    Args:
        made_of: class, arguments and settings.
        limit_s: for one utterance; a service that is late is built anew.
    """

    def __init__(self, made_of: PipecatSettings, limit_s: float) -> None:
        self.name = made_of.name
        self._limit_s = limit_s
        self._service = pipecat.PipecatService(made_of, self._on_frame)
        self._turn = asyncio.Lock()
        self._readings = GrammarMatcher()
        self._texts: list[str] = []
        self._error = ""
        self._news = asyncio.Event()
        self._done = False
        try:
            self._service.submit(self._start()).result(pipecat.START_S + 1)
        except (EngineFailed, TimeoutError) as error:
            self.close()
            raise EngineFailed(f"{self.name} cannot be started: {error}") from error

    def close(self) -> None:
        """See `Recogniser.close`."""
        self._service.close()

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        """See `Recogniser.recognise`. A cancelled utterance is still finished by the service, before the next."""
        if rejection.is_silence_or_tone(audio, RATE_HZ):
            return Transcript("", 0.0)
        began = time.perf_counter()
        pcm = (np.clip(audio, -1, 1) * 32767).astype(np.int16)
        work = self._service.submit(self._hear(pcm))
        while True:
            try:
                text = work.result(POLL_S)
                break
            except TimeoutError:
                if work.done():
                    raise EngineFailed(f"{self.name} timed out") from None
                if cancelled():
                    return None
        return self._transcript(text, expect, (time.perf_counter() - began) * 1000)

    def _transcript(self, text: str, expect: Expect, asr_ms: float) -> Transcript:
        timings = {"asr": asr_ms, "grammar": 0.0}
        reading = self._readings.read(text, expect)
        if reading is None:
            return Transcript(text, UNSURE if text else 0.0, gap=float("inf") if text else 0.0, timings_ms=timings)
        if reading.partial:
            return Transcript(text, CONFIDENCE, partial=True, begun=reading.content, timings_ms=timings)
        return Transcript(
            text,
            CONFIDENCE,
            expected=reading.content,
            expected_confidence=CONFIDENCE,
            alternatives=(reading.content,),
            timings_ms=timings,
        )

    # ── on the service's loop ────────────────────────────────────────────────────────────────────────────────────

    async def _start(self) -> None:
        fresh = self._service.service is None
        await self._service.ready()
        if fresh and isinstance(self._service.service, SegmentedSTTService):
            self._watch_requests()

    def _watch_requests(self) -> None:
        """A segmented service that understands nothing says nothing: see when its request is over."""
        run = self._service.service.run_stt

        async def watched(audio: bytes) -> AsyncGenerator[Frame | None, None]:
            async for frame in run(audio):
                if isinstance(frame, TranscriptionFrame):
                    self._texts.append(frame.text)
                yield frame
            self._finish()

        self._service.service.run_stt = watched

    async def _hear(self, pcm: NDArray[np.int16]) -> str:
        async with self._turn:
            await self._start()
            self._texts, self._error, self._done = [], "", False
            self._news.clear()
            chunks = [pcm[at : at + CHUNK].tobytes() for at in range(0, pcm.size, CHUNK)]
            await self._service.push(
                [
                    VADUserStartedSpeakingFrame(),
                    *(InputAudioRawFrame(audio=chunk, sample_rate=RATE_HZ, num_channels=1) for chunk in chunks),
                    VADUserStoppedSpeakingFrame(),
                ]
            )
            try:
                await asyncio.wait_for(self._answer(), self._limit_s)
            except TimeoutError:
                await self._service.reset()
                raise EngineFailed(f"{self.name} took longer than {self._limit_s:g} s") from None
            if self._error:
                raise EngineFailed(f"{self.name} failed: {self._error}")
            return " ".join(" ".join(self._texts).split())

    async def _answer(self) -> None:
        """Until all was said."""
        while not self._done:
            try:
                await asyncio.wait_for(self._news.wait(), SETTLED_S if self._texts else None)
            except TimeoutError:
                return
            self._news.clear()

    def _on_frame(self, frame: Frame) -> None:
        if isinstance(frame, ErrorFrame):
            self._error = pipecat.error_text(frame)
            self._finish()
        elif isinstance(frame, TranscriptionFrame) and not isinstance(self._service.service, SegmentedSTTService):
            self._texts.append(frame.text)
            self._done = self._done or frame.finalized
            self._news.set()

    def _finish(self) -> None:
        self._done = True
        self._news.set()
