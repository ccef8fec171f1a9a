"""The recognisers that there are: a module each, whose name is the recogniser's in ``asr: engine:`` (voicebot.yaml).

To add one, add a module here with an ``ENGINE``, a subclass of `RecogniserSettings`, and touch nothing else.
It may import asr, engines and languages; what is heavy in ``load`` only. See docs/contributing.md.
"""

from __future__ import annotations

from voicebot.asr.recogniser import Recogniser
from voicebot.config import AsrSettings, EngineSettings
from voicebot.errors import EngineFailed, ModelMissing, VoicebotError


class RecogniserSettings(EngineSettings):
    """Settings of one recogniser, and how it is loaded and checked with them."""

    def load(self, asr: AsrSettings) -> Recogniser:
        """Make it; blocks for as long as its weights take.

        Raises:
            ModelMissing: weights are not there.
            EngineFailed: it cannot be made.
        """
        raise NotImplementedError

    def check(self) -> None:
        """See that it could be loaded, without loading it. Raises ModelMissing, EngineFailed."""
        raise NotImplementedError


def load_all(asr: AsrSettings) -> list[Recogniser]:
    """Those of the configuration, best first. Raises ModelMissing, EngineFailed."""
    return [engine.load(asr) for engine in _chosen(asr)]


def faults(asr: AsrSettings) -> list[VoicebotError]:
    """What those of the configuration lack, found without loading them."""
    found: list[VoicebotError] = []
    for engine in _chosen(asr):
        try:
            engine.check()
        except (EngineFailed, ModelMissing) as error:
            found.append(error)
    return found


def _chosen(asr: AsrSettings) -> list[RecogniserSettings]:
    chosen: list[RecogniserSettings] = []
    for engine in asr.engines:
        if not isinstance(engine, RecogniserSettings):
            raise TypeError(f"{type(engine).__name__} is no RecogniserSettings")
        chosen.append(engine)
    return chosen
