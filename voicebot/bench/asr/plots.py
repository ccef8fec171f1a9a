"""Pictures of a run of ``voicebot bench asr``, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from voicebot.bench.asr.error_rates import wilson
from voicebot.bench.asr.score import THRESHOLD, AsrFigures

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Told apart by the colour-blind (Paul Tol, "Colour schemes", 2021: bright)."""
_COLUMNS = 4


def draw(folder: Path, figures: AsrFigures, runs: Mapping[str, AsrFigures]) -> list[tuple[str, str]]:
    """Every picture that there are figures for: file names below `folder` and their titles. Raises OSError.

    Args:
        figures: of the first run.
        runs: engine and line → figures of each run, the first one too.
    """
    mpl.use("Agg")
    made = []
    if figures.get("tasks"):
        _tasks(folder / "tasks.png", figures["tasks"])
        made.append(("tasks.png", "Right answers by task; dots are speakers"))
    if len(runs) > 1:
        _runs(folder / "runs.png", {name: run["tasks"] for name, run in runs.items()})
        made.append(("runs.png", "Right answers on other lines and by other engines"))
    curves = {kind: curve for kind, curve in figures.get("calibration_by_kind", {}).items() if curve.get("bins")}
    if curves:
        every = {"all kinds": figures["calibration"], **curves}
        _reliability(folder / "calibration.png", every, figures.get("words", {}))
        made.append(("calibration.png", "Confidence and what it is worth"))
    return made


def _tasks(path: Path, tasks: Mapping[str, AsrFigures]) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(11, 4.5), layout="constrained")
    for at, task in enumerate(tasks.values()):
        low, high = task["exact"]["wilson95"]
        axes.bar(at, task["exact"]["percent"], color=COLOURS[0])
        axes.plot([at, at], [low, high], color="black")
        for speaker in task["by_speaker"].values():
            axes.plot(at, speaker["percent"], "o", color=COLOURS[1], markersize=4)
    axes.set(ylabel="exactly right (%), Wilson 95 %", ylim=(0, 101))
    axes.set_xticks(
        range(len(tasks)), [f"{name}\n{task['n']}" for name, task in tasks.items()], fontsize=8, rotation=45
    )
    axes.grid(alpha=0.3, axis="y")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _runs(path: Path, runs: Mapping[str, Mapping[str, AsrFigures]]) -> None:
    from matplotlib import pyplot

    names = list(next(iter(runs.values())))
    figure, axes = pyplot.subplots(figsize=(11, 4.8), layout="constrained")
    width = 0.85 / len(runs)
    for number, (run, tasks) in enumerate(runs.items()):
        places = [at + (number - (len(runs) - 1) / 2) * width for at in range(len(names))]
        exact = [tasks[name]["exact"] for name in names]
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(places, [e["percent"] for e in exact], width, label=run, color=colour)
        for place, one in zip(places, exact, strict=True):
            axes.plot([place, place], one["wilson95"], color="black", linewidth=0.8)
    axes.set(ylabel="exactly right (%), Wilson 95 %", ylim=(0, 101))
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=45)
    axes.grid(alpha=0.3, axis="y")
    figure.legend(loc="outside upper center", ncols=min(5, len(runs)))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _reliability(path: Path, curves: Mapping[str, AsrFigures], words: AsrFigures) -> None:
    from matplotlib import pyplot

    shown: list[tuple[str, Sequence[Mapping[str, Any]], str]] = [
        (kind, curve["bins"], f"{curve['n']} answers, ECE {curve['ece']}") for kind, curve in curves.items()
    ]
    if words.get("bins"):
        shown.append(("words of free text", words["bins"], f"{words['n']} words, AUC {words['auc']}"))
    rows = -(-len(shown) // _COLUMNS)
    figure, grid = pyplot.subplots(rows, _COLUMNS, figsize=(12, 3.3 * rows), layout="constrained", squeeze=False)
    for axes, (kind, bins, title) in zip(grid.flat, shown, strict=False):
        _curve(axes, bins)
        axes.set_title(f"{kind}\n{title}", fontsize=9)
    for axes in list(grid.flat)[len(shown) :]:
        axes.axis("off")
    figure.supxlabel("confidence (mean of a tenth; figures: answers)", fontsize=9)
    figure.supylabel("share right, Wilson 95 %", fontsize=9)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _curve(axes: Any, bins: Sequence[Mapping[str, Any]]) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for one in bins:
        low, high = wilson(round(one["right"] * one["n"]), one["n"])
        axes.plot([one["confidence"]] * 2, [low, high], color=COLOURS[0], linewidth=1, alpha=0.6)
        axes.annotate(str(one["n"]), (one["confidence"], one["right"]), (4, -9), textcoords="offset points", fontsize=7)
    axes.plot([b["confidence"] for b in bins], [b["right"] for b in bins], "o-", color=COLOURS[0], markersize=4)
    axes.axvline(THRESHOLD, color=COLOURS[1], linewidth=1)
    axes.set(xlim=(0, 1.03), ylim=(0, 1.03))
    axes.grid(alpha=0.3)
