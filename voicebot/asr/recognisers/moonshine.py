"""``engine: moonshine``: Moonshine tiny-en, led through the grammar of what is expected."""

from __future__ import annotations

from voicebot.asr.recogniser import Recogniser
from voicebot.asr.recognisers import RecogniserSettings
from voicebot.config import AsrSettings
from voicebot.errors import ModelMissing
from voicebot.paths import models_dir

FOLDER = "moonshine-tiny-en"
FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")


class MoonshineSettings(RecogniserSettings):
    """Nothing can be set."""

    def load(self, asr: AsrSettings) -> Recogniser:
        """See `RecogniserSettings.load`."""
        from voicebot.asr.moonshine import Moonshine

        return Moonshine(models_dir() / FOLDER)

    def check(self) -> None:
        """See `RecogniserSettings.check`."""
        for path in (models_dir() / FOLDER / name for name in FILES):
            if not path.is_file():
                raise ModelMissing(f"no recognition model: {path} is not there", "run: voicebot models pull")


ENGINE = MoonshineSettings
