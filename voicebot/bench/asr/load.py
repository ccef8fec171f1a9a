"""Recognition under load: utterances arrive by chance at the pool of threads that hears all calls of a process."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot import config
from voicebot.asr.failover import Failover
from voicebot.asr.recogniser import Recogniser, Transcript
from voicebot.asr.recognition_pool import QueueFull, RecognitionJob, RecognitionPool
from voicebot.bench.asr.cases import RecordingRecogniser, seed
from voicebot.bench.asr.line_conditions import LineConditions, Recording, load, received
from voicebot.bench.asr.tasks import tasks
from voicebot.errors import EngineFailed
from voicebot.listening.audio import for_engine
from voicebot.messages import Expect

P95_MS = 400.0
"""The project's bar, at 8 utterances a second on two cores."""
_DISTINCT = 200
"""At most so many different recordings: finding the turns in them takes time."""
_SEED = 1


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a call hands to recognition."""

    pcm: Pcm
    """At 8000 Hz."""
    expect: Expect


def utterances(
    recordings: Sequence[Recording], folder: Path, line: LineConditions, recogniser: RecordingRecogniser, count: int
) -> list[Utterance]:
    """`count` turns with what a dialog would expect there: the task is drawn first, then the recording.

    Args:
        recordings: the whole manifest.
    """
    known, chance = tasks(recordings), np.random.default_rng(_SEED)
    by_task = {name: [r for r in recordings if r.task == name] for name in known}
    names = list(by_task)
    spoken: dict[str, list[Pcm]] = {}
    found: list[Utterance] = []
    while len(found) < count:
        rows = by_task[names[chance.integers(len(names))]]
        recording = rows[chance.integers(len(rows))]
        if recording.path not in spoken:
            if len(spoken) >= _DISTINCT:
                continue
            pcm = received(load(folder / recording.path), line, seed(recording.path))
            spoken[recording.path] = [pcm[start:end] for start, end in recogniser.spans(pcm)]
        expect = known[recording.task].expect(recording)
        found += [Utterance(pcm, expect) for pcm in spoken[recording.path]]
    return found[:count]


def run_at_rate(
    engine: Recogniser, said: Sequence[Utterance], per_s: float, settings: config.AsrSettings
) -> dict[str, Any]:
    """Let them arrive at `per_s` a second on average (a Poisson process), and wait for all answers."""
    return asyncio.run(_run(engine, said, per_s, settings))


async def _run(
    engine: Recogniser, said: Sequence[Utterance], per_s: float, settings: config.AsrSettings
) -> dict[str, Any]:
    members = Failover([engine], settings.limit_s)
    pool = RecognitionPool(members, settings.threads, settings.queue)
    pool.start()
    try:
        for utterance in {u.expect: u for u in said}.values():  # grammars are compiled once in a server's life
            await _hear(pool, utterance, time.perf_counter())
        return await _measure(pool, said, per_s, settings)
    finally:
        pool.stop()
        members.close()


async def _measure(
    pool: RecognitionPool, said: Sequence[Utterance], per_s: float, settings: config.AsrSettings
) -> dict[str, Any]:
    due_s = np.cumsum(np.random.default_rng(_SEED).exponential(1 / per_s, len(said)))
    began, cpu_s = time.perf_counter(), time.process_time()
    waiting = []
    for utterance, at in zip(said, due_s, strict=True):
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        waiting.append(asyncio.ensure_future(_hear(pool, utterance, began + at)))
    done = await asyncio.gather(*waiting)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    heard = [(job, ms) for job, ms in done if isinstance(job.outcome, Transcript)]
    cores = len(os.sched_getaffinity(0))
    return {
        "per_s": per_s,
        "n": len(said),
        "seconds": round(wall_s, 1),
        "audio_s": round(float(np.mean([len(u.pcm) for u in said])) / RATE_HZ, 2),
        "threads": settings.threads,
        "cores": cores,
        "whole_ms": _spread([ms for _, ms in heard]),
        "queue_ms": _spread([job.queue_ms for job, _ in heard]),
        "refused": sum(isinstance(job.outcome, QueueFull) for job, _ in done),
        "failed": sum(isinstance(job.outcome, EngineFailed) for job, _ in done),
        "cpu_ms_each": round(cpu_s * 1000 / len(said), 1),
        "cpu_percent": round(100 * cpu_s / wall_s / cores, 1),
    }


async def _hear(pool: RecognitionPool, utterance: Utterance, due: float) -> tuple[RecognitionJob, float]:
    """The finished job, and milliseconds since it was due."""
    done: asyncio.Future[RecognitionJob] = asyncio.get_running_loop().create_future()
    job = RecognitionJob(lambda: for_engine(utterance.pcm), utterance.expect, done.set_result)
    if pool.submit(job):
        await done
    return job, (time.perf_counter() - due) * 1000


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Percentiles (linear interpolation) and the largest; None of nothing."""
    if not values:
        return None
    p50, p95, most = np.percentile(values, (50, 95, 100))
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(float(most), 1)}


def kept(load: dict[str, Any]) -> bool:
    """Whether everything was recognised, and 95 % of it within `P95_MS`."""
    return not load["refused"] and not load["failed"] and bool(load["whole_ms"]) and load["whole_ms"]["p95"] <= P95_MS


def as_text(load: dict[str, Any]) -> str:
    """For people."""
    rows = [
        f"{load['n']} utterances of {load['audio_s']} s, {load['per_s']:g} a second,"
        f" {load['threads']} threads on {load['cores']} cores"
    ]
    for name, what in (("whole_ms", "from arrival to answer"), ("queue_ms", "of it in the queue")):
        spread = load[name]
        rows.append(
            f"  {what:24}" + (f"p50 {spread['p50']}  p95 {spread['p95']}  max {spread['max']} ms" if spread else "")
        )
    rows.append(f"  {'processor':24}{load['cpu_ms_each']} ms each, {load['cpu_percent']} % of the cores")
    rows.append(f"  {'refused, failed':24}{load['refused']}, {load['failed']}")
    return "\n".join(rows)
