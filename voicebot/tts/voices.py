"""A voice: an engine with its measured loudness, and the choice among those that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from telephony.leg import Pcm
from voicebot import config, log
from voicebot.engines.supervision import SupervisedEngine, SupervisedJob
from voicebot.errors import EngineFailed, ModelMissing, VoicebotError
from voicebot.tts.espeak import VOICE, Espeak
from voicebot.tts.leveller import Leveller
from voicebot.tts.mastering import PhraseMastering, gain_for, to_float
from voicebot.tts.piper import Piper
from voicebot.tts.voice_engine import Emit, VoiceEngine

MEASURED = "Thank you for calling. How can I help you today?"
BETTER = "for a more natural voice: `voicebot models pull piper-ljspeech` (63 MB from the hub)"

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Voice:
    """An engine and the gain that brings it to the level of the telephone."""

    engine: VoiceEngine
    gain: float
    watch: SupervisedEngine[VoiceEngine] | None = None
    """Runs the engine: gives it up when it is silent for too long, and rests it after faults."""

    @classmethod
    def measured(cls, engine: VoiceEngine, limit_s: float | None = None) -> Voice:
        """Let the engine speak one sentence to learn how loud it is; with `limit_s` it is watched from then on.

        Raises:
            EngineFailed: it cannot.
        """
        blocks: list[Pcm] = []

        def keep(block: Pcm) -> bool:
            blocks.append(block)
            return True

        low = 0.25  # so that the limiter does not work yet
        finisher = PhraseMastering(engine.rate_hz, 8000, low, engine.presence)
        engine.synthesize(MEASURED, lambda block: keep(finisher.push(block)))
        keep(finisher.push(np.zeros(0, np.int16), last=True))
        audio = np.concatenate(blocks)
        if not len(audio):
            raise EngineFailed(f"{engine.name} gives no sound")
        return cls(
            engine, low * gain_for(to_float(audio), 8000), None if limit_s is None else supervised(engine, limit_s)
        )

    def speak(self, text: str, rate_hz: int, emit: Emit) -> None:
        """Give blocks at `rate_hz` (some empty), levelled and without silence at the ends. Raises EngineFailed."""
        if self.watch is None:
            self._speak(text, rate_hz, emit)
        else:
            self.watch.run(lambda job: self._speak(text, rate_hz, _until_expired(emit, job)))

    def close(self) -> None:
        """Let go of threads and connections; nothing is spoken after this."""
        if self.watch is not None:
            self.watch.close()
        self.engine.close()

    def _speak(self, text: str, rate_hz: int, emit: Emit) -> None:
        leveller = Leveller(rate_hz, self.engine.quick)
        finisher = PhraseMastering(self.engine.rate_hz, rate_hz, self.gain, self.engine.presence, leveller)
        self.engine.synthesize(text, lambda block: emit(finisher.push(block)))
        emit(finisher.push(np.zeros(0, np.int16), last=True))


def supervised(engine: VoiceEngine, limit_s: float, **rest: Any) -> SupervisedEngine[VoiceEngine]:
    """The engine with a time limit for each block, and rest after faults. `rest`: more for `SupervisedEngine`."""
    return SupervisedEngine("tts", engine.name, engine, _probe, limit_s, **rest)


def _probe(engine: VoiceEngine) -> None:
    heard: list[int] = []

    def first(block: Pcm) -> bool:
        heard.append(len(block))
        return not any(heard)

    engine.synthesize("Hello.", first)
    if not any(heard):
        raise EngineFailed(f"{engine.name} gives no sound")


def _until_expired(emit: Emit, job: SupervisedJob) -> Emit:
    def pass_on(block: Pcm) -> bool:
        job.beat()
        return not job.expired and emit(block)

    return pass_on


def choose_voices(settings: config.TtsSettings, folder: Path, language: str = "") -> tuple[list[Voice], str]:
    """The voices to try in order, best first, and advice how to get a better one (or empty).

    Args:
        settings: which are wanted; espeak-ng comes after them.
        folder: holds ``<voice>.onnx`` and ``<voice>.onnx.json`` of Piper voices.
        language: of `config.TtsSettings.languages`; empty for that of the dialog.

    Raises:
        ModelMissing: a Piper voice asked for by name is not there.
        EngineFailed: it is there and broken, or espeak-ng is.
    """
    voices: list[Voice] = []
    advice = ""
    listed = settings.voices if not language else config.TtsSettings(voice=settings.languages[language]).voices
    last = ("espeak",) if listed[-1] != "espeak" else ()
    for wanted in (*listed, *last):
        if isinstance(wanted, config.PipecatSettings):
            voices.append(_pipecat(wanted, settings.limit_s))
        elif wanted == "auto":
            found = _installed(settings, folder, language)
            voices += found
            advice = "" if found else BETTER
        elif wanted == "espeak":
            voices.append(Voice.measured(_espeak(settings, language), settings.limit_s))
        else:
            voices.append(Voice.measured(Piper.load(folder, wanted, settings.words_per_minute), settings.limit_s))
    return voices, advice


def _espeak(settings: config.TtsSettings, language: str) -> Espeak:
    """espeak-ng in a language: that of the region (``en-GB``) if it has one. Raises EngineFailed when it has none."""
    if not language:
        return Espeak(settings.words_per_minute)
    variant = VOICE.partition("+")[2]
    try:
        return Espeak(settings.words_per_minute, f"{language.lower()}+{variant}")
    except EngineFailed:
        return Espeak(settings.words_per_minute, f"{language[:2]}+{variant}")


def _installed(settings: config.TtsSettings, folder: Path, language: str) -> list[Voice]:
    """The first Piper voice in the folder that works, of this language if there is one."""
    for name in sorted(path.stem for path in folder.glob(f"{language.replace('-', '_')}*.onnx")):
        try:
            return [Voice.measured(Piper.load(folder, name, settings.words_per_minute), settings.limit_s)]
        except (EngineFailed, ModelMissing) as error:
            _log.warning("voice not usable", extra={"voice": name, "error": str(error)})
    return []


def _pipecat(service: config.PipecatSettings, limit_s: float) -> Voice:
    """A service that does not answer now may do so later: it stays in the list, at its own loudness."""
    from voicebot.tts.pipecat_tts import PipecatTts  # costs tens of megabytes

    engine = PipecatTts(service, limit_s)
    try:
        return Voice.measured(engine, limit_s)
    except EngineFailed as error:
        _log.warning("voice does not answer", extra={"voice": engine.name, "error": str(error)})
        return Voice(engine, 1.0, supervised(engine, limit_s))


def faults(settings: config.TtsSettings, folder: Path) -> list[VoicebotError]:
    """What the voices that are named lack, found without loading them."""
    found: list[VoicebotError] = []
    for language in settings.languages:
        try:
            _espeak(settings, language)
        except EngineFailed as error:
            found.append(error)
    others = [voice for wanted in settings.languages.values() for voice in config.TtsSettings(voice=wanted).voices]
    for wanted in (*settings.voices, *others):
        try:
            if isinstance(wanted, config.PipecatSettings):
                from voicebot.engines import pipecat

                pipecat.check(wanted)
            elif wanted not in ("auto", "espeak"):
                Piper.find(folder, wanted)
        except (EngineFailed, ModelMissing) as error:
            found.append(error)
    return found
