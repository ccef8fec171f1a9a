"""Where a caller corrects himself: what comes after "no, sorry" counts."""

from __future__ import annotations

MARKS: tuple[tuple[str, ...], ...] = (
    ("no", "sorry"), ("no", "wait"), ("no", "no"), ("sorry", "i", "mean"), ("i", "mean"), ("i", "meant"), ("i", "said"),
    ("scratch", "that"), ("make", "that"), ("make", "it"), ("correction",), ("rather",), ("actually",),
    ("oh", "sorry"), ("oops",), ("sorry",), ("wait",), ("no",), ("not", "that"),
)  # fmt: skip
OPENERS = {"no", "nope", "nah", "actually", "sorry", "wait", "wrong", "correction", "change", "not"}
"""First words of a turn that puts something right that was said before."""


def after_correction(words: list[str]) -> int:
    """The place after the last mark of a correction, 0 without one. A mark at the very end does not count."""
    best = 0
    for at in range(len(words)):
        for mark in MARKS:
            end = at + len(mark)
            if tuple(words[at:end]) == mark and end < len(words):
                best = max(best, end)
    return best
