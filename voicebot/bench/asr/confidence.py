"""What confidences are worth: of answers by kind, and of the words of free text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voicebot.bench.asr.cases import AsrCase
from voicebot.bench.asr.score import BINS, calibration, rate
from voicebot.messages import GUESSED


def of_cases(cases: Sequence[AsrCase]) -> dict[str, Any]:
    """``calibration_by_kind`` (see `score.calibration`) and ``words``."""
    kinds = list(dict.fromkeys(c.kind for c in cases if not c.free))
    return {
        "calibration_by_kind": {kind: calibration([c for c in cases if c.kind == kind]) for kind in kinds},
        "words": of_words([pair for c in cases for pair in c.sure]),
    }


def of_words(words: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Confidences of words, and whether each was said: how well they tell right from wrong.

    ``auc``: how often a word that was said is surer than one that was not. ``guesses_wrong``: of those below `GUESSED`.
    ``wrong_found``: of the wrong ones so many are below it.
    """
    if not words:
        return {"n": 0}
    sure, right = np.array([s for s, _ in words]), np.array([r for _, r in words])
    bins = []
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    for i in sorted(set(which.tolist())):
        inside = which == i
        bins.append({"from": i / BINS, "n": int(inside.sum()), "confidence": round(float(sure[inside].mean()), 3),
                     "right": round(float(right[inside].mean()), 3)})  # fmt: skip
    good, bad = sure[right], sure[~right]
    auc = None
    if good.size and bad.size:
        auc = round(float(np.mean((good[:, None] > bad) + 0.5 * (good[:, None] == bad))), 3)
    return {
        "n": len(words),
        "right": rate(right.tolist()),
        "auc": auc,
        "guesses_wrong": rate((~right[sure < GUESSED]).tolist()),
        "wrong_found": rate((bad < GUESSED).tolist()),
        "bins": bins,
    }
