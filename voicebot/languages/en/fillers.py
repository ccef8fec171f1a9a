"""Sounds of somebody who still thinks."""

from __future__ import annotations

FILLERS = frozenset(["uh", "um", "er", "hmm", "hm", "mm", "ah"])
