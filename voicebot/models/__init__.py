"""The weights: which there are, where they come from, whether they are here; ``voicebot models``.

Touch ``models/manifest.yaml`` for a new model, `pull`, `download` and `package_index` for how it comes here,
`weights_folder` for how it is kept, `command` for the command line. Imports no other room.
"""

from voicebot.models.command import register
from voicebot.models.weights_folder import missing

__all__ = ["missing", "register"]
