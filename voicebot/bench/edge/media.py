"""``voicebot bench edge media``: many calls with RTP both ways, and how even what the server sends is."""

from __future__ import annotations

import time
from typing import Any

from telephony.media.codecs import Codec
from voicebot.bench.edge.callers import LoadPlan
from voicebot.bench.edge.figures import gaps_ms, percentiles
from voicebot.bench.edge.run import callers, say, server
from voicebot.bench.edge.server import ServerSetup

NAMES = {
    "gap_p50": "gap_ms/p50",
    "gap_p99": "gap_ms/p99",
    "gap_max": "gap_ms/max",
    "engine_cpu": "cpu_ms_per_call_second/engine",
    "cpu": "cpu_ms_per_call_second/process",
}
BARS = "gap_p99=25,engine_cpu=1.5"
_SETTLE_S = 2.0
_PLACED_PER_S = 40.0


def measure(
    calls: int = 200,
    seconds: float = 20,
    hold_ms: float = 0,
    srtp: bool = False,
    codec: Codec = "PCMU",
    first_port: int = 30000,
) -> dict[str, Any]:
    """One run. Raises VoicebotError when a process dies."""
    setting = ServerSetup(calls + 10, 4 * _PLACED_PER_S, first_port, hold_ms)
    with server(setting) as one:
        plan = LoadPlan(one.target, calls, _PLACED_PER_S, codec=codec, srtp=srtp, stamps=True)
        with callers(plan) as calling:
            say(f"placing {calls} calls")
            calling.watch(lambda p: p.up + p.failed >= calls, 30 + 2 * calls / _PLACED_PER_S)
            time.sleep(_SETTLE_S)
            say(f"{calling.progress.up} calls are up; measuring for {seconds:g} s")
            before, began_ns, began_s = one.figures(), time.time_ns(), time.monotonic()
            calling.watch(lambda _: False, seconds)
            ended_ns, took_s = time.time_ns(), time.monotonic() - began_s
            after = one.figures()
            seen = calling.stop()
    gaps = gaps_ms(seen.stamps_ns.values(), began_ns, ended_ns)
    per_call_s = 1000 / max(seen.answered * took_s, 1e-9)
    found: dict[str, Any] = {
        "calls": calls,
        "answered": seen.answered,
        "turned_away": seen.turned_away,
        "seconds": round(took_s, 1),
        "codec": codec,
        "srtp": srtp,
        "loop_held_ms_per_s": hold_ms,
        "gap_ms": percentiles(gaps, 50, 90, 99, 99.9),
        "packets_out": len(gaps),
        "packets_out_expected": round(seen.answered * took_s * 50),
        "heard_share": round((after.heard_s - before.heard_s) / max(seen.answered * took_s, 1e-9), 3),
        "cpu_ms_per_call_second": {
            "engine": round((after.engine_cpu_s - before.engine_cpu_s) * per_call_s, 3),
            "loop": round((after.loop_cpu_s - before.loop_cpu_s) * per_call_s, 3),
            "process": round((after.cpu_s - before.cpu_s) * per_call_s, 3),
        },
        "ended_by_server": seen.ended_by_server,
        "failures": dict(seen.failures),
    }
    found["wrong"] = wrong(found, seen.silent_calls)
    return found


def wrong(found: dict[str, Any], silent_calls: int) -> list[str]:
    """What is wrong whatever the bars."""
    words = []
    if found["answered"] < found["calls"] or found["failures"]:
        words.append(f"{found['answered']} of {found['calls']} calls were answered: {found['failures']}")
    if found["ended_by_server"]:
        words.append(f"{found['ended_by_server']} calls were ended by the server")
    if silent_calls:
        words.append(f"{silent_calls} calls heard nothing")
    if found["heard_share"] < 0.5:
        words.append(f"the server heard {found['heard_share']:.0%} of what was said")
    return words
