"""``voice: espeak``: espeak-ng, which is always there."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from voicebot.errors import EngineFailed
from voicebot.tts.voice import Voice
from voicebot.tts.voices import VoiceRequest, VoiceSettings

if TYPE_CHECKING:
    from voicebot.tts.espeak import Espeak


class EspeakSettings(VoiceSettings):
    """Nothing can be set."""

    def load(self, request: VoiceRequest) -> list[Voice]:
        """See `VoiceSettings.load`."""
        return [Voice.measured(_engine(request), request.limit_s, version("espeakng-loader"))]

    def check(self, request: VoiceRequest) -> None:
        """See `VoiceSettings.check`."""
        if request.language:
            _engine(request)


def _engine(request: VoiceRequest) -> Espeak:
    """In the language of the region (``en-GB``) if there is one. Raises EngineFailed: there is none at all."""
    from voicebot.tts.espeak import VOICE, Espeak

    if not request.language:
        return Espeak(request.words_per_minute)
    variant = VOICE.partition("+")[2]
    try:
        return Espeak(request.words_per_minute, f"{request.language.lower()}+{variant}")
    except EngineFailed:
        return Espeak(request.words_per_minute, f"{request.language[:2]}+{variant}")


ENGINE = EspeakSettings
