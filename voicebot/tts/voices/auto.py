"""``voice: auto``: the first that works of hibari, the natural voice, for English, and the voices in models/piper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from voicebot import log
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.tts.voice import Voice
from voicebot.tts.voices import VoiceRequest, VoiceSettings, hibari, piper

_log = log.get(__name__)


class AutoVoiceSettings(VoiceSettings):
    """Nothing can be set."""

    advice: ClassVar[str] = (
        "for a more natural voice: reinstall hibari-tts, or `voicebot models pull piper-ljspeech` (63 MB from the hub)"
    )

    def load(self, request: VoiceRequest) -> list[Voice]:
        """See `VoiceSettings.load`. None where nothing works."""
        for candidate in _candidates(request):
            try:
                return candidate.load(request)
            except (EngineFailed, ModelMissing) as error:
                _log.warning("voice not usable", extra={"voice": candidate.name, "error": str(error)})
        return []

    def check(self, request: VoiceRequest) -> None:
        """See `VoiceSettings.check`: it takes what is there."""


def _candidates(request: VoiceRequest) -> Iterator[VoiceSettings]:
    natural = hibari.of_language(request.language)
    if natural is not None:
        yield natural
    for path in sorted(piper.folder(request).glob(f"{request.language.replace('-', '_')}*.onnx")):
        yield piper.PiperSettings(piper=path.stem)


ENGINE = AutoVoiceSettings
