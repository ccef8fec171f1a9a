"""One phrase being synthesised: a worker thread makes it, any number of calls listen to it as it comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from time import monotonic
from typing import TypeVar

import numpy as np

from telephony.leg import Pcm
from voicebot import log
from voicebot.errors import EngineFailed
from voicebot.tts.time_stretch import TimeStretcher
from voicebot.tts.voice import Voice
from voicebot.tts.voice_engine import Emit

_T = TypeVar("_T")
_log = log.get(__name__)


class PhraseJob:
    """Lives on the event loop that made it; only `_make` runs in a worker thread.

    Args:
        voices: tried in order; the next one takes over when one fails before its first sound.
        words: what is spoken.
        speed: of it, 1 as the voice speaks; see `TimeStretcher`.
        on_end: called when nothing more comes, with True when `audio` is the whole phrase.
    """

    def __init__(
        self,
        voices: list[Voice],
        words: str,
        rate_hz: int,
        executor: Executor,
        on_end: Callable[[PhraseJob, bool], None],
        speed: float = 1.0,
    ) -> None:
        self._voices = voices
        self._words = words
        self._speed = speed
        self._rate_hz = rate_hz
        self._loop = asyncio.get_running_loop()
        self._listeners: set[asyncio.Queue[Pcm | None]] = set()
        self._blocks: list[Pcm] = []
        self._error: EngineFailed | None = None
        self.voice_name = ""
        """The voice that spoke it."""
        self.first_s = 0.0
        """How long the voice took for its first sound; 0 before that."""
        self._on_end = on_end
        self._ended = False
        self._abandoned = False
        executor.submit(log.in_call(self._make))

    @property
    def audio(self) -> Pcm:
        """All that was made so far."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int16)

    @property
    def abandoned(self) -> bool:
        """The last listener went away: the worker stops, and nobody may listen any more."""
        return self._abandoned

    def abandon(self) -> None:
        """Make the worker stop; whoever still listens gets what there is."""
        self._abandoned = True

    async def listen(self) -> AsyncGenerator[Pcm, None]:
        """The blocks from the first one on. Raises EngineFailed."""
        mine: asyncio.Queue[Pcm | None] = asyncio.Queue()
        for block in self._blocks:
            mine.put_nowait(block)
        if self._ended:
            mine.put_nowait(None)
        self._listeners.add(mine)
        try:
            while (block_or_end := await mine.get()) is not None:
                yield block_or_end
            if self._error is not None:
                raise self._error
        finally:
            self._listeners.discard(mine)
            self._abandoned = self._abandoned or not (self._listeners or self._ended)

    # ── in the worker thread ─────────────────────────────────────────────────────────────────────────────────────

    def _make(self) -> None:
        """Speak with the first voice that can; whatever happens, the listeners are told."""
        error: EngineFailed | None = EngineFailed("synthesis was stopped")
        try:
            error = self._speak()
        finally:
            self._post(self._end, error)

    def _speak(self) -> EngineFailed | None:
        begun = False

        def emit(block: Pcm) -> bool:
            nonlocal begun
            if len(block) and not self._abandoned:
                self.first_s = self.first_s or monotonic() - began_s
                begun = True
                self._post(self._block, block)
            return not self._abandoned

        error: EngineFailed | None = EngineFailed("synthesis was stopped")
        began_s = monotonic()
        for voice in self._voices:
            if self._abandoned:
                break
            self.voice_name = voice.engine.name
            stretcher = None if self._speed == 1.0 else TimeStretcher(self._rate_hz, self._speed)
            slowly = emit if stretcher is None else _through(stretcher, emit)
            try:
                voice.speak(self._words, self._rate_hz, slowly)
                if stretcher is not None:
                    emit(stretcher.push(np.zeros(0, np.int16), last=True))
                return None
            except EngineFailed as failure:
                error = failure
                _log.error("synthesis failed", extra={"voice": voice.engine.name, "error": str(failure)})
                if begun:
                    break
        return error

    def _post(self, method: Callable[[_T], None], argument: _T) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed under us: nobody listens any more
            self._loop.call_soon_threadsafe(method, argument)

    # ── on the event loop ────────────────────────────────────────────────────────────────────────────────────────

    def _block(self, block: Pcm) -> None:
        self._blocks.append(block)
        for listener in self._listeners:
            listener.put_nowait(block)

    def _end(self, error: EngineFailed | None) -> None:
        self._error = error
        self._ended = True
        self._on_end(self, error is None and not self._abandoned)
        for listener in self._listeners:
            listener.put_nowait(None)


def _through(stretcher: TimeStretcher, emit: Emit) -> Emit:
    return lambda block: emit(stretcher.push(block))
