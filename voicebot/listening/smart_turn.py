"""Smart Turn, an end-of-turn model: whether speech sounds finished, asked where words and punctuation say that it is.

The model (pipecat-ai carries version 3.2: an encoder of Whisper's kind over the last 8 s of a turn) knows nothing of
what the dialog waits for and costs more processor time than the recognition. So it is asked about free speech only,
and only where the turn would be over soon; where it disagrees the caller is given `TurnTiming.may_go_on_s`.
``voicebot bench turns --smart-turn`` measures what that is worth; see docs/turn-taking.md.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from voicebot.asr.moonshine_session import exact
from voicebot.asr.recogniser import RATE_HZ, Audio, Cancelled, Recogniser, Transcript
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.listening import endpointing
from voicebot.listening.turn_timing import TurnTiming
from voicebot.messages import Expect

HEARD_S = 8
"""What the model hears: the end of the turn; shorter ones come after silence."""
_FFT, _HOP, _MELS = 400, 160, 80
_LINEAR_HZ, _LINEAR_MELS, _STEPS = 1000.0, 15.0, 27.0 / np.log(6.4)
"""Slaney's scale: linear up to 1000 Hz, logarithmic above."""
_FLOOR, _RANGE = 1e-10, 8.0


def find_model() -> Path:
    """The weights inside the installed pipecat-ai, found without importing it. Raises ModelMissing: not there."""
    spec = importlib.util.find_spec("pipecat")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "audio" / "turn" / "smart_turn" / "data" / "smart-turn-v3.2-cpu.onnx"
        if path.is_file():
            return path
    raise ModelMissing(
        "the Smart Turn model is not there", "install pipecat-ai again, or leave turns.end_of_turn_model out"
    )


class SmartTurn:
    """The model; threads share it, each question uses one core. Raises ModelMissing: damaged."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not exact():  # or a caller in the middle of a sentence sounds finished: 0.89 in place of 0.34
            options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session: Any = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (RuntimeError, ValueError) as error:
            raise ModelMissing(f"{path} is damaged: {error}", "install pipecat-ai again") from error

    def end_probability(self, audio: Audio) -> float:
        """Probability that a turn is over, from its audio (16 000 Hz, the pause after it included).

        Raises:
            RuntimeError: onnxruntime's own errors derive from it.
        """
        return float(np.asarray(self._session.run(None, {"input_features": features(audio)[None]})[0]).ravel()[0])


def features(audio: Audio) -> NDArray[np.float32]:
    """Log-mel energies (80, 800) of the last 8 s, as Whisper takes them (Radford et al., 2022, section 2.2)."""
    size = HEARD_S * RATE_HZ
    padded = np.pad(audio[-size:], (max(0, size - audio.size), 0))
    level = (padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)
    edged = np.pad(level.astype(np.float64), _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(edged, _FFT)[::_HOP][:-1]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FFT + 1)[:-1])) ** 2
    logs = np.log10(np.maximum(_FLOOR, power @ _filters())).T
    return np.asarray((np.maximum(logs, logs.max() - _RANGE) + 4) / 4, np.float32)


@cache
def _filters() -> NDArray[np.float64]:
    """(201, 80): triangles of equal area, evenly spaced on the mel scale."""
    top = _LINEAR_MELS + np.log(RATE_HZ / 2 / _LINEAR_HZ) * _STEPS
    mels = np.linspace(0, top, _MELS + 2)
    above = _LINEAR_HZ * np.exp((mels - _LINEAR_MELS) / _STEPS)
    hz = np.where(mels < _LINEAR_MELS, mels * _LINEAR_HZ / _LINEAR_MELS, above)
    bins = np.linspace(0, RATE_HZ / 2, _FFT // 2 + 1)[:, None]
    rising, falling = (bins - hz[:-2]) / np.diff(hz)[:-1], (hz[2:] - bins) / np.diff(hz)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (hz[2:] - hz[:-2]))


class RecogniserWithSmartTurn:
    """An engine whose free transcripts say how finished they sound, where that may matter. Threads share it."""

    def __init__(self, engine: Recogniser, model: SmartTurn, timing: TurnTiming | None = None) -> None:
        self._engine, self._model, self._timing = engine, model, timing or TurnTiming()
        self.name = engine.name

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        """See `Recogniser.recognise`."""
        found = self._engine.recognise(audio, expect, cancelled)
        if found is None or not found.text or expect.kind != "free" or cancelled():
            return found
        if endpointing.silence_needed(found, expect, self._timing) >= self._timing.may_go_on_s:
            return found
        try:
            return replace(found, end_probability=self._model.end_probability(audio))
        except RuntimeError as error:
            raise EngineFailed(f"Smart Turn failed: {error}") from error

    def close(self) -> None:
        """See `Recogniser.close`."""
        self._engine.close()
