"""What is said in calls of any flow: while a backend works, and when this program breaks."""

from __future__ import annotations

from voicebot.messages import Say

FILLER = Say("One moment, please.", name="filler")
SORRY = Say("I'm sorry, something went wrong on our side. Please call again in a moment.", name="sorry")
APOLOGY = Say("I'm sorry, I can't go on speaking just now. One moment, please.", barge_in=False, name="apology")
"""Recorded at start, for when synthesis breaks."""
PROGRESS = (
    Say("I'm still on it.", name="progress.1"),
    Say("This takes a little longer than usual. Thank you for waiting.", name="progress.2"),
    Say("Still working on it, please stay on the line.", name="progress.3"),
)
"""One after the other; from the last one on they begin again."""
