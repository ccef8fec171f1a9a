"""``voicebot bench edge setup``: new calls at a steady rate, how long each waits for its 200, and what they leave."""

from __future__ import annotations

import time
from typing import Any

from voicebot.bench.edge.callers import LoadPlan, LoadProgress
from voicebot.bench.edge.figures import percentiles, slope
from voicebot.bench.edge.run import REMEMBERED_S, callers, say, server
from voicebot.bench.edge.server import ProcessFigures, ServerSetup

NAMES = {
    "setup_p50": "setup_ms/p50",
    "setup_p95": "setup_ms/p95",
    "setup_p99": "setup_ms/p99",
    "cpu": "cpu_ms_per_call",
    "growth": "memory/kb_per_call",
    "blocks": "memory/blocks_left",
    "turned_away": "turned_away",
}
BARS = "setup_p95=30,turned_away=0,blocks=20000"
_WARM_UP = 0.4
"""This share of the calls fills pools, caches and the trace ring; memory counts after it. It has to take longer than
`REMEMBERED_S`: before, more is remembered with each call."""
_SAMPLES = 60
_RATE_MARGIN = 4.0


def measure(
    calls: int = 400,
    per_s: float = 20,
    talk_s: float = 1.0,
    settle_s: float = REMEMBERED_S + 6,
    first_port: int = 30000,
) -> dict[str, Any]:
    """One run. Raises VoicebotError when a process dies."""
    at_once = round(per_s * (talk_s + 10)) + 20
    samples: list[tuple[float, float]] = []
    with server(ServerSetup(at_once, _RATE_MARGIN * per_s, first_port)) as one:
        before = one.figures()
        plan = LoadPlan(one.target, calls, per_s, talk_s=(talk_s, talk_s))
        with callers(plan) as calling:
            say(f"{calls} calls at {per_s:g} per second")

            def sample(progress: LoadProgress) -> None:
                done = progress.over + progress.failed
                if done >= len(samples) * calls / _SAMPLES:
                    samples.append((done, one.memory_mb()))

            began_s = time.monotonic()
            calling.watch(lambda p: p.over + p.failed >= calls, 60 + 2 * calls / per_s, sample)
            took_s, busy = time.monotonic() - began_s, one.figures()
            seen = calling.stop()
        say(f"all calls are over; waiting up to {settle_s:g} s for what is still held")
        after = one.settle(before, settle_s)
    grown = slope([(done, mb * 1000) for done, mb in samples if done >= _WARM_UP * calls])
    found: dict[str, Any] = {
        "calls": calls,
        "answered": seen.answered,
        "confirmed": seen.confirmed,
        "turned_away": seen.turned_away,
        "per_s": round(seen.placed / max(took_s, 1e-9), 1),
        "setup_ms": percentiles(seen.setup_ms, 50, 95, 99),
        "resent": seen.resent,
        "failures": dict(seen.failures),
        "cpu_ms_per_call": round(1000 * (busy.cpu_s - before.cpu_s) / max(seen.placed, 1), 2),
        "loop_cpu_ms_per_call": round(1000 * (busy.loop_cpu_s - before.loop_cpu_s) / max(seen.placed, 1), 2),
        "memory": {
            **memory(before, next((mb for done, mb in samples if done >= _WARM_UP * calls), 0.0), after),
            "kb_per_call": round(grown[0], 3),
            "kb_per_call_error": round(grown[1], 3),
        },
        "left": left(before, after),
    }
    found["wrong"] = wrong(found)
    return found


def left(before: ProcessFigures, after: ProcessFigures) -> dict[str, int]:
    """What is held now and was not when all began."""
    return {
        "sockets": after.sockets - before.sockets,
        "tasks": after.tasks - before.tasks,
        "calls": after.calls - before.calls,
    }


def memory(before: ProcessFigures, warm_mb: float, after: ProcessFigures) -> dict[str, float]:
    """Resident memory, and objects that are there now and were not when all began."""
    return {
        "began_mb": round(before.memory_mb, 1),
        "warm_mb": round(warm_mb, 1),
        "ended_mb": round(after.memory_mb, 1),
        "blocks_left": after.blocks - before.blocks,
    }


def wrong(found: dict[str, Any]) -> list[str]:
    """What is wrong whatever the bars."""
    words = []
    if found["confirmed"] < found["calls"] or found["failures"]:
        words.append(f"{found['confirmed']} of {found['calls']} calls ended well: {found['failures']}")
    if any(found["left"].values()):
        words.append(f"left behind: {found['left']}")
    return words
