"""Figures of the edge benches, and the bars they are held against (no I/O)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def percentiles(values: Sequence[float], *which: float) -> dict[str, float]:
    """Linear interpolation, and the maximum; empty without values."""
    if not len(values):
        return {}
    found = {f"p{number:g}": round(float(np.percentile(values, number)), 2) for number in which}
    return {**found, "max": round(float(max(values)), 2)}


def gaps_ms(stamps_ns: Iterable[Sequence[int]], began_ns: int, ended_ns: int) -> list[float]:
    """Between the packets of each call within a window, and from its last one to the end: silence is a gap, too."""
    found: list[float] = []
    for stamps in stamps_ns:
        inside = [at for at in stamps if began_ns <= at <= ended_ns]
        found += (np.diff([*(inside or [began_ns]), ended_ns]) / 1e6).tolist()
    return found


def slope(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of the line through (x, y), and its standard error (least squares); (0, 0) for fewer than three samples."""
    if len(samples) < 3:
        return 0.0, 0.0
    x, y = np.array(samples, np.float64).T
    x = x - x.mean()
    spread = float(x @ x)
    if spread == 0:
        return 0.0, 0.0
    rise = float(x @ y) / spread
    rest = y - y.mean() - rise * x
    return rise, float(np.sqrt(rest @ rest / (len(x) - 2) / spread))


def limits(text: str, names: Mapping[str, str]) -> dict[str, float]:
    """``gap_p99=25,engine_cpu=1.5`` by the names of the suite. Raises ValueError."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in names:
            raise ValueError(f"{name!r} is none of " + ", ".join(names))
        found[name] = float(value)
    return found


def at(found: Mapping[str, Any], path: str) -> float | None:
    """``gap_ms.p99`` in nested figures; None when it is not there."""
    value: Any = found
    for key in path.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def missed(found: Mapping[str, Any], bars: Mapping[str, float], names: Mapping[str, str]) -> list[str]:
    """The bars that were not met, in words."""
    words = []
    for name, bar in bars.items():
        value = at(found, names[name])
        if value is None or value > bar:
            words.append(f"{name} is {'unknown' if value is None else f'{value:g}'}, more than {bar:g}")
    return words


def as_text(found: Mapping[str, Any]) -> str:
    """Lines for people, nested figures on one line."""
    lines = []
    for name, value in found.items():
        if name in ("missed", "ok"):
            continue
        if isinstance(value, Mapping):
            value = "  ".join(f"{key} {part}" for key, part in value.items()) or "-"
        lines.append(f"{name.replace('_', ' '):32}{value}")
    lines.append("met" if found["ok"] else "MISSED: " + "; ".join(found["missed"]))
    return "\n".join(lines)
