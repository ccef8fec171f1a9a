"""From answers to figures: per task and speaker, calibration of confidences, and the table that people read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from voicebot.bench.asr.cases import AsrCase
from voicebot.bench.asr.error_rates import checked, looked_up, over_speakers, wilson
from voicebot.bench.asr.tasks import STRINGS

THRESHOLD = 0.9
"""Confidence from which an answer counts as accepted: by calibration, right nine times in ten at the least."""
BINS = 10
AsrFigures = dict[str, Any]


def rate(hits: Sequence[bool], speakers: Sequence[str] | None = None) -> AsrFigures:
    """A share in per cent, with its Wilson interval, and one over speakers when there are several."""
    n, right = len(hits), sum(hits)
    found: AsrFigures = {"n": n, "percent": _percent(right / n) if n else None}
    found["wilson95"] = [_percent(x) for x in wilson(right, n)]
    over = over_speakers(hits, speakers) if speakers is not None else None
    if over is not None:
        found["speakers95"] = [_percent(x) for x in over]
    return found


def of_task(cases: Sequence[AsrCase]) -> AsrFigures:
    """Everything about the recordings of one task."""
    speakers = [c.speaker for c in cases]
    found: AsrFigures = {
        "n": len(cases),
        "exact": rate([c.right for c in cases], speakers),
        "wer": _percent(sum(c.word_errors for c in cases) / max(1, sum(c.words for c in cases))),
        "n_best": rate([c.truth in c.values for c in cases], speakers),
        "answered": rate([bool(c.value) for c in cases]),
        "accepted": rate([c.confidence >= THRESHOLD and bool(c.value) for c in cases]),
        "wrong_accepted": rate([c.confidence >= THRESHOLD and bool(c.value) and not c.right for c in cases]),
        "unheard": sum(not c.turns for c in cases),
        "split": sum(c.turns > 1 for c in cases),
        "cpu_ms": {"median": _round(np.median([c.cpu_ms for c in cases])),
                   "per_2s": _round(np.median([c.cpu_ms * 2 / c.seconds for c in cases if c.seconds] or [0.0]))},
        "by_speaker": {name: rate([c.right for c in cases if c.speaker == name]) for name in _few(speakers)},
    }  # fmt: skip
    if all(c.truth.isdigit() and len(c.truth) > 1 for c in cases):
        found["check_digit"] = rate([checked(c.values, c.truth) == c.truth for c in cases], speakers)
        found["lookup"] = rate([looked_up(c.values, c.truth) == c.truth for c in cases], speakers)
    if cases[0].task == "coffee":
        found |= _slots(cases)
    return found


def _few(speakers: Sequence[str]) -> list[str]:
    """Speakers by name, unless nearly each recording has its own."""
    names = sorted(set(speakers))
    return names if len(names) <= max(1, len(speakers) // 3) else []


def _slots(cases: Sequence[AsrCase]) -> AsrFigures:
    right = [part in c.value.split("; ") for c in cases for part in c.truth.split("; ")]
    return {"slots": rate(right)}


def calibration(cases: Sequence[AsrCase]) -> AsrFigures:
    """How often answers of each confidence are right, and the expected error of confidences (Guo et al. 2017, eq. 3).

    Answers inside a grammar only; what was not answered has no confidence.
    """
    answered = [c for c in cases if c.value and not c.free]
    if not answered:
        return {"n": 0}
    confidence = np.array([c.confidence for c in answered])
    right = np.array([c.right for c in answered], float)
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for i in range(BINS):
        inside = which == i
        if inside.any():
            bins.append({"from": i / BINS, "n": int(inside.sum()), "confidence": _round(confidence[inside].mean(), 3),
                         "right": _round(right[inside].mean(), 3)})  # fmt: skip
            error += float(inside.mean() * abs(confidence[inside].mean() - right[inside].mean()))
    sure = confidence >= THRESHOLD
    return {
        "n": len(answered),
        "ece": _round(error, 4),
        "brier": _round(np.square(confidence - right).mean(), 4),
        "right_above_threshold": rate([bool(r) for r in right[sure]]),
        "bins": bins,
    }


def of_tasks(cases: Sequence[AsrCase]) -> AsrFigures:
    """Figures of every task, and over digit strings together."""
    names = list(dict.fromkeys(c.task for c in cases))
    found: AsrFigures = {"tasks": {name: of_task([c for c in cases if c.task == name]) for name in names}}
    strings = [c for c in cases if c.task in STRINGS]
    if strings:
        sure = [c.confidence >= THRESHOLD and bool(c.value) for c in strings]
        speakers = [c.speaker for c in strings]
        wrong = [s and not c.right for s, c in zip(sure, strings, strict=True)]
        found["digit_strings"] = {"accepted": rate(sure), "wrong_accepted": rate(wrong, speakers)}
    found["calibration"] = calibration(cases)
    found["calibration_by_task"] = {n: calibration([c for c in cases if c.task == n]) for n in names}
    return found


def table(figures: AsrFigures) -> str:
    """The figures for people."""
    lines = [f"{'task':12}{'n':>5}{'exact %':>9}  {'95 %':14}{'WER %':>6}{'n-best':>8}{'check':>7}{'lookup':>7}"
             f"{'accepted':>9}{'wrong':>7}{'ms/2 s':>8}"]  # fmt: skip
    for name, task in figures.get("tasks", {}).items():
        low, high = task["exact"]["wilson95"]
        lines.append(
            f"{name:12}{task['n']:5}{task['exact']['percent']:9.1f}  {f'{low:.1f}-{high:.1f}':14}{task['wer']:6.1f}"
            f"{task['n_best']['percent']:8.1f}{_share(task, 'check_digit')}{_share(task, 'lookup')}"
            f"{task['accepted']['percent']:9.1f}{task['wrong_accepted']['percent']:7.1f}{task['cpu_ms']['per_2s']:8.1f}"
        )
        if task["by_speaker"]:
            lines.append(
                "    " + ", ".join(f"{n} {r['percent']:.0f} ({r['n']})" for n, r in task["by_speaker"].items())
            )
    show: dict[str, Callable[[AsrFigures], str]] = {
        "digit_strings": lambda f: (
            f"wrong strings accepted {f['wrong_accepted']['percent']} % of {f['accepted']['n']}"
            f", accepted {f['accepted']['percent']} %"
        ),
        "calibration": lambda f: f"calibration: ECE {f.get('ece')}, Brier {f.get('brier')} over {f['n']} answers",
        "words": lambda f: (
            f"words of free text: {f['right']['percent']} % of {f['n']} right; under 0.5 are"
            f" {f['wrong_found']['percent']} % of the wrong ones; {f['guesses_wrong']['percent']} % there are"
            if f["n"]
            else ""
        ),
        "out_of_grammar": lambda f: (
            f"other speech accepted: {f['accepted']['percent']} % of {f['accepted']['n']}"
            f" (any answer {f['answered']['percent']} %, a value for the dialog {f['in_dialog']['percent']} %)"
        ),
        "noise_text": lambda f: (
            f"noise gives text: {f['through_vad']['percent']} % of {f['through_vad']['n']} pieces"
            f" ({f['without_vad']['percent']} % past the voice activity detection)"
        ),
        "cost": lambda f: f"CPU of {f['seconds']} s: free {f['free_ms']} ms, in grammar {f['grammar_ms']} ms",
    }
    return "\n".join(filter(None, lines + [say(figures[name]) for name, say in show.items() if name in figures]))


def _share(task: AsrFigures, name: str) -> str:
    return f"{task[name]['percent']:7.1f}" if name in task else " " * 7


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _round(value: Any, digits: int = 1) -> float:
    return round(float(value), digits)
