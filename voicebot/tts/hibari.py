"""hibari, the natural voice: phonemes by a dictionary, a spectrum by a net of 2 million weights, a sentence at a time.

Package and weights are in the wheel ``hibari-tts`` (Apache-2.0); its voices were distilled from Kokoro-82M.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from voicebot.errors import EngineFailed, ModelMissing
from voicebot.tts.hibari_dictionary import HibariDictionary
from voicebot.tts.hibari_package import ASSETS, VOICES, hibari, voice_path
from voicebot.tts.onnx_errors import LOADING, RUNNING
from voicebot.tts.voice_engine import Emit

NATURAL_WPM = 212
"""Of a voice at speed 1, over the demo's prompts, pauses in them included; words_per_minute is relative to it."""
SEED = 1
"""Of the noise in consonants: the same words always sound the same."""


class _Model(hibari.Hibari):  # type: ignore[misc]
    """One voice of the package in memory: its net and its dictionary, for all calls and speeds of the process.

    The package's own constructor is not called: it would fetch a voice that is not here, and let idle threads spin.
    """

    _loaded: dict[str, _Model] = {}  # noqa: RUF012 - the process's, beside the lock
    _loading = threading.Lock()

    def __init__(self, voice: str, path: Path) -> None:
        self.voice = voice
        self.model_path = str(path)
        self.vocab = json.loads((Path(ASSETS) / "vocab.json").read_text(encoding="utf-8"))
        self.sess = _session(path)
        self._g2p = HibariDictionary(bool(VOICES[voice]["british"]), _session)

    @classmethod
    def get(cls, voice: str) -> _Model:
        """Raises ModelMissing, EngineFailed."""
        path = weights(voice)
        with cls._loading:
            if voice not in cls._loaded:
                try:
                    cls._loaded[voice] = cls(voice, path)
                except LOADING as error:
                    raise EngineFailed(f"hibari {voice} cannot be loaded: {error}", "reinstall hibari-tts") from None
            return cls._loaded[voice]


class Hibari:
    """The hibari engine; one voice at one speed, safe to use in several threads.

    Args:
        voice: a name of `hibari.voices.VOICES`.
        words_per_minute: its speed.

    Raises:
        ModelMissing: the voice is not on this machine. EngineFailed: a broken installation.
    """

    clausewise = True
    quick = True
    presence = 0.35
    """Of the demo's 106 prompts (1306 words) it brings the words that Moonshine tiny mishears over µ-law from 5.4 to
    4.1 %, and at 10 dB of noise from 11.0 to 8.4 %."""
    rate_hz = int(hibari.SAMPLE_RATE)

    def __init__(self, voice: str, words_per_minute: int = NATURAL_WPM) -> None:
        self._model = _Model.get(voice)
        self._speed = words_per_minute / NATURAL_WPM
        self.name = f"hibari {hibari.__version__} {voice} {words_per_minute}"

    def close(self) -> None:
        """See `VoiceEngine`; nothing but memory is held."""

    def synthesize(self, text: str, emit: Emit) -> None:
        """See `VoiceEngine`. One block a sentence."""
        plain = text.replace("[", " ").replace("]", " ")  # hibari reads phonemes in [words](/here/)
        try:
            for sound in self._model.stream(plain, self._speed, SEED):
                if not emit((np.clip(sound, -1.0, 1.0) * 32767).astype(np.int16)):
                    return
        except RUNNING as error:
            raise EngineFailed(f"{self.name} failed: {error}") from error


def weights(voice: str) -> Path:
    """Where a voice's net lies; nothing is fetched. Raises ModelMissing."""
    try:
        return Path(voice_path(voice, download_missing=False))
    except ValueError:
        raise ModelMissing(f"hibari has no voice {voice!r}", f"take one of {', '.join(VOICES)}") from None
    except FileNotFoundError as missing:
        file = missing.args[0]
        raise ModelMissing(
            f"the hibari voice {voice!r} is not here",
            f"put {VOICES[voice]['file']} from its hub to {file}, or take heart",
        ) from None


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # callers share the cores, not one sentence
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False  # it would keep what the longest sentence took, and is no faster
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
