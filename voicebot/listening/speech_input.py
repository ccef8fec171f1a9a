"""Speech input of one process: models loaded once, one `Listener` a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voicebot import config
from voicebot.asr import recognisers
from voicebot.asr.failover import Failover
from voicebot.asr.recogniser import NOTHING, Recogniser, Transcript
from voicebot.asr.recognition_pool import RecognitionJob, RecognitionPool
from voicebot.errors import EngineFailed, ModelMissing, VoicebotError
from voicebot.listening import audio, smart_turn
from voicebot.listening.events import ListeningEvent
from voicebot.listening.listener import Listener, heard
from voicebot.listening.smart_turn import RecogniserWithSmartTurn, SmartTurn
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import BatchedVad, Silero, find_model
from voicebot.messages import Expect, Heard

NO_MODEL = config.TurnSettings()
"""Words and punctuation alone tell when a turn is over."""
_TICK_S = 0.1


class SpeechInput:
    """Voice activity detection, turn-taking and recognition for all calls of a process.

    Args:
        engine: recognises utterances; shared by all threads.
        silero: voice activity weights.
        settings: threads and queue.
        timing: turn-taking; the defaults unless a test or benchmark wants others.
        usable: whether the engine can be asked just now.
    """

    def __init__(
        self,
        engine: Recogniser,
        silero: Silero,
        settings: config.AsrSettings,
        timing: TurnTiming | None = None,
        usable: Callable[[], bool] = lambda: True,
    ) -> None:
        self._usable = usable
        self._vad = BatchedVad(silero)
        self._engine = engine
        self._pool = RecognitionPool(engine, settings.threads, settings.queue)
        self._timing = timing
        self._listeners: set[Listener] = set()
        self._tick: asyncio.TimerHandle | None = None

    @classmethod
    def load(cls, settings: config.AsrSettings, turns: config.TurnSettings = NO_MODEL) -> SpeechInput:
        """Load the engines that are named, Silero, and the end-of-turn model; blocks for about a second.

        Raises:
            ModelMissing: weights are not there.
            EngineFailed: a Pipecat service cannot be made.
        """
        failover = Failover(recognisers.load_all(settings), settings.limit_s)
        engine: Recogniser = failover
        if turns.end_of_turn_model == "smart-turn":
            engine = RecogniserWithSmartTurn(engine, SmartTurn(smart_turn.find_model()))
        return cls(engine, Silero(find_model()), settings, usable=lambda: failover.usable)

    @property
    def engine_name(self) -> str:
        """What hears, for people: ``moonshine``, or a list in the order in which engines are tried."""
        return self._engine.name

    @property
    def fault(self) -> str:
        """Why callers are not heard just now; empty when they are."""
        if self._vad.deaf:
            return "deaf: voice activity detection fails"
        return "" if self._usable() else f"deaf: {self.engine_name} rests after faults"

    def start(self) -> None:
        """Start the worker threads. Call on the event loop that gets the events."""
        self._vad.start()
        self._pool.start()
        self._on_tick()

    def stop(self) -> None:
        """Stop the worker threads; recognitions under way are thrown away."""
        if self._tick is not None:
            self._tick.cancel()
        for listener in list(self._listeners):
            listener.close()
        self._pool.stop()
        self._vad.stop()
        self._engine.close()

    def listen(self, rate_hz: int, on_event: Callable[[ListeningEvent], None]) -> Listener:
        """A listener for one call whose audio comes at `rate_hz` (8000 or 16000)."""
        listener = Listener(self._vad, self._pool, rate_hz, on_event, self._timing, self._listeners.discard)
        self._listeners.add(listener)
        return listener

    async def recognise(self, audio_in: NDArray[np.float32], rate_hz: int, expect: Expect) -> Heard:
        """Recognise a whole utterance, mono in -1..1.

        Raises:
            EngineFailed: the engine broke, or its queue is full.
        """
        done: asyncio.Future[RecognitionJob] = asyncio.get_running_loop().create_future()
        job = RecognitionJob(lambda: audio.resample(audio_in, rate_hz), expect, done.set_result)
        if not self._pool.submit(job):
            raise EngineFailed("too many recognitions wait", "raise asr.queue or asr.threads")
        try:
            await done
        except asyncio.CancelledError:
            job.cancel()
            raise
        if isinstance(job.outcome, EngineFailed):
            raise job.outcome
        said = job.outcome if isinstance(job.outcome, Transcript) else NOTHING
        return heard(said, audio_in.size / rate_hz, {"queue": job.queue_ms, **said.timings_ms})

    def _on_tick(self) -> None:
        now = time.monotonic()
        for listener in list(self._listeners):
            listener.starve(now)
        self._tick = asyncio.get_running_loop().call_later(_TICK_S, self._on_tick)


def faults(asr: config.AsrSettings, turns: config.TurnSettings) -> list[VoicebotError]:
    """What the engines and the end-of-turn model that are named lack, found without loading them."""
    found = recognisers.faults(asr)
    try:
        if turns.end_of_turn_model == "smart-turn":
            smart_turn.find_model()
    except ModelMissing as error:
        found.append(error)
    return found
