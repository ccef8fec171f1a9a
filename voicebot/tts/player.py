"""Plays prompts on one leg, and stops them when the caller speaks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from telephony.leg import Leg, Pcm
from voicebot import messages
from voicebot.tts.audio_source import AudioLoop, PromptBuffer
from voicebot.tts.hold_music import hold_music
from voicebot.tts.playback import CallLater, Playback
from voicebot.tts.synthesizer import PromptChunk
from voicebot.tts.word_timeline import WordTimeline


@dataclass(frozen=True, slots=True)
class PlayedPrompt:
    """What became of a prompt."""

    complete: bool
    """It was played to the end."""
    heard: str
    """The written words that had been played."""
    first_audio_ms: float
    """From `say` to the first sample given to the leg; 0 when none was."""
    duration_s: float
    """Audio of the prompt that was played, in seconds; what was repeated after a pause counts once."""


class PromptSource(Protocol):
    """What a player needs of `Synthesizer`."""

    def pieces(
        self, text: str, rate_hz: int, name: str = "", secret: bool = False
    ) -> AsyncGenerator[PromptChunk, None]: ...


class Player:
    """Plays prompts on one call's leg. Use it on the event loop only; starting something stops what was playing.

    Args:
        leg: where to play; nobody else plays on it meanwhile.
        synthesizer: makes the audio.
        call_later: how to be woken in so many seconds; the event loop's by default.
        clock: seconds, for `PlayedPrompt.first_audio_ms`.
        on_play: gets every block that the leg is given: the reference against its own echo.
        on_flush: told how many samples, the last of those, never went out because the prompt was stopped.
    """

    def __init__(
        self,
        leg: Leg,
        synthesizer: PromptSource,
        call_later: CallLater | None = None,
        clock: Callable[[], float] = time.perf_counter,
        on_play: Callable[[Pcm], None] = lambda _: None,
        on_flush: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._on_play = on_play
        self._on_flush = on_flush
        self._leg = leg
        self._synthesizer = synthesizer
        self._call_later = call_later
        self._clock = clock
        self._now: Playback | None = None

    @property
    def playing(self) -> bool:
        """A prompt or music is under way, paused or not."""
        return self._now is not None

    async def say(self, say: messages.Say, on_first: Callable[[float], None] = lambda _: None) -> PlayedPrompt:
        """Speak; returns when it was played to the end, stopped, or the leg closed.

        Args:
            on_first: told `PlayedPrompt.first_audio_ms` as soon as the first sample is given to the leg.

        Raises:
            EngineFailed: nothing could speak it; what was spoken before has been played.
        """
        begun = self._clock()
        first_ms: list[float] = []

        def first() -> None:
            first_ms.append((self._clock() - begun) * 1000)
            on_first(first_ms[0])

        tape, script = PromptBuffer(), WordTimeline()
        playback = self._start(tape, first)
        recorder = asyncio.create_task(self._record(say, tape, script, playback))
        try:
            await playback.run()
        finally:
            self._finish(playback)
            await _end(recorder)
        if recorder.done() and not recorder.cancelled() and not playback.stopped:
            recorder.result()
        return PlayedPrompt(
            complete=playback.complete,
            heard=say.text if playback.complete else script.until(playback.position, tape),
            first_audio_ms=first_ms[0] if first_ms else 0.0,
            duration_s=playback.position / self._leg.rate_hz,
        )

    async def hold_music(self) -> None:
        """Play music until cancelled, stopped, or the leg closes."""
        loop = asyncio.get_running_loop()
        music = await loop.run_in_executor(None, hold_music, self._leg.rate_hz)
        playback = self._start(AudioLoop(music), lambda: None)
        try:
            await playback.run()
        finally:
            self._finish(playback)

    def pause(self) -> None:
        """Silence, after a short fade; the rest is kept for `resume`."""
        if self._now is not None:
            self._now.pause()

    def resume(self) -> None:
        """Go on from a quiet spot a little before where it was paused."""
        if self._now is not None:
            self._now.resume()

    def stop(self) -> None:
        """End what is playing now."""
        if self._now is not None:
            self._now.stop()

    def _start(self, source: PromptBuffer | AudioLoop, on_first: Callable[[], None]) -> Playback:
        self.stop()
        call_later = self._call_later or asyncio.get_running_loop().call_later
        self._now = Playback(self._leg, source, call_later, on_first, self._on_play, self._on_flush)
        return self._now

    def _finish(self, playback: Playback) -> None:
        if self._now is playback:
            self._now = None

    async def _record(self, say: messages.Say, tape: PromptBuffer, script: WordTimeline, playback: Playback) -> None:
        """Take the audio as it is made; it may run far ahead of what is played."""
        try:
            pieces = self._synthesizer.pieces(say.marked or say.text, self._leg.rate_hz, say.name, say.secret)
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    if piece.text:
                        script.add(piece.text, tape.available)
                    tape.append(piece.pcm)
                    playback.wake()
        finally:
            tape.end()
            playback.wake()


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is over; its error stays in it."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
