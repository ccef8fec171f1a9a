"""``voicebot bench edge soak``: minutes of calls that come and go at four fifths of the limit, and what grows."""

from __future__ import annotations

import time
from typing import Any

from voicebot.bench.edge.callers import LoadPlan, LoadProgress
from voicebot.bench.edge.figures import percentiles, slope
from voicebot.bench.edge.run import callers, say, server
from voicebot.bench.edge.server import ServerSetup
from voicebot.bench.edge.setup import left, memory

NAMES = {"slope": "memory/mb_per_hour_of_real_calls", "setup_p95": "setup_ms/p95"}
BARS = "slope=1"
SHARE = 0.8
TALK_S = (3.0, 9.0)
REAL_CALL_S = 180.0
"""How long a call lasts where people call; what short ones leave behind is put on that clock."""
_WARM_UP = 0.4
_LONGEST_S = 40.0


def measure(
    minutes: float = 5, limit: int = 50, settle_s: float = _LONGEST_S, first_port: int = 30000
) -> dict[str, Any]:
    """One run. Raises VoicebotError when a process dies."""
    at_once = max(1, round(SHARE * limit))
    mean_s = sum(TALK_S) / 2
    per_s = 1.3 * at_once / mean_s
    samples: list[tuple[float, float, float]] = []
    with server(ServerSetup(limit, 4 * per_s, first_port)) as one:
        before = one.figures()
        with callers(LoadPlan(one.target, 0, per_s, at_once, TALK_S)) as calling:
            say(f"{at_once} calls at a time for {minutes:g} minutes, {mean_s:g} s each")
            began_s = time.monotonic()

            def sample(progress: LoadProgress) -> None:
                now_s = time.monotonic() - began_s
                if now_s >= len(samples) * max(1.0, 60 * minutes / 120):
                    samples.append((now_s, progress.over, one.memory_mb()))

            calling.watch(lambda _: False, 60 * minutes, sample)
            took_s, busy = time.monotonic() - began_s, one.figures()
            seen = calling.stop()
        say(f"waiting up to {settle_s:g} s for what is still held")
        after = one.settle(before, settle_s)
    warm = [one for one in samples if one[0] >= _WARM_UP * took_s]
    per_call = slope([(over, mb) for _, over, mb in warm])
    calls_per_hour = at_once * 3600 / REAL_CALL_S
    found: dict[str, Any] = {
        "limit": limit,
        "calls": seen.placed,
        "answered": seen.answered,
        "confirmed": seen.confirmed,
        "turned_away": seen.turned_away,
        "minutes": round(took_s / 60, 2),
        "setup_ms": percentiles(seen.setup_ms, 50, 95, 99),
        "failures": dict(seen.failures),
        "ended_by_server": seen.ended_by_server,
        "cpu_cores": round((busy.cpu_s - before.cpu_s) / took_s, 3),
        "memory": {
            **memory(before, warm[0][2] if warm else 0.0, after),
            "kb_per_call": round(1000 * per_call[0], 3),
            "mb_per_hour_of_real_calls": round(per_call[0] * calls_per_hour, 3),
            "mb_per_hour_error": round(per_call[1] * calls_per_hour, 3),
        },
        "left": left(before, after),
    }
    found["wrong"] = wrong(found, seen.silent_calls)
    return found


def wrong(found: dict[str, Any], silent_calls: int) -> list[str]:
    """What is wrong whatever the bars."""
    words = []
    if found["failures"] or found["ended_by_server"]:
        words.append(f"failures {found['failures']}, {found['ended_by_server']} calls ended by the server")
    if silent_calls:
        words.append(f"{silent_calls} calls heard nothing")
    if any(found["left"].values()):
        words.append(f"left behind: {found['left']}")
    return words
