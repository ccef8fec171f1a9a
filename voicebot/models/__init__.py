"""The weights: which there are, where they come from, whether they are here; ``voicebot models``.

A model more is an entry in models/manifest.yaml; what is made of its files afterwards is in command.py.
May import no room, but by name where something is made of the files; set-up uses it before the rest is installed.
"""

from voicebot.models.command import register
from voicebot.models.store import missing

__all__ = ["missing", "register"]
