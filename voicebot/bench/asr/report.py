"""A run as a page: tasks, other lines and engines, speakers, calibration, every answer that was wrong."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from voicebot.bench.asr import plots
from voicebot.bench.asr.cases import AsrCase
from voicebot.bench.asr.score import AsrFigures, table

_STYLE = (
    "body{font:15px sans-serif;max-width:75em;margin:2em auto;padding:0 1em}td,th{padding:2px 10px;text-align:left}"
    "tr:nth-child(even){background:#f4f4f4}img{max-width:100%}pre{overflow-x:auto}"
)


def write(out: Path, figures: AsrFigures, runs: Mapping[str, tuple[AsrFigures, Sequence[AsrCase]]]) -> None:
    """``report.html`` and its pictures. Raises OSError.

    Args:
        figures: of the first run, with what else was measured.
        runs: engine and line → figures and answers of each run; the first one first.
    """
    title = f"Recognition: {figures['engine']}"
    every = {name: found for name, (found, _) in runs.items()}
    pictures = plots.draw(out, figures, every)
    parts = [f"<h1>{html.escape(title)}</h1><pre>{html.escape(table(figures))}</pre>"]
    parts += [f'<h2>{html.escape(text)}</h2><p><img src="{name}" alt="{html.escape(text)}">' for name, text in pictures]
    if len(every) > 1:
        parts += ["<h2>Each line and engine: right answers (%), Wilson 95 %</h2>", _table(*_compared(every))]
    if figures.get("tasks"):
        parts += ["<h2>Speakers: right answers (%), recordings</h2>", _table(*_speakers(figures["tasks"]))]
    for name, (_, cases) in runs.items():
        parts += _wrong(name, cases)
    (out / "report.html").write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style>" + "".join(parts) + "\n",
        encoding="utf-8",
    )


def _compared(runs: Mapping[str, AsrFigures]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Tasks in rows, runs in columns; the last row is the cost."""

    def cell(task: AsrFigures) -> str:
        low, high = task["exact"]["wilson95"]
        return f"{task['exact']['percent']:.1f} ({low:.0f}–{high:.0f})"

    rows: list[Sequence[str]] = [
        (f"{name} ({task['n']})", *(cell(run["tasks"][name]) for run in runs.values()))
        for name, task in next(iter(runs.values()))["tasks"].items()
    ]
    costs = [[task["cpu_ms"]["per_2s"] for task in run["tasks"].values()] for run in runs.values()]
    rows.append(("CPU of 2 s, mean of tasks (ms)", *(f"{sum(c) / len(c):.0f}" for c in costs)))
    errors = [run["calibration"].get("ece") for run in runs.values()]
    rows.append(("calibration error (ECE)", *("-" if e is None else f"{e:.3f}" for e in errors)))
    return ("task", *runs), rows


def _speakers(tasks: Mapping[str, AsrFigures]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Speakers in rows, tasks in columns; tasks with a speaker for nearly each recording are left out."""
    shown = {name: task["by_speaker"] for name, task in tasks.items() if task["by_speaker"]}
    speakers = sorted({speaker for each in shown.values() for speaker in each})

    def cell(found: AsrFigures | None) -> str:
        return f"{found['percent']:.0f} ({found['n']})" if found else ""

    rows: list[Sequence[str]] = [
        (speaker, *(cell(each.get(speaker)) for each in shown.values())) for speaker in speakers
    ]
    return ("speaker", *shown), rows


def _wrong(name: str, cases: Sequence[AsrCase]) -> list[str]:
    rows = [
        (c.task, c.speaker, c.path, c.truth, c.value or "-", f"{c.confidence:.2f}", c.text)
        for c in sorted(cases, key=lambda c: (c.task, -c.confidence))
        if not c.right
    ]
    head = ("task", "speaker", "recording", "said", "understood", "confidence", "free text")
    summary = f"{html.escape(name)}: {len(rows)} wrong of {len(cases)}"
    return [f"<details><summary>{summary}</summary>", _table(head, rows), "</details>"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "<table>" + _row("th", head) + "".join(_row("td", row) for row in rows) + "</table>"


def _row(cell: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in texts) + "</tr>"
