"""One HTML file with tables and pictures in it, for the benches of turns and of barge-in."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import matplotlib as mpl

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.25em .6em;text-align:right}
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}th{background:#f2f2f2}
img{max-width:100%}"""


@dataclass(frozen=True, slots=True)
class ReportPlot:
    """Cumulative distributions."""

    title: str
    x: str
    y: str
    values: Mapping[str, Sequence[float]]
    """Name of a curve → its values; empty ones are left out."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]


def write(path: Path, title: str, plots: Sequence[ReportPlot], tables: Sequence[ReportTable]) -> None:
    """One file that needs no other. Raises OSError."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>{escape(title)}</h1>")
    for plot in plots:
        image = base64.b64encode(_png(plot)).decode()
        parts.append(
            f'<h2>{escape(plot.title)}</h2><img alt="{escape(plot.title)}" src="data:image/png;base64,{image}">'
        )
    for table in tables:
        head = "".join(f"<th>{escape(cell)}" for cell in table.head)
        lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in line) for line in table.lines)
        parts.append(f"<h2>{escape(table.title)}</h2><table><tr>{head}{lines}</table>")
    path.write_text("\n".join(parts) + "</html>\n", encoding="utf-8")


def _png(plot: ReportPlot) -> bytes:
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    for name, values in plot.values.items():
        if values:
            steps = sorted(values)
            shares = [100 * (i + 1) / len(steps) for i in range(len(steps))]
            axes.step([steps[0], *steps], [0, *shares], where="post", label=f"{name} ({len(steps)})")
    axes.set(xlabel=plot.x, ylabel=plot.y, ylim=(0, 101))
    axes.grid(alpha=0.3)
    if any(plot.values.values()):
        axes.legend(loc="lower right", fontsize="small")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    pyplot.close(figure)
    return image.getvalue()
