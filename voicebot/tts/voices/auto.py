"""``voice: auto``: the first Piper voice in the folder of models that works, of this language if there is one."""

from __future__ import annotations

from typing import ClassVar

from voicebot import log
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.tts.voice import Voice
from voicebot.tts.voices import VoiceRequest, VoiceSettings, piper

_log = log.get(__name__)


class AutoVoiceSettings(VoiceSettings):
    """Nothing can be set."""

    advice: ClassVar[str] = "for a more natural voice: `voicebot models pull piper-ljspeech` (63 MB from the hub)"

    def load(self, request: VoiceRequest) -> list[Voice]:
        """See `VoiceSettings.load`. None where nothing works."""
        for path in sorted(piper.folder(request).glob(f"{request.language.replace('-', '_')}*.onnx")):
            try:
                return piper.PiperSettings(piper=path.stem).load(request)
            except (EngineFailed, ModelMissing) as error:
                _log.warning("voice not usable", extra={"voice": path.stem, "error": str(error)})
        return []

    def check(self, request: VoiceRequest) -> None:
        """See `VoiceSettings.check`: it takes what is there."""


ENGINE = AutoVoiceSettings
