"""How sure an answer inside a grammar is: a logistic function of what recognition noticed, one a kind of answer.

The weights are fitted by ``voicebot bench asr --calibrate`` on recordings, with other speech among them; that command
prints the table below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

FEATURES = ("sure", "gap", "token", "strange", "agree", "place", "length")
"""What is noticed:

sure: logit of the answer's share among all readings;
gap: nats by which the free reading is likelier;
token: mean log-probability of the answer's tokens;
strange, agree, place, length: of digits: likeness to other speech, whether decoder and digit layer choose the same, how
far the second digit is behind at the worst place, and how far strings of a digit more or less are.
"""
LIMITS = {"sure": (-7.0, 7.0), "gap": (0.0, 25.0), "token": (-4.0, 0.0), "strange": (-6.0, 3.0), "agree": (0.0, 1.0),
          "place": (0.0, 20.0), "length": (-10.0, 20.0)}  # fmt: skip
"""Features are cut to these."""
WEIGHTS: dict[str, dict[str, float]] = {
    "digits": {"bias": -4.322, "sure": 0.560, "gap": -0.203, "token": -0.315, "strange": -1.240, "agree": 0.723,
               "place": 0.114, "length": 0.159},
    "alnum": {"bias": 0.450, "sure": 0.517, "gap": -0.227, "token": 0.764},
    "other": {"bias": 2.231, "sure": 0.783, "gap": -0.850, "token": 0.215},
}  # fmt: skip
"""Of 207, 115 and 207 answers (``--limit 38``, 2026-11-21), a third of which were wrong or other speech."""
REJECTED = 0.3
"""Digits less sure than this are not taken for digits at all."""


def confidence(kind: str, evidence: Mapping[str, float]) -> float:
    """Probability that an answer of this kind is right, 0..1; of digits at most their share among the readings."""
    weights = WEIGHTS.get(kind, WEIGHTS["other"])
    total = weights["bias"] + sum(
        weights.get(name, 0.0) * min(high, max(low, evidence[name]))
        for name, (low, high) in LIMITS.items()
        if name in evidence
    )
    sure = 1 / (1 + math.exp(-total))
    return min(sure, 1 / (1 + math.exp(-evidence["sure"]))) if kind == "digits" and "sure" in evidence else sure


def logit(share: float) -> float:
    """Of a share, kept finite."""
    kept = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(kept / (1 - kept))
