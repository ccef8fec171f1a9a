"""The listener of one call on a clock that counts samples: as fast as the processor allows, and the same in every run.

Everything is what a call uses (`Listener`, Silero, turn machine, recognition) but for three things: voice activity is
computed at once instead of in its thread, a recognition arrives when the processor time it took has gone by on the
clock of the samples, and audio comes in packets of 20 ms without a network's delay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.asr.recogniser import Recogniser
from voicebot.asr.recognition_pool import RecognitionJob, RecognitionPool
from voicebot.errors import EngineFailed
from voicebot.listening.events import ListeningEvent
from voicebot.listening.listener import Listener
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import BatchedVad, Silero, VadStream, find_model
from voicebot.messages import Expect

PACKET = RATE_HZ // 50
_STEPS = 10
"""Looks at the clock within a packet: recognitions arrive on steps of 2 ms."""


class InstantVad:
    """Silero without a thread: the probability of a window is there at once."""

    def __init__(self) -> None:
        self._silero = Silero(find_model())

    def open(self, on_probability: Callable[[float], None]) -> VadStream:
        """A place for one call."""
        return VadStream(on_probability)

    def close(self, stream: VadStream) -> None:
        """No more of it."""
        stream.closed = True

    def submit(self, stream: VadStream, window: Pcm) -> None:
        """Judge a window of 256 samples."""
        found, states = self._silero.run(stream.load(window)[None], stream.state[:, None])
        stream.settle(float(found[0]), states[:, 0])
        stream.on_probability(float(found[0]))


class VirtualPool:
    """One thread of recognition whose results arrive after the processor time that they took."""

    def __init__(self, engine: Recogniser) -> None:
        self._engine = engine
        self._due: list[tuple[float, RecognitionJob]] = []
        self._free_at = 0.0
        self.now = 0.0
        """Seconds of audio so far."""
        self.cpu_s = 0.0
        """Processor time of all recognitions."""
        self.jobs = 0

    def submit(self, job: RecognitionJob, urgent: bool = True) -> bool:
        """Recognise; a job that is cancelled before its time is never reported."""
        self._let_go()
        began = time.thread_time()
        try:
            job.outcome = self._engine.recognise(job.prepare(), job.expect, lambda: False)
        except EngineFailed as error:
            job.outcome = error
        took_s = time.thread_time() - began
        self.cpu_s += took_s
        self.jobs += 1
        self._free_at = max(self.now, self._free_at) + took_s
        self._due.append((self._free_at, job))
        return True

    def _let_go(self) -> None:
        """Engines leave off what nobody wants any more; the rest of it costs nothing."""
        for due, job in [due for due in self._due if due[1].cancelled]:
            self._due.remove((due, job))
            self.cpu_s -= max(0.0, due - self.now)
            self._free_at = min(self._free_at, self.now)

    def promote(self, job: RecognitionJob) -> None:
        """There is no queue to overtake."""

    def advance(self, now: float) -> None:
        """It is `now`: report what has become ready."""
        self.now = now
        for due in [due for due in self._due if due[0] <= now]:
            self._due.remove(due)
            if not due[1].cancelled:
                due[1].on_done(due[1])


class SimulatedCall:
    """One call. `events` are (seconds of audio, event).

    Args:
        vad: shared by all lines of a process.
        engine: recognises.
        expect: what the dialog waits for.
        timing: turn-taking; the product's own by default.
        on_event: told of each event as it happens, beside the list.
    """

    def __init__(
        self,
        vad: InstantVad,
        engine: Recogniser,
        expect: Expect,
        timing: TurnTiming | None = None,
        on_event: Callable[[ListeningEvent], None] = lambda _: None,
    ) -> None:
        self.pool = VirtualPool(engine)
        self.events: list[tuple[float, ListeningEvent]] = []
        self._on_event = on_event
        self._samples = 0
        self.listener = Listener(
            cast(BatchedVad, vad),
            cast(RecognitionPool, self.pool),
            RATE_HZ,
            self._keep,
            timing,
            clock=lambda: self.pool.now,
        )
        self.listener.expect(expect)

    @property
    def now_s(self) -> float:
        """Seconds of audio heard."""
        return self._samples / RATE_HZ

    def _keep(self, event: ListeningEvent) -> None:
        self.events.append((self.pool.now, event))
        self._on_event(event)

    def hear(self, packet: Pcm) -> None:
        """A packet arrives, when its last sample was spoken."""
        for step in range(1, _STEPS + 1):
            self.pool.advance((self._samples + len(packet) * step / _STEPS) / RATE_HZ)
        self._samples += len(packet)
        self.listener.feed(packet)

    def hear_all(self, pcm: Pcm) -> None:
        """Audio of any length, in packets; what is left of the last one is not heard."""
        for at in range(0, len(pcm) - PACKET + 1, PACKET):
            self.hear(pcm[at : at + PACKET])

    def hear_silence(self, seconds: float, hiss_rms: float, chance: np.random.Generator) -> None:
        """A quiet line."""
        self.hear_all(np.rint(chance.normal(0, hiss_rms, round(seconds * RATE_HZ))).astype(np.int16))
