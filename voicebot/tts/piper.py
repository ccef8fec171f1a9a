"""Piper, the neural voice: a VITS model in onnxruntime, a sentence at a time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
from piper import PiperVoice, SynthesisConfig
from piper.config import PiperConfig

from voicebot.errors import EngineFailed
from voicebot.tts.onnx_errors import LOADING, RUNNING
from voicebot.tts.voice_engine import Emit

NATURAL_WPM = 165
"""Speed of a voice at length scale 1, about; words_per_minute is relative to it."""


class Piper:
    """The Piper engine; one voice, safe to use in several threads."""

    clausewise = True
    quick = True
    presence = 0.0

    def __init__(self, voice: PiperVoice, name: str, words_per_minute: int) -> None:
        self._voice = voice
        self.name = f"piper {name} {words_per_minute}"
        self.rate_hz = int(voice.config.sample_rate)
        scale = voice.config.length_scale * NATURAL_WPM / words_per_minute
        # One gain for the whole voice is measured outside, so sentences are not normalised one by one here.
        self._settings = SynthesisConfig(length_scale=scale, normalize_audio=False)

    @classmethod
    def load(cls, model: Path, settings: Path, name: str, words_per_minute: int = NATURAL_WPM) -> Piper:
        """Load ``<name>.onnx`` and ``<name>.onnx.json``; blocks for about a second.

        Raises:
            EngineFailed: they are no Piper voice.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # callers share the cores, not one sentence
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            config = PiperConfig.from_dict(json.loads(settings.read_text(encoding="utf-8")))
            session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except LOADING as error:
            raise EngineFailed(f"{model} is no Piper voice: {error}", "delete it and `voicebot models pull`") from None
        return cls(PiperVoice(session=session, config=config), name, words_per_minute)

    def close(self) -> None:
        """See `VoiceEngine`; nothing but memory is held."""

    def synthesize(self, text: str, emit: Emit) -> None:
        """See `VoiceEngine`. One block a sentence."""
        plain = text.replace("[[", " ").replace("]]", " ")  # Piper reads phonemes between these
        try:
            for chunk in self._voice.synthesize(plain, self._settings):
                if not emit(np.asarray(chunk.audio_int16_array, np.int16)):
                    return
        except RUNNING as error:
            raise EngineFailed(f"{self.name} failed: {error}") from error
