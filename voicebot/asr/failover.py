"""Several recognition engines as one: the first that can hears the utterance, in the same turn of the same call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from voicebot.asr.recogniser import RATE_HZ, Audio, Cancelled, Recogniser, Transcript
from voicebot.engines.supervision import BUSY_LIMITS, EngineTimedOut, SupervisedEngine, SupervisedJob
from voicebot.errors import EngineFailed
from voicebot.journal import metrics
from voicebot.messages import Expect


class Failover:
    """A list of engines behind the protocol of one.

    Args:
        engines: in the order in which they are tried.
        limit_s: an engine that takes longer over one step has failed.
        rest: more arguments of `SupervisedEngine`.
    """

    def __init__(self, engines: Sequence[Recogniser], limit_s: float, **rest: Any) -> None:
        self._longest_s = BUSY_LIMITS * limit_s
        self.name = ", then ".join(engine.name for engine in engines)
        self._members = [SupervisedEngine("asr", engine.name, engine, _probe, limit_s, **rest) for engine in engines]

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        """See `Recogniser.recognise`. Raises EngineFailed only when no engine of the list could."""
        alone = len(self._members) == 1
        error: EngineFailed | None = None
        for place, member in enumerate(self._members * 2 if alone else self._members):
            if not member.usable or (alone and isinstance(error, EngineTimedOut)):
                continue
            try:
                said = member.run(partial(_recognise, member.engine, audio, expect, cancelled, self._longest_s))
            except EngineFailed as failure:
                error = failure
                continue
            if place and not alone:
                metrics.engine_stand_ins.labels("asr", member.name).inc()
            return said
        raise error or EngineFailed("no recognition engine can be used just now: all of them rest after faults")

    @property
    def usable(self) -> bool:
        """Whether an engine is left that does not rest after faults."""
        return any(member.usable for member in self._members)

    def close(self) -> None:
        """End the engines' threads, and the engines' own."""
        for member in self._members:
            member.close()
            member.engine.close()


def _recognise(
    engine: Recogniser, audio: Audio, expect: Expect, cancelled: Cancelled, longest_s: float, job: SupervisedJob
) -> Transcript | None:
    """An engine that asks whether it should stop is at work: its limit begins again, for `longest_s` in all."""
    until = time.monotonic() + longest_s

    def stop() -> bool:
        if time.monotonic() < until:
            job.beat()
        return cancelled() or job.expired

    return engine.recognise(audio, expect, stop)


def _probe(engine: Recogniser) -> None:
    """Half a second of noise: passes the gates, so that the model itself has to run."""
    noise = np.random.default_rng(1).standard_normal(RATE_HZ // 2).astype(np.float32) * np.float32(0.05)
    engine.recognise(noise, Expect(), lambda: False)
