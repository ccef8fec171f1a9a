"""Counting: wrong words, shares with their confidence intervals, answers that a check digit or a lookup puts right."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np

LOOKED_UP = 1000
"""Numbers that exist where an answer is looked up."""
_Z = 1.96
_DRAWS = 2000


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words inserted, left out or replaced (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4)."""
    if not n:
        return 0.0, 1.0
    share, spread = right / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def over_speakers(right: Sequence[bool], speakers: Sequence[str]) -> tuple[float, float] | None:
    """95 % interval of a share when other speakers had come: whole speakers are drawn again. None of fewer than two."""
    names = sorted(set(speakers))
    if len(names) < 2:
        return None
    hits = np.array([sum(r for r, s in zip(right, speakers, strict=True) if s == name) for name in names])
    sizes = np.array([list(speakers).count(name) for name in names])
    drawn = np.random.default_rng(0).integers(len(names), size=(_DRAWS, len(names)))
    low, high = np.percentile(hits[drawn].sum(1) / sizes[drawn].sum(1), (2.5, 97.5))
    return float(low), float(high)


def luhn_sum(digits: str) -> int:
    """ISO/IEC 7812-1 sum modulo ten: numbers with a check digit have a known one."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10


def checked(values: Sequence[str], truth: str) -> str:
    """The first value whose check sum is the true one's; empty when there is none."""
    return next((v for v in values if v.isdigit() and luhn_sum(v) == luhn_sum(truth)), "")


def looked_up(values: Sequence[str], truth: str) -> str:
    """The first value that exists, among `LOOKED_UP` numbers of that length drawn at random and the true one."""
    chance = random.Random(truth)
    size = len(truth)
    existing = {truth} | {f"{n:0{size}d}" for n in chance.sample(range(10**size), min(LOOKED_UP - 1, 10**size))}
    return next((v for v in values if v in existing), "")
