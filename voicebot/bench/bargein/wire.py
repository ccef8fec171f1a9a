"""Barge-in over the wire: real SIP calls to a server of our own; the stop is read from packets.

From the packet with the caller's first voiced sample leaving to the last voiced packet of the prompt arriving, so the
network both ways, jitter buffer, listener, player and the leg's queue are all in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from telephony.media.codecs import RATE_HZ
from voicebot import config
from voicebot.bench.asr.cases import spread_over
from voicebot.bench.asr.line_conditions import Recording
from voicebot.bench.bargein.cases import CALLERS
from voicebot.bench.call_plan import CallerStep, FixedPlan
from voicebot.bench.caller_audio import load_wav, synthesised
from voicebot.bench.demo_server import demo_server
from voicebot.bench.measuring_caller import MeasuringCaller
from voicebot.bench.softphone import phone
from voicebot.bench.turns.ground_truth import voice_ends
from voicebot.bench.turns.intervals import delays, share
from voicebot.errors import VoicebotError
from voicebot.tts.synthesizer import Synthesizer

SPEAKING = tuple(task for task in CALLERS if task != "yesno")
"""A yes to a prompt that asks for none is a listener's, and the prompt goes on after it."""
TURNS = 2
"""Interruptions a call."""
ASKED = "What can I say?"
"""Said before each: the answer is a prompt of eight seconds that may be interrupted. Disclosures may not, nor what is
said before a look-up or a handover."""
AT_ONCE = 2
SLOWEST = 3
"""Recordings named, for those who ask why."""


async def run(folder: Path, recordings: Sequence[Recording], calls: int) -> dict[str, Any]:
    """Place `calls` calls, a few at once. Raises VoicebotError: no recordings to speak with, or no server."""
    said = spread_over([r for r in recordings if r.task in SPEAKING], max(1, calls * TURNS // len(SPEAKING) + 1))
    if not said:
        raise VoicebotError("there is no recording to interrupt with", "give a folder like ../shared/speech")
    synthesizer = Synthesizer.load(config.TtsSettings(voice="espeak"))
    synthesizer.start()
    try:
        question = CallerStep("free", ASKED, await synthesised(synthesizer, ASKED))
    finally:
        synthesizer.stop()
    waits: dict[str, list[float]] = {}
    slowest: list[tuple[float, str]] = []
    missed = 0
    failures: list[str] = []
    limit = asyncio.Semaphore(AT_ONCE)
    async with demo_server() as server, phone(server.uri) as agent:

        async def one(number: int) -> None:
            nonlocal missed
            chosen = [said[(number * TURNS + i) % len(said)] for i in range(TURNS)]
            async with limit:
                steps = [step for r in chosen for step in (question, _step(folder, r))]
                report = await MeasuringCaller(agent, server.uri).run("bargein", FixedPlan(steps))
            failures.extend([report.failure] if report.failure else [])
            for recording, turn in zip(chosen, report.turns[1::2], strict=False):
                if turn.stopped_ms is None:
                    missed += turn.status != "call-over"
                else:
                    waits.setdefault(recording.speaker, []).append(turn.stopped_ms)
                    slowest.append((turn.stopped_ms, recording.path))

        await asyncio.gather(*(one(number) for number in range(calls)))
    stopped = sum(len(of) for of in waits.values())
    return {
        "calls": calls,
        "failed_calls": failures,
        "stopped": stopped,
        "stop_ms": delays(waits),
        "missed": share(missed, stopped + missed),
        "slowest": sorted(slowest, reverse=True)[:SLOWEST],
    }


def _step(folder: Path, recording: Recording) -> CallerStep:
    pcm = load_wav(folder / recording.path)
    begin, end = voice_ends(pcm)
    return CallerStep("free", recording.transcript, pcm[int(begin * RATE_HZ) : int(end * RATE_HZ)], barge_in=True)


def as_text(found: dict[str, Any]) -> str:
    """For people."""
    stop = found["stop_ms"]
    if not stop["n"]:
        return f"{found['calls']} calls, no prompt was stopped " + "; ".join(sorted(set(found["failed_calls"])))
    ms = ", ".join(f"{p} {stop[p]:.0f}" for p in ("p50", "p90", "p95", "max"))
    return (
        f"{found['stopped']} prompts stopped in {found['calls']} calls, {found['missed']['count']} did not;"
        f" first voiced sample sent to last voiced sample received: {ms} ms (p95 {stop['p95_interval']})"
    )
