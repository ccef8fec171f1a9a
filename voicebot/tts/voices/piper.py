"""``voice: en_US-ljspeech-medium``: a Piper voice in models/piper."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from voicebot.cache.cache_folder import file_version
from voicebot.errors import ModelMissing
from voicebot.tts.voice import Voice
from voicebot.tts.voices import VoiceRequest, VoiceSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class PiperSettings(VoiceSettings):
    piper: str
    """Name of the voice."""

    @property
    def name(self) -> str:
        """See `EngineSettings`."""
        return f"piper {self.piper}"

    @classmethod
    def named(cls, text: str) -> PiperSettings:
        """Any name that is no other voice's is a Piper voice's."""
        return cls(piper=text)

    def load(self, request: VoiceRequest) -> list[Voice]:
        """See `VoiceSettings.load`."""
        self.check(request)
        from voicebot.tts.piper import Piper

        model, settings = files(folder(request), self.piper)
        engine = Piper.load(model, settings, self.piper, request.words_per_minute)
        which = f"{version('piper-tts')} {file_version(model)}"
        return [Voice.measured(engine, request.limit_s, which)]

    def check(self, request: VoiceRequest) -> None:
        """See `VoiceSettings.check`."""
        files(folder(request), self.piper)


def folder(request: VoiceRequest) -> Path:
    """Holds ``<voice>.onnx`` and ``<voice>.onnx.json``."""
    return request.models / "piper"


def files(folder: Path, name: str) -> tuple[Path, Path]:
    """Model and settings of a voice. Raises ModelMissing."""
    model, settings = folder / f"{name}.onnx", folder / f"{name}.onnx.json"
    if not _NAME.fullmatch(name) or not model.is_file() or not settings.is_file():
        raise ModelMissing(
            f"the Piper voice {name!r} is not in {folder}",
            "`voicebot models pull`, or `tts: voice: auto` to speak with what is there",
        )
    return model, settings


ENGINE = PiperSettings
