"""``engine: whisper``: Whisper in CTranslate2 (faster-whisper)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from voicebot.asr.recogniser import Recogniser
from voicebot.asr.recognisers import RecogniserSettings
from voicebot.config import AsrSettings
from voicebot.errors import ModelMissing
from voicebot.paths import models_dir

FILES = ("model.bin", "config.json", "tokenizer.json")


class WhisperSettings(RecogniserSettings):
    whisper: str = "base.en"
    """``tiny.en``, ``base.en`` … for models/faster-whisper-<name>, or a folder with a converted model."""
    device: Literal["cpu", "cuda"] = "cpu"
    compute: Literal["int8", "int8_float16", "float16", "float32"] = "int8"
    language: str = "en"
    """What is spoken; multilingual models are told."""

    @property
    def name(self) -> str:
        return f"whisper {self.whisper}"

    def load(self, asr: AsrSettings) -> Recogniser:
        """See `RecogniserSettings.load`."""
        folder = self.folder(models_dir())
        from voicebot.asr.whisper import Whisper

        return Whisper.load(folder, self.name, self.device, self.compute, self.language, asr.threads)

    def check(self) -> None:
        """See `RecogniserSettings.check`."""
        self.folder(models_dir())

    def folder(self, models: Path) -> Path:
        """The folder with the model. Raises ModelMissing."""
        own = Path(self.whisper)
        folder = own if own.is_absolute() else models / f"faster-whisper-{self.whisper}"
        for name in FILES:
            if not (folder / name).is_file():
                remedy = f"run: voicebot models pull whisper-{self.whisper.replace('.', '-')}"
                raise ModelMissing(f"no Whisper model: {folder / name} is not there", remedy)
        return folder


ENGINE = WhisperSettings
