"""``engine: {pipecat: …}``: any speech-to-text service of pipecat-ai."""

from __future__ import annotations

from voicebot.asr.recogniser import Recogniser
from voicebot.asr.recognisers import RecogniserSettings
from voicebot.config import AsrSettings
from voicebot.engines.pipecat_settings import PipecatSettings


class PipecatRecogniserSettings(PipecatSettings, RecogniserSettings):
    def load(self, asr: AsrSettings) -> Recogniser:
        """See `RecogniserSettings.load`."""
        from voicebot.asr.recogniser_from_pipecat import PipecatStt

        return PipecatStt(self, asr.limit_s)

    def check(self) -> None:
        """See `RecogniserSettings.check`."""
        from voicebot.engines import pipecat

        pipecat.check(self)


ENGINE = PipecatRecogniserSettings
