"""From calls to figures: percentiles by kind of turn, what went wrong, and whether a budget was met."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicebot.bench.call_plan import KINDS, CallReport

PERCENTILES = (50, 90, 95, 99)
MAX_CUT_OFF_SHARE = 0.05
"""A server that talks over more of its callers than this misses any budget: its other turns are fast by luck."""


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """Limits in milliseconds, by percentile."""

    limits: dict[int, float]

    @classmethod
    def parse(cls, text: str) -> LatencyBudget:
        """``p50=400,p95=700``. Raises ValueError."""
        limits = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            if not name.startswith("p") or int(name[1:]) not in PERCENTILES:
                raise ValueError(f"{name!r} is none of " + ", ".join(f"p{p}" for p in PERCENTILES))
            limits[int(name[1:])] = float(value)
        return cls(limits)


def spread(values: list[float]) -> dict[str, float | int]:
    """Number, percentiles (linear interpolation) and maximum, in the unit of `values`; only the number when empty."""
    if not values:
        return {"n": 0}
    found: dict[str, float | int] = {"n": len(values)}
    found.update((f"p{p}", round(float(np.percentile(values, p)), 1)) for p in PERCENTILES)
    found["max"] = round(max(values), 1)
    return found


def figures(reports: list[CallReport], budget: LatencyBudget | None, cpu_s: float | None) -> dict[str, Any]:
    """Everything about a run as JSON data; nothing is left out of the percentiles but what has no latency.

    Args:
        cpu_s: processor seconds of the server while the calls ran; None when it is not ours.
    """
    turns = [turn for report in reports for turn in report.turns]
    by_kind = {kind: [t.voice_to_voice_ms for t in turns if t.kind == kind] for kind in KINDS}
    latencies = {kind: [v for v in values if v is not None] for kind, values in by_kind.items()}
    everything = spread([v for values in latencies.values() for v in values])
    status = Counter(turn.status for turn in turns)
    talked_s = sum(report.seconds for report in reports)
    found: dict[str, Any] = {
        "calls": len(reports),
        "failed_calls": [report.failure for report in reports if report.failure],
        "scripts": dict(Counter(report.script for report in reports)),
        "finished_calls": sum(report.ended_by == "remote" or report.ended_by == "caller" for report in reports),
        "turns": len(turns),
        "answered": status["answered"],
        "unanswered": status["unanswered"],
        "cut_off": status["cut-off"],
        "call_over": status["call-over"],
        "voice_to_voice_ms": everything,
        "by_kind": {kind: spread(values) for kind, values in latencies.items() if by_kind[kind]},
        "greeting_ms": spread([r.greeting_ms for r in reports if r.greeting_ms is not None]),
        "no_greeting": sum(r.greeting_ms is None and not r.failure for r in reports),
        "call_seconds": round(talked_s, 1),
        "server_cpu_ms_per_call_second": None if cpu_s is None else round(1000 * cpu_s / max(talked_s, 1e-9), 2),
    }
    found["missed"] = missed(found, budget)
    found["ok"] = not found["missed"]
    return found


def missed(found: dict[str, Any], budget: LatencyBudget | None) -> list[str]:
    """What keeps a run from being good, in words."""
    words = []
    if not found["turns"]:
        words.append("no turn was measured")
    for key, text in (
        ("failed_calls", "calls failed"),
        ("unanswered", "turns were not answered"),
        ("call_over", "calls were ended by the server in the middle of a turn"),
        ("no_greeting", "calls had no greeting"),
    ):
        count = len(found[key]) if isinstance(found[key], list) else found[key]
        if count:
            words.append(f"{count} {text}")
    if found["cut_off"] > MAX_CUT_OFF_SHARE * found["turns"]:
        words.append(f"{found['cut_off']} callers were talked over")
    for percentile, limit in (budget.limits if budget else {}).items():
        value = found["voice_to_voice_ms"].get(f"p{percentile}")
        if value is None or value > limit:
            words.append(f"p{percentile} is {value} ms, more than {limit:.0f}")
    return words


def as_text(found: dict[str, Any]) -> str:
    """A table for people."""
    columns = ("n", *(f"p{p}" for p in PERCENTILES), "max")
    rows = [("voice-to-voice", "turns", *columns[1:])]
    for name, values in [*found["by_kind"].items(), ("all", found["voice_to_voice_ms"])]:
        rows.append((name, *(f"{values[c]:.0f}" if c in values else "-" for c in columns)))
    greeting = found["greeting_ms"]
    rows.append(("greeting", *(f"{greeting[c]:.0f}" if c in greeting else "-" for c in columns)))
    lines = [f"{row[0]:16}" + "".join(f"{cell:>8}" for cell in row[1:]) for row in rows]
    cpu = found["server_cpu_ms_per_call_second"]
    lines += [
        f"{found['calls']} calls, {found['turns']} turns: {found['answered']} answered,"
        f" {found['unanswered']} unanswered, {found['cut_off']} talked over, {found['call_over']} ended by the server",
        f"server: {cpu} ms of CPU per call-second" if cpu is not None else "server: not ours, CPU unknown",
    ]
    lines += [f"failed: {reason}" for reason in found["failed_calls"]]
    lines.append("met" if found["ok"] else "MISSED: " + "; ".join(found["missed"]))
    return "\n".join(lines)
