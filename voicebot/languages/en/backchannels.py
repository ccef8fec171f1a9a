"""What listeners say to show that they listen, and which words of a caller are meant for us."""

from __future__ import annotations

BACKCHANNELS = frozenset(
    [
        "mhm", "mm", "mmhmm", "hmm", "hm", "uh", "huh", "um", "ah", "oh", "er", "okay", "ok", "right", "yeah", "yep",
        "aha", "ooh", "alright", "sure",
    ]
)  # fmt: skip
BACKCHANNEL_PHRASES = frozenset(
    [
        "yes", "i see", "please", "thanks", "thank you", "got it", "great", "good", "fine", "cool", "perfect",
        "all right", "i understand", "oh i see", "very good", "of course",
    ]
)  # fmt: skip
"""What listeners say to show that they listen: one of the latter, or any of the former in a row. It does not stop a
prompt, unless it answers yes or no."""
OBJECTIONS = frozenset(["no", "nope", "stop", "wait", "hello", "excuse me", "hold on", "pardon", "sorry"])
"""Short words that stop a prompt wherever they are said."""
COMMON = frozenset(
    [
        "a", "about", "actually", "also", "am", "an", "and", "are", "as", "at", "be", "been", "but", "by",
        "can", "could", "did", "do", "does", "don't", "for", "from", "had", "has", "have", "he", "here", "her",
        "how", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "is", "it", "it's", "its", "just", "know", "like",
        "made", "make", "me", "mine", "more", "much", "my", "need", "not", "of", "on", "or", "our", "out",
        "please", "really", "see", "she", "should", "so", "some", "something", "that", "that's", "the", "them",
        "then", "there", "there's", "these", "they", "thing", "think", "this", "to", "too", "up", "us", "very",
        "want", "was", "we", "well", "were", "what", "what's", "when", "where", "which", "who", "will", "with",
        "would", "you", "you're", "your",
    ]
)  # fmt: skip
"""Words that are in what anybody says: they do not tell that the dialog is meant."""
