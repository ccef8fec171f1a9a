"""Barge-in over the wire: real SIP calls to a server of our own; the stop is read from packets.

From the packet with the caller's first voiced sample leaving to the last voiced packet of the prompt arriving, so the
network both ways, jitter buffer, ears, player and the leg's queue are all in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voicebot.bench.asr_cases import spread_over
from voicebot.bench.asr_line import Recording
from voicebot.bench.bargein_cases import CALLERS
from voicebot.bench.caller import Caller
from voicebot.bench.phone import phone
from voicebot.bench.server import demo_server
from voicebot.bench.sound import load_wav
from voicebot.bench.turns import Fixed, Step
from voicebot.bench.turns_stats import delays, share
from voicebot.bench.turns_truth import voice_ends
from voicebot.errors import VoicebotError

TURNS = 2
"""Interruptions a call. The caller says something after the greeting first: a disclosure cannot be interrupted."""
AT_ONCE = 2


async def run(folder: Path, recordings: Sequence[Recording], calls: int) -> dict[str, Any]:
    """Place `calls` calls, a few at once. Raises VoicebotError: no recordings to speak with, or no server."""
    said = spread_over([r for r in recordings if r.task in CALLERS], max(1, calls * TURNS // len(CALLERS) + 1))
    if not said:
        raise VoicebotError("there is no recording to interrupt with", "give a folder like ../shared/speech")
    waits: dict[str, list[float]] = {}
    missed = 0
    failures: list[str] = []
    limit = asyncio.Semaphore(AT_ONCE)
    async with demo_server() as server, phone(server.uri) as agent:

        async def one(number: int) -> None:
            nonlocal missed
            chosen = [said[(number * TURNS + i) % len(said)] for i in range(TURNS)]
            async with limit:
                steps = [_step(folder, chosen[-1], barge_in=False), *(_step(folder, r) for r in chosen)]
                report = await Caller(agent, server.uri).run("bargein", Fixed(steps))
            failures.extend([report.failure] if report.failure else [])
            for recording, turn in zip(chosen, report.turns[1:], strict=False):
                if turn.stopped_ms is None:
                    missed += turn.status != "call-over"
                else:
                    waits.setdefault(recording.speaker, []).append(turn.stopped_ms)

        await asyncio.gather(*(one(number) for number in range(calls)))
    stopped = sum(len(of) for of in waits.values())
    return {
        "calls": calls,
        "failed_calls": failures,
        "stopped": stopped,
        "stop_ms": delays(waits),
        "missed": share(missed, stopped + missed),
    }


def _step(folder: Path, recording: Recording, *, barge_in: bool = True) -> Step:
    pcm = load_wav(folder / recording.path)
    begin = int(voice_ends(pcm)[0] * 8000)
    return Step("free", recording.transcript, pcm[max(0, begin - 400) :], barge_in=barge_in)


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
