"""A picture of a run: how many turns were answered within how many milliseconds."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from voicebot.bench.call_plan import KINDS, CallReport
from voicebot.bench.latency_figures import LatencyBudget


def draw(reports: list[CallReport], budget: LatencyBudget | None, path: Path) -> None:
    """Write the cumulative distribution by kind of turn as PNG. Raises OSError."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    slowest = 0.0
    for kind in KINDS:
        values = sorted(
            t.voice_to_voice_ms for r in reports for t in r.turns if t.kind == kind and t.voice_to_voice_ms is not None
        )
        if values:
            slowest = max(slowest, values[-1])
            shares = [100 * (i + 1) / len(values) for i in range(len(values))]
            axes.step([0, *values], [0, *shares], where="post", label=f"{kind} ({len(values)})")
    for percentile, limit in (budget.limits if budget else {}).items():
        axes.plot(limit, percentile, "k|", markersize=14)
        axes.annotate(f"p{percentile} ≤ {limit:.0f} ms", (limit, percentile), (6, -4), textcoords="offset points")
    axes.set(xlabel="voice-to-voice (ms)", ylabel="turns answered (%)", xlim=(0, max(slowest * 1.05, 1)), ylim=(0, 101))
    axes.set_title(f"{len(reports)} calls")
    axes.grid(alpha=0.3)
    if slowest:
        axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
