"""The voices that there are: a module each, whose name is the voice's in ``tts: voice:`` (voicebot.yaml).

To add one, add a module here with an ``ENGINE``, a subclass of `VoiceSettings`, and touch nothing else.
It may import tts, engines and languages; what is heavy in ``load`` only. See docs/contributing.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from voicebot.config import VOICES, EngineSettings, TtsSettings, chosen_engines
from voicebot.errors import EngineFailed, ModelMissing, VoicebotError
from voicebot.tts.voice import Voice

LAST = "espeak"
"""Always there, so it speaks when nothing else does."""


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """What is asked of a voice, whichever engine it is."""

    words_per_minute: int
    limit_s: float
    """A voice that gives no sound for so long has failed; see `Voice.measured`."""
    models: Path
    """Folder of the models."""
    language: str = ""
    """BCP 47 tag of `TtsSettings.languages`; empty for that of the dialog."""


class VoiceSettings(EngineSettings):
    """Settings of one voice, and how it is loaded and checked with them."""

    advice: ClassVar[str] = ""
    """How to get such a voice, where `load` finds none."""

    def load(self, request: VoiceRequest) -> list[Voice]:
        """Make it, measured; blocks. Several, or none, where what is there decides.

        Raises:
            ModelMissing: weights are not there.
            EngineFailed: it cannot speak.
        """
        raise NotImplementedError

    def check(self, request: VoiceRequest) -> None:
        """See that it could be loaded, without loading it. Raises ModelMissing, EngineFailed."""
        raise NotImplementedError


def choose_voices(tts: TtsSettings, models: Path, language: str = "") -> tuple[list[Voice], str]:
    """The voices to try in order, best first, `LAST` at the end, and advice how to get a better one (or empty).

    Args:
        models: the folder of models.
        language: of `TtsSettings.languages`; empty for that of the dialog.

    Raises:
        ModelMissing, EngineFailed: see `VoiceSettings.load`.
    """
    voices: list[Voice] = []
    advice = ""
    request = VoiceRequest(tts.words_per_minute, tts.limit_s, models, language)
    for wanted in _wanted(tts, language):
        found = wanted.load(request)
        voices += found
        advice = advice if found else wanted.advice
    return voices, advice


def faults(tts: TtsSettings, models: Path) -> list[VoicebotError]:
    """What the voices of the configuration lack, found without loading them."""
    found: list[VoicebotError] = []
    for language in ("", *tts.languages):
        request = VoiceRequest(tts.words_per_minute, tts.limit_s, models, language)
        for wanted in _wanted(tts, language):
            try:
                wanted.check(request)
            except (EngineFailed, ModelMissing) as error:
                found.append(error)
    return found


def _wanted(tts: TtsSettings, language: str) -> list[VoiceSettings]:
    listed = tts.voices_for(language)
    last = chosen_engines(VOICES, LAST)
    wanted: list[VoiceSettings] = []
    for engine in listed if listed[-1:] == last else (*listed, *last):
        if not isinstance(engine, VoiceSettings):
            raise TypeError(f"{type(engine).__name__} is no VoiceSettings")
        wanted.append(engine)
    return wanted
