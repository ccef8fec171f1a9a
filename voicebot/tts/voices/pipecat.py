"""``voice: {pipecat: …}``: any text-to-speech service of pipecat-ai."""

from __future__ import annotations

from voicebot import log
from voicebot.engines.pipecat_settings import PipecatSettings
from voicebot.errors import EngineFailed
from voicebot.tts.voice import Voice, supervised
from voicebot.tts.voices import VoiceRequest, VoiceSettings

_log = log.get(__name__)


class PipecatVoiceSettings(PipecatSettings, VoiceSettings):
    def load(self, request: VoiceRequest) -> list[Voice]:
        """See `VoiceSettings.load`. What does not answer now may do so later: it stays, at its own loudness."""
        from voicebot.tts.voice_from_pipecat import PipecatTts

        engine = PipecatTts(self, request.limit_s)
        try:
            return [Voice.measured(engine, request.limit_s)]
        except EngineFailed as error:
            _log.warning("voice does not answer", extra={"voice": engine.name, "error": str(error)})
            return [Voice(engine, 1.0, supervised(engine, request.limit_s))]

    def check(self, request: VoiceRequest) -> None:
        """See `VoiceSettings.check`."""
        from voicebot.engines import pipecat

        pipecat.check(self)


ENGINE = PipecatVoiceSettings
