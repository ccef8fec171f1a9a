"""A voice: an engine with its measured loudness, and the choice among those that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telephony.leg import Pcm
from voicebot import log
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.mouth.engine import Emit, Engine
from voicebot.mouth.espeak import Espeak
from voicebot.mouth.finish import Finisher, gain_for, to_float
from voicebot.mouth.piper import Piper

MEASURED = "Thank you for calling. How can I help you today?"
BETTER = "for a more natural voice: `voicebot models pull piper-ljspeech` (63 MB from the hub)"

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Voice:
    """An engine and the gain that brings it to the level of the telephone."""

    engine: Engine
    gain: float

    @classmethod
    def measured(cls, engine: Engine) -> Voice:
        """Let the engine speak one sentence to learn how loud it is. Raises EngineFailed when it cannot."""
        blocks: list[Pcm] = []

        def keep(block: Pcm) -> bool:
            blocks.append(block)
            return True

        low = 0.25  # so that the limiter does not work yet
        cls(engine, low).speak(MEASURED, 8000, keep)
        audio = np.concatenate(blocks)
        if not len(audio):
            raise EngineFailed(f"{engine.name} gives no sound")
        return cls(engine, low * gain_for(to_float(audio), 8000))

    def speak(self, text: str, rate_hz: int, emit: Emit) -> None:
        """Give blocks at `rate_hz` (some empty), levelled and without silence at the ends. Raises EngineFailed."""
        finisher = Finisher(self.engine.rate_hz, rate_hz, self.gain, self.engine.presence)

        self.engine.synthesize(text, lambda block: emit(finisher.push(block)))
        emit(finisher.push(np.zeros(0, np.int16), last=True))


def choose(wanted: str, words_per_minute: int, folder: Path) -> tuple[list[Voice], str]:
    """The voices to try in order, best first, and advice how to get a better one (or empty).

    Args:
        wanted: ``auto``, ``espeak``, or the name of a Piper voice in `folder`.
        folder: holds ``<voice>.onnx`` and ``<voice>.onnx.json``.

    Raises:
        ModelMissing: the Piper voice asked for by name is not there.
        EngineFailed: it is there and broken, or espeak-ng is.
    """
    fallback = Voice.measured(Espeak(words_per_minute))
    if wanted == "espeak":
        return [fallback], ""
    names = sorted(path.stem for path in folder.glob("*.onnx")) if wanted == "auto" else [wanted]
    for name in names:
        try:
            return [Voice.measured(Piper.load(folder, name, words_per_minute)), fallback], ""
        except (EngineFailed, ModelMissing) as error:
            if wanted != "auto":
                raise
            _log.warning("voice not usable", extra={"voice": name, "error": str(error)})
    return [fallback], BETTER
