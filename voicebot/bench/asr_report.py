"""A run as a page: bars by task with their intervals, calibration, the figures, and every answer that was wrong."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from voicebot.bench.asr_cases import Case
from voicebot.bench.asr_score import THRESHOLD, Figures, table

_STYLE = "body{font:15px sans-serif;max-width:70em;margin:2em auto}td,th{padding:2px 10px;text-align:left}"


def write(out: Path, figures: Figures, cases: Sequence[Case]) -> None:
    """``report.html``, ``tasks.png`` and ``calibration.png``. Raises OSError."""
    mpl.use("Agg")
    pictures = []
    if cases:
        _bars(figures, out / "tasks.png")
        _curve(figures, out / "calibration.png")
        pictures = ["tasks.png", "calibration.png"]
    title = f"Recognition: {figures['engine']}"
    if figures["noise_db"] is not None:
        title += f", noise at {figures['noise_db']:g} dB"
    if figures["loss_percent"]:
        title += f", {figures['loss_percent']:g} % of packets lost"
    rows = [
        (c.task, c.speaker, c.path, c.truth, c.value or "-", f"{c.confidence:.2f}", c.text)
        for c in sorted(cases, key=lambda c: (c.task, -c.confidence))
        if not c.right
    ]
    (out / "report.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(title)}</h1><pre>{html.escape(table(figures))}</pre>"
        + "".join(f'<p><img src="{name}" alt="{name}">' for name in pictures)
        + f"<h2>{len(rows)} wrong of {len(cases)}</h2><table>"
        + _row("th", ("task", "speaker", "recording", "said", "understood", "confidence", "free text"))
        + "".join(_row("td", row) for row in rows)
        + "</table>\n",
        encoding="utf-8",
    )


def _row(cell: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in texts) + "</tr>"


def _bars(figures: Figures, path: Path) -> None:
    from matplotlib import pyplot

    tasks = figures["tasks"]
    figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
    for at, (name, task) in enumerate(tasks.items()):
        exact = task["exact"]
        low, high = exact["wilson95"]
        axes.bar(at, exact["percent"], color="#4477aa")
        axes.plot([at, at], [low, high], color="black")
        for speaker in task["by_speaker"].values():
            axes.plot(at, speaker["percent"], "o", color="#ee6677", markersize=4)
        axes.annotate(f"{name}\n{task['n']}", (at, 2), ha="center", color="white", fontsize=7)
    axes.set(ylabel="exactly right (%)", ylim=(0, 101), xticks=[])
    axes.set_title("right answers, Wilson 95 %; dots are speakers")
    axes.grid(alpha=0.3, axis="y")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _curve(figures: Figures, path: Path) -> None:
    from matplotlib import pyplot

    bins = figures["calibration"].get("bins", [])
    figure, axes = pyplot.subplots(figsize=(5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([b["confidence"] for b in bins], [b["right"] for b in bins], "o-", color="#4477aa")
    for b in bins:
        axes.annotate(str(b["n"]), (b["confidence"], b["right"]), (4, -10), textcoords="offset points", fontsize=8)
    axes.axvline(THRESHOLD, color="#ee6677", linewidth=1)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(f"calibration, ECE {figures['calibration'].get('ece')}")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
