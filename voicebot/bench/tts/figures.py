"""The figures of ``voicebot bench tts``: over all prompts, by kind, and of several voices side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voicebot.bench.tts.run import MeasuredPrompt, wrong

FIRST_MS, AGAIN_MS = 30.0, 10.0
"""In which the first sample of 95 of 100 prompts must come: fresh, and remembered."""
FIGURES = (
    "first_ms_p50", "first_ms_p95", "first_cpu_ms_p50", "first_cpu_ms_p95", "whole_cpu_ms_p50", "real_time_factor",
    "again_ms_p95", "words_per_minute", "level_dbfs", "wrong_words", "wrong_words_in_noise",
    "mos_distill", "mos_dnsmos",
)  # fmt: skip


def figures(voice: str, done: Sequence[MeasuredPrompt]) -> dict[str, Any]:
    """Figures over all prompts and by kind; times in milliseconds."""
    kinds = list(dict.fromkeys(s.prompt.kind for s in done))
    found: dict[str, Any] = {"bench": "tts", "voice": voice, "prompts": len(done)}
    found |= _of(done)
    found["kinds"] = {kind: _of([s for s in done if s.prompt.kind == kind]) for kind in kinds}
    levels = [s.level_dbfs for s in done]
    found["level_spread_db"] = round(float(np.std(levels)), 2)
    found["level_range_db"] = round(max(levels) - min(levels), 2)
    found["peak_dbfs"] = round(max(s.peak_dbfs for s in done), 2)
    found["missed"] = [
        f"{name}: p95 is {found[key]} ms, more than {limit:.0f}"
        for name, key, limit in (("fresh", "first_ms_p95", FIRST_MS), ("remembered", "again_ms_p95", AGAIN_MS))
        if found[key] > limit
    ] + [f"nothing was heard of {s.prompt.text!r}" for s in done if not s.seconds]
    found["ok"] = not found["missed"]
    return found


def _of(done: Sequence[MeasuredPrompt]) -> dict[str, Any]:
    fresh, again = [r for s in done for r in s.fresh], [r for s in done for r in s.again]
    found: dict[str, Any] = {
        "n": len(done),
        **_spread("first_ms", [r.first_ms for r in fresh]),
        **_spread("first_cpu_ms", [r.first_cpu_ms for r in fresh]),
        **_spread("whole_ms", [r.whole_ms for r in fresh]),
        **_spread("whole_cpu_ms", [r.cpu_ms for r in fresh]),
        **_spread("again_ms", [r.first_ms for r in again]),
        "real_time_factor": round(sum(map(cpu_s, done)) / max(1e-9, sum(s.seconds for s in done)), 5),
        "words_per_minute": round(float(np.mean([s.words_per_minute for s in done]))),
        "level_dbfs": round(float(np.mean([s.level_dbfs for s in done])), 2),
    }
    for model in done[0].mos:
        found[model] = round(float(np.mean([s.mos[model] for s in done if s.mos])), 2)
    if any(s.heard for s in done):
        found["wrong_words"] = round(wrong(done, noise=False), 4)
    if any(s.heard_in_noise for s in done):
        found["wrong_words_in_noise"] = round(wrong(done, noise=True), 4)
    return found


def cpu_s(spoken: MeasuredPrompt) -> float:
    """Processor seconds of one fresh synthesis, as a rule."""
    return float(np.median([r.cpu_ms for r in spoken.fresh])) / 1000


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50": round(float(np.percentile(values, 50)), 2),
        f"{name}_p95": round(float(np.percentile(values, 95)), 2),
        f"{name}_max": round(max(values), 2),
    }


def as_text(found: dict[str, Any]) -> str:
    """A table of one voice, by kind, for people."""
    columns = {**found["kinds"], "all": found}
    lines = _table(columns)
    lines.append(
        f"{found['voice']}, {found['prompts']} prompts: levels spread by {found['level_spread_db']} dB (standard"
        f" deviation), {found['level_range_db']} dB between the softest and the loudest, peak {found['peak_dbfs']} dBFS"
    )
    lines.append("met" if found["ok"] else "MISSED: " + "; ".join(found["missed"]))
    return "\n".join(lines)


def side_by_side(voices: Sequence[dict[str, Any]]) -> str:
    """A table of several voices, over all prompts, and their wrong words by kind."""
    columns = {voice["voice"]: voice for voice in voices}
    lines = _table(columns)
    for kind in voices[0]["kinds"]:
        for name in ("wrong_words", "wrong_words_in_noise"):
            cells = [voice["kinds"][kind].get(name) for voice in voices]
            lines.append(_row(f"{name} {kind}", [_cell(c) for c in cells], _width(columns)))
    return "\n".join(lines)


def _table(columns: Mapping[str, Mapping[str, Any]]) -> list[str]:
    shown = [name for name in FIGURES if any(name in column for column in columns.values())]
    width = _width(columns)
    rows = [_row(name, [_cell(column.get(name)) for column in columns.values()], width) for name in shown]
    return [_row("", list(columns), width), *rows]


def _width(columns: Mapping[str, Any]) -> int:
    return max(11, *(len(name) + 2 for name in columns))


def _row(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:31}" + "".join(f"{cell:>{width}}" for cell in cells)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
