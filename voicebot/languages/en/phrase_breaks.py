"""Where a speaker may pause inside a sentence, and which full stops end none."""

from __future__ import annotations

SMALL_WORDS = (
    "and", "or", "but", "that", "which", "because", "if", "when", "so", "to", "for", "in", "on", "at", "from", "with",
    "until", "between", "is", "are", "was", "will",
)  # fmt: skip
"""Before these a speaker may pause a little without breaking a group of words."""
ABBREVIATIONS = (
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "ext", "vs", "approx", "e.g", "i.e", "dept", "inc", "ltd",
    "capt", "lt", "col", "sgt", "gen", "gov", "sen", "rep", "rev", "hon", "mt", "ft", "bldg", "ste", "vol", "fig",
)  # fmt: skip
"""A full stop after one ends no sentence."""
