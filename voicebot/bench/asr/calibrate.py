"""``voicebot bench asr --calibrate``: fits `voicebot.asr.confidence.WEIGHTS` to what was right and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from voicebot.asr.confidence import FEATURES, LIMITS
from voicebot.bench.asr.cases import AsrCase
from voicebot.bench.asr.line_conditions import Recording
from voicebot.bench.asr.tasks import RecordingTask

_USED = {"digits": FEATURES, "alnum": FEATURES[:3], "other": FEATURES[:3]}
_STRENGTH = 1.0
"""Inverse of the L2 penalty."""


def table(
    cases: Sequence[AsrCase],
    noticed: Sequence[tuple[str, Mapping[str, float]]],
    tasks: Mapping[str, RecordingTask],
    recordings: Sequence[Recording],
) -> str:
    """The lines to put into `confidence.py`.

    Args:
        cases: recordings that hold what was expected.
        noticed: kind and evidence of answers to recordings that do not.
    """
    kinds = {r.task: tasks[r.task].expect(r).kind for r in recordings if r.task in tasks}
    known: dict[str, list[tuple[Mapping[str, float], bool]]] = {name: [] for name in _USED}
    for one in cases:
        if one.evidence and not one.free:
            known[_name(kinds[one.task])].append((one.evidence, one.right))
    for kind, evidence in noticed:
        if evidence:
            known[_name(kind)].append((evidence, False))
    lines = ["WEIGHTS: dict[str, dict[str, float]] = {"]
    for name, rows in known.items():
        right = np.array([r for _, r in rows])
        if len(set(right.tolist())) < 2:
            lines.append(f'    # "{name}": {len(rows)} answers, all alike: keep what is there')
            continue
        x = np.array([[_value(e, feature) for feature in _USED[name]] for e, _ in rows])
        model = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(x, right)
        fitted = dict(zip(_USED[name], model.coef_[0], strict=True))
        inside = ", ".join(f'"{n}": {w:.3f}' for n, w in [("bias", float(model.intercept_[0])), *fitted.items()])
        lines.append(f'    "{name}": {{{inside}}},  # {int(right.sum())} right of {len(rows)}')
    return "\n".join([*lines, "}"])


def _name(kind: str) -> str:
    return kind if kind in _USED else "other"


def _value(evidence: Mapping[str, float], name: str) -> float:
    low, high = LIMITS[name]
    return float(np.clip(evidence.get(name, low if name in ("sure", "token", "agree") else high), low, high))
