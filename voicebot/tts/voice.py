"""A voice: an engine with its measured loudness, watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from telephony.leg import Pcm
from voicebot.engines.supervision import SupervisedEngine, SupervisedJob
from voicebot.errors import EngineFailed
from voicebot.tts.leveller import Leveller
from voicebot.tts.mastering import PhraseMastering, gain_for, to_float
from voicebot.tts.voice_engine import Emit, VoiceEngine

MEASURED = "Thank you for calling. How can I help you today?"


@dataclass(frozen=True, slots=True)
class Voice:
    """An engine and the gain that brings it to the level of the telephone."""

    engine: VoiceEngine
    gain: float
    watch: SupervisedEngine[VoiceEngine] | None = None
    """Runs the engine: gives it up when it is silent for too long, and rests it after faults."""
    version: str = ""
    """Of package and weights: another one may say the same words otherwise. Empty where nobody can know it (a service
    somewhere else): what such a voice speaks is not kept on disk."""

    @classmethod
    def measured(cls, engine: VoiceEngine, limit_s: float | None = None, version: str = "") -> Voice:
        """Let the engine speak one sentence to learn how loud it is; with `limit_s` it is watched from then on.

        Raises:
            EngineFailed: it cannot.
        """
        blocks: list[Pcm] = []

        def keep(block: Pcm) -> bool:
            blocks.append(block)
            return True

        low = 0.25  # so that the limiter does not work yet
        finisher = PhraseMastering(engine.rate_hz, 8000, low, engine.presence)
        engine.synthesize(MEASURED, lambda block: keep(finisher.push(block)))
        keep(finisher.push(np.zeros(0, np.int16), last=True))
        audio = np.concatenate(blocks)
        if not len(audio):
            raise EngineFailed(f"{engine.name} gives no sound")
        gain = low * gain_for(to_float(audio), 8000)
        return cls(engine, gain, None if limit_s is None else supervised(engine, limit_s), version)

    def speak(self, text: str, rate_hz: int, emit: Emit) -> None:
        """Give blocks at `rate_hz` (some empty), levelled and without silence at the ends. Raises EngineFailed."""
        if self.watch is None:
            self._speak(text, rate_hz, emit)
        else:
            self.watch.run(lambda job: self._speak(text, rate_hz, _until_expired(emit, job)))

    def close(self) -> None:
        """Let go of threads and connections; nothing is spoken after this."""
        if self.watch is not None:
            self.watch.close()
        self.engine.close()

    def _speak(self, text: str, rate_hz: int, emit: Emit) -> None:
        leveller = Leveller(rate_hz, self.engine.quick)
        finisher = PhraseMastering(self.engine.rate_hz, rate_hz, self.gain, self.engine.presence, leveller)
        self.engine.synthesize(text, lambda block: emit(finisher.push(block)))
        emit(finisher.push(np.zeros(0, np.int16), last=True))


def supervised(engine: VoiceEngine, limit_s: float, **rest: Any) -> SupervisedEngine[VoiceEngine]:
    """The engine with a time limit for each block, and rest after faults. `rest`: more for `SupervisedEngine`."""
    return SupervisedEngine("tts", engine.name, engine, _probe, limit_s, **rest)


def _probe(engine: VoiceEngine) -> None:
    heard: list[int] = []

    def first(block: Pcm) -> bool:
        heard.append(len(block))
        return not any(heard)

    engine.synthesize("Hello.", first)
    if not any(heard):
        raise EngineFailed(f"{engine.name} gives no sound")


def _until_expired(emit: Emit, job: SupervisedJob) -> Emit:
    def pass_on(block: Pcm) -> bool:
        job.beat()
        return not job.expired and emit(block)

    return pass_on
