"""Words by which a sentence that was spoken freely reads as finished, or not."""

from __future__ import annotations

HANGING = frozenset(
    [
        "a", "about", "actually", "and", "an", "any", "are", "as", "at", "because", "but", "by", "can", "could", "do",
        "er", "for", "from", "have", "he", "hmm", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "it's",
        "its", "just", "like", "mm", "my", "need", "of", "on", "or", "our", "she", "should", "so", "some", "than",
        "that", "that's", "the", "their", "then", "these", "they", "this", "to", "uh", "um", "until", "want", "was",
        "we", "well", "were", "what's", "when", "where", "which", "who", "will", "with", "would", "you", "your",
        "number", "called", "there's", "also", "really", "very", "please can", "not", "am",
    ]
)  # fmt: skip
"""Words that a finished sentence seldom ends in."""
SELDOM_HANGING = frozenset(
    [
        "about", "actually", "also", "am", "are", "can", "could", "do", "for", "from", "have", "he", "in", "is", "it's",
        "just", "like", "need", "not", "number", "on", "really", "she", "should", "so", "that", "that's", "these",
        "they", "this", "very", "want", "was", "we", "were", "when", "where", "will", "would", "you",
    ]
)  # fmt: skip
"""Those of them that many a sentence ends in all the same: a full stop after one is half believed."""
ALONE = frozenset(["hi", "hello", "okay", "ok", "yes", "yeah", "sure", "no", "hey", "right", "alright"])
"""Said alone, these often begin a longer turn."""
CONDITIONS = frozenset(["if", "unless", "although", "though", "whenever", "while", "when", "once", "until", "since"])
"""A clause that begins with one of these says under what condition; what for, the next one says."""
SUBJECTS = frozenset(
    ["i", "i'd", "i'll", "i'm", "i've", "you", "he", "she", "it", "it's", "we", "they", "there", "that's"]
)
ASKING = frozenset(
    ["can", "could", "will", "would", "do", "does", "did", "is", "are", "am", "was", "were", "should", "may", "have",
     "has", "what", "what's", "how", "where", "who", "why", "please"]
)  # fmt: skip
STATED = frozenset(["is", "are", "was", "were", "have", "has", "do", "does", "did"])
"""Verbs of a condition itself as much as of a question."""
LAST_ITEM = ("and", "or", "please", "thanks", "thank")
"""Before the last item of a list, or instead of it."""
