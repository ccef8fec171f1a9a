"""The weights: which there are, where they come from, whether they are here; ``voicebot models``."""

from voicebot.models.command import register
from voicebot.models.store import missing

__all__ = ["missing", "register"]
