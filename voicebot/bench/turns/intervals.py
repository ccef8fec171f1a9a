"""How sure a figure is: intervals of shares and of percentiles, over speakers rather than over recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

_Z = 1.96
RESAMPLES = 500


def wilson(count: int, of: int) -> tuple[float, float]:
    """95 % interval of the share `count` / `of`, 0..1 (Wilson's score interval); (0, 1) for none of none."""
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def spread_over_speakers(
    values: Mapping[str, Sequence[float]], percentile: float, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % interval of a percentile, by drawing speakers, and recordings of each, with replacement.

    One speaker alone gives the interval over his recordings. Raises ValueError: there are no values.
    """
    speakers = [np.asarray(v, np.float64) for v in values.values() if len(v)]
    if not speakers:
        raise ValueError("no values")
    chance = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        drawn = [speakers[i] for i in chance.integers(len(speakers), size=len(speakers))]
        found.append(np.percentile(np.concatenate([chance.choice(v, len(v)) for v in drawn]), percentile))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def share(count: int, of: int) -> dict[str, float | int]:
    """A share as JSON data, in percent with its interval."""
    low, high = wilson(count, of)
    return {
        "count": count,
        "of": of,
        "percent": round(100 * count / of, 2) if of else 0.0,
        "low": round(100 * low, 2),
        "high": round(100 * high, 2),
    }


def delays(by_speaker: Mapping[str, Sequence[float]]) -> dict[str, float | int | list[float]]:
    """Milliseconds as JSON data: number, p50, p90, p95, maximum and the intervals of p50 and p95; `n` 0 for none."""
    values = [v for speaker in by_speaker.values() for v in speaker]
    if not values:
        return {"n": 0}
    found: dict[str, float | int | list[float]] = {"n": len(values)}
    found.update((f"p{p}", round(float(np.percentile(values, p)), 1)) for p in (50, 90, 95))
    found["max"] = round(max(values), 1)
    for p in (50, 95):
        found[f"p{p}_interval"] = [round(ms, 1) for ms in spread_over_speakers(by_speaker, p)]
    return found
