"""``voice: hibari``: the natural voice that is in the package hibari-tts; English only."""

from __future__ import annotations

from importlib.metadata import version

from voicebot.cache.cache_folder import file_version
from voicebot.errors import EngineFailed
from voicebot.tts.text_normalisation import LANGUAGE
from voicebot.tts.voice import Voice
from voicebot.tts.voices import VoiceRequest, VoiceSettings


class HibariSettings(VoiceSettings):
    hibari: str = "heart"
    """Heart (American) is in the package; another is taken where the package looks for its file, and never fetched."""

    @property
    def name(self) -> str:
        """See `EngineSettings`."""
        return f"hibari {self.hibari}"

    def load(self, request: VoiceRequest) -> list[Voice]:
        """See `VoiceSettings.load`."""
        self._must_speak(request.language)
        from voicebot.tts.hibari import Hibari, weights

        which = f"{version('hibari-tts')} {file_version(weights(self.hibari))}"
        return [Voice.measured(Hibari(self.hibari, request.words_per_minute), request.limit_s, which)]

    def check(self, request: VoiceRequest) -> None:
        """See `VoiceSettings.check`."""
        self._must_speak(request.language)
        from voicebot.tts.hibari import weights

        weights(self.hibari)

    def _must_speak(self, language: str) -> None:
        if _primary(language or LANGUAGE) != "en":
            raise EngineFailed(
                f"hibari speaks English only, not {language}", "take espeak or a Piper voice under tts.languages"
            )


def of_language(language: str) -> HibariSettings | None:
    """The voice that is here and speaks a language (BCP 47 tag; empty for that of dialogs), in that region's accent."""
    wanted = language or LANGUAGE
    if _primary(wanted) != "en":
        return None
    from voicebot.tts.hibari_package import VOICES, voice_path

    for voice, about in VOICES.items():
        if wanted in ("en", about["language"]):
            try:
                voice_path(voice, download_missing=False)
            except FileNotFoundError:
                continue
            return HibariSettings(hibari=voice)
    return None


def _primary(language: str) -> str:
    return language.partition("-")[0]


ENGINE = HibariSettings
