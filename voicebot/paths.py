"""Where the project's own files lie. Everything else is named in the configuration."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: holds dialogs/, models/ and telephony/trunks/."""

DIALOGS = ROOT / "dialogs"
MANIFEST = ROOT / "models" / "manifest.yaml"


def models_dir() -> Path:
    """The folder with the weights: ``VOICEBOT_MODELS``, otherwise models/ of the checkout."""
    return Path(os.environ.get("VOICEBOT_MODELS") or ROOT / "models")


def cache_dir() -> Path:
    """For what can be made again (spoken prompts, trained classifiers): ``VOICEBOT_CACHE``, systemd's
    ``CACHE_DIRECTORY``, otherwise var/cache of the checkout. Servers with different dialogs or voices need one each.
    """
    given = os.environ.get("VOICEBOT_CACHE") or os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    return Path(given or ROOT / "var" / "cache")


def speech_dir() -> Path:
    """Recordings for tests and benchmarks: ``VOICEBOT_SPEECH``, otherwise ../shared/speech beside the checkout."""
    return Path(os.environ.get("VOICEBOT_SPEECH") or ROOT.parent / "shared" / "speech")
