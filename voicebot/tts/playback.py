"""Feeds one source to a leg: never far ahead, so that it can be silenced at once and what was heard is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from telephony.leg import Leg, Pcm
from voicebot.tts.audio_source import AudioSource, PromptBuffer

AHEAD_S = 0.3
"""Audio given to the leg in advance: more than any stall of the event loop that we accept (0.1 s)."""
REFILL_S = 0.15
"""The leg is fed again when its queue is down to this."""
SHORTEST_WAIT_S = 0.01
FADE_MS = 8
"""In which a prompt that is stopped dies away: cut off in the middle of a wave it clicks; longer would be later."""
STEP_BACK_S = 0.8
"""Most that is said again after a pause. Nothing is said a third time, or a noisy line would hear no end of it."""


class TimerHandle(Protocol):
    """What `asyncio.TimerHandle` has."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], TimerHandle]
"""``loop.call_later``, or a virtual clock in tests."""


class Playback:
    """One prompt or piece of music on its way into `leg`.

    The position is counted by what was given to the leg less what it still holds, so nothing else may play on it.
    """

    def __init__(
        self,
        leg: Leg,
        source: AudioSource,
        call_later: CallLater,
        on_first: Callable[[], None],
        on_play: Callable[[Pcm], None],
        on_flush: Callable[[int], None],
    ) -> None:
        self._leg = leg
        self._on_play = on_play
        self._on_flush = on_flush
        self._source = source
        self._call_later = call_later
        self._on_first = on_first
        self._given = 0
        self._resumed_at = 0
        self._stopped = False
        self._paused = False
        self._changed = asyncio.Event()

    @property
    def stopped(self) -> bool:
        """It was ended before its end."""
        return self._stopped

    @property
    def position(self) -> int:
        """Samples of the source that left for the network; after a resume it goes back with the audio."""
        return max(0, self._given - (0 if self._stopped or self._paused else self._leg.queued_samples))

    @property
    def complete(self) -> bool:
        """Played to its end."""
        return (
            not self._stopped
            and self._source.ended
            and self._given == self._source.available
            and self.position == self._given
        )

    def wake(self) -> None:
        """There is more audio, or something else to look at."""
        self._changed.set()

    def pause(self) -> None:
        """Silence, after a fade of `FADE_MS` that counts as not heard."""
        if not self._paused and not self._stopped:
            unsent = self._leg.flush()
            self._on_flush(unsent)
            self._given = max(0, self._given - unsent)
            self._paused = True
            if unsent and not self._leg.closed.done():
                self._fade()

    def resume(self) -> None:
        """Go on, from a gap between words a little before."""
        if self._paused and not self._stopped:
            new_s = (self._given - self._resumed_at) / self._leg.rate_hz
            if isinstance(self._source, PromptBuffer) and (new_s >= STEP_BACK_S or self._resumed_at == 0):
                self._given = self._source.quiet_spot(self._given, self._leg.rate_hz, STEP_BACK_S)
            self._resumed_at = max(1, self._given)
            self._paused = False
            self.wake()

    def stop(self) -> None:
        """As `pause`, for good."""
        if not self._stopped and not self.complete:
            self.pause()
            self._stopped = True
            self.wake()

    async def run(self) -> None:
        """Play until the end of the source, `stop`, or the end of the leg. Cancelling it silences the leg."""
        self._leg.closed.add_done_callback(self._leg_closed)
        try:
            while not self._stopped and not self._leg.closed.done() and not self.complete:
                self._changed.clear()
                await self._wait(self._feed())
        finally:
            self._leg.closed.remove_done_callback(self._leg_closed)
            if not self.complete:
                self.stop()

    def _fade(self) -> None:
        rest = self._source.read(self._given, self._leg.rate_hz * FADE_MS // 1000)
        ramp = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, len(rest)))
        faded = (rest * ramp).astype(np.int16)
        self._leg.play(faded)
        self._on_play(faded)

    def _leg_closed(self, _: object) -> None:
        self.wake()

    def _feed(self) -> float | None:
        """Give the leg what it needs. Returns the seconds until it needs more; None to wait for `wake` only."""
        if self._paused:
            return None
        rate_hz = self._leg.rate_hz
        room = int(AHEAD_S * rate_hz) - self._leg.queued_samples
        block = self._source.read(self._given, max(0, room))
        if len(block):
            if self._given == 0:
                self._on_first()
            self._leg.play(block)
            self._on_play(block)
            self._given += len(block)
        queued_s = self._leg.queued_samples / rate_hz
        if self._given == self._source.available:
            return max(queued_s, SHORTEST_WAIT_S) if self._source.ended else None
        return max(queued_s - REFILL_S, SHORTEST_WAIT_S)

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await self._changed.wait()
            return
        timer = self._call_later(seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()
