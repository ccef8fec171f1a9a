"""A leg, a synthesizer and timers on which time is stepped by hand, for the tests of the player."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncGenerator, Callable

import numpy as np

from telephony.leg import AudioHandler, DtmfHandler, Leg, Pcm
from telephony.media.stats import MediaStats
from telephony.sip_trace import TraceEntry
from voicebot.errors import EngineFailed
from voicebot.tts.player import Player
from voicebot.tts.synthesizer import PromptChunk

RATE_HZ = 8000


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """Virtual time: a leg that sends 20 ms every 20 ms, and timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.leg = FakeLeg()
        self._timers: list[tuple[float, int, Callable[[], None], Handle]] = []
        self._numbers = itertools.count()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        assert seconds > 0
        handle = Handle()
        heapq.heappush(self._timers, (self.now + seconds, next(self._numbers), callback, handle))
        return handle

    async def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            await settle()
            self.now += 0.02
            self.leg.send_packet()
            while self._timers and self._timers[0][0] <= self.now + 1e-9:
                _, _, callback, handle = heapq.heappop(self._timers)
                if not handle.cancelled:
                    callback()
        await settle()

    @property
    def pending_timers(self) -> int:
        return sum(not handle.cancelled for *_, handle in self._timers)


async def settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


class FakeLeg:
    """A leg whose network is `send_packet`."""

    def __init__(self) -> None:
        self.id = "fake"
        self.peer = "fake"
        self.rate_hz = RATE_HZ
        self.on_audio: AudioHandler | None = None
        self.on_dtmf: DtmfHandler | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.played_samples = 0
        self.queue: Pcm = np.zeros(0, np.int16)
        self.line: list[Pcm] = []
        self.most_queued = 0

    @property
    def queued_samples(self) -> int:
        return len(self.queue)

    def play(self, pcm: Pcm) -> None:
        assert pcm.dtype == np.int16
        assert len(pcm)
        assert not self.closed.done()
        self.queue = np.concatenate([self.queue, pcm])
        self.most_queued = max(self.most_queued, len(self.queue))

    def flush(self) -> int:
        dropped = len(self.queue)
        self.queue = self.queue[:0]
        return dropped

    def send_packet(self) -> None:
        packet, self.queue = self.queue[:160], self.queue[160:]
        self.played_samples += len(packet)
        self.line.append(np.pad(packet, (0, 160 - len(packet))))

    def send_dtmf(self, keys: str) -> None:
        raise NotImplementedError

    def silence_excused(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    async def hang_up(self, reason: str = "local") -> None:
        self.closed.set_result(reason)

    async def connect_to(self, other: Leg) -> bool:
        return False

    def stats(self) -> MediaStats:
        return MediaStats()

    def captured(self) -> list[TraceEntry] | None:
        return None

    @property
    def heard(self) -> Pcm:
        return np.concatenate(self.line) if self.line else np.zeros(0, np.int16)


class FakeSynthesizer:
    """Gives the pieces put into it: `wait_after` so many at once, the others when `more` is set."""

    def __init__(self, pieces: list[PromptChunk], fail: bool = False, wait_after: int = 1000) -> None:
        self._pieces = pieces
        self._fail = fail
        self._wait_after = wait_after
        self.more = asyncio.Event()
        self.closed = False
        self.asked: list[tuple[str, int, str, bool]] = []

    async def pieces(
        self, text: str, rate_hz: int, name: str = "", secret: bool = False
    ) -> AsyncGenerator[PromptChunk, None]:
        self.asked.append((text, rate_hz, name, secret))
        try:
            for number, piece in enumerate(self._pieces):
                if number >= self._wait_after:
                    await self.more.wait()
                yield piece
            if self._fail:
                raise EngineFailed("the voice is gone")
        finally:
            self.closed = True


def ramp(seconds: float, start: int = 1) -> Pcm:
    """Samples that tell where they come from: 1, 2, 3 …"""
    return np.arange(start, start + round(seconds * RATE_HZ), dtype=np.int64).astype(np.int16)


def words(*texts: str, seconds: float = 1.0) -> list[PromptChunk]:
    return [PromptChunk(ramp(seconds, 1 + round(i * seconds * RATE_HZ)), text) for i, text in enumerate(texts)]


def player_of(world: World, synthesizer: FakeSynthesizer) -> Player:
    return Player(world.leg, synthesizer, call_later=world.call_later, clock=lambda: world.now)
