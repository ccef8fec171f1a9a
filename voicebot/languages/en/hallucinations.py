"""What recognisers write when nobody speaks."""

from __future__ import annotations

import re

SAID_TO_SILENCE = frozenset(
    [
        "you", "thank you for watching", "thanks for watching", "thank you so much for watching", "please subscribe",
        "thank you very much for watching", "i'll see you next time", "bye bye bye", "subscribe",
    ]
)  # fmt: skip
"""What the model writes when nobody speaks; nobody says these to a company's phone as a whole turn."""
NOT_SPEECH = re.compile(r"[♪♫©]|\b(?:subtitles|transcript|captions) (?:by\b|[A-Z])", re.IGNORECASE)
"""Music signs and the credits of films."""
