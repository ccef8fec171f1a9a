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
LIMITS = {"sure": (-7.0, 7.0), "gap": (0.0, 25.0), "token": (-4.0, 0.0),
          "strange": (-6.0, 3.0), "agree": (0.0, 1.0), "place": (0.0, 20.0), "length": (-10.0, 20.0)}  # fmt: skip
"""Features are cut to these."""
WEIGHTS: dict[str, dict[str, float]] = {
    "digits": {"bias": -1.770, "sure": 0.440, "gap": -0.048, "token": 0.315, "strange": -0.580, "agree": 1.026,
               "place": 0.052, "length": 0.035},
    "alnum": {"bias": 0.556, "sure": 0.485, "gap": -0.234, "token": 1.171},
    "other": {"bias": 2.432, "sure": 0.660, "gap": -1.146, "token": 1.811},
}  # fmt: skip
"""Of 548, 373 and 648 answers (``--conditions --limit 24``, 2026-11-21); 90, 133 and 124 were wrong or other speech."""
NUMBERS = ("digits", "amount")
"""Kinds whose readings exclude each other; of dates two readings may be the same day."""
REJECTED = 0.3
"""Digits less sure than this are not taken for digits at all."""


def confidence(kind: str, evidence: Mapping[str, float]) -> float:
    """Probability that an answer of this kind is right, 0..1; of `NUMBERS` at most their share among the readings."""
    weights = WEIGHTS.get(kind, WEIGHTS["other"])
    total = weights["bias"] + sum(
        weights.get(name, 0.0) * min(high, max(low, evidence[name]))
        for name, (low, high) in LIMITS.items()
        if name in evidence
    )
    sure = 1 / (1 + math.exp(-total))
    return min(sure, 1 / (1 + math.exp(-evidence["sure"]))) if kind in NUMBERS and "sure" in evidence else sure


def logit(share: float) -> float:
    """Of a share, kept finite."""
    kept = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(kept / (1 - kept))
