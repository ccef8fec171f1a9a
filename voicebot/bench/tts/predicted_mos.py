"""How natural a voice sounds, predicted by models that learnt it from listeners, where they are installed.

``pip install distillmos`` (MIT, needs torch) or ``pip install speechmos librosa`` (MIT, DNSMOS in onnxruntime): both
bring their weights. Nothing else of the project needs them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.caller_audio import through_line
from voicebot.tts.mastering import to_float

MODEL_HZ = 16000
Predict = Callable[[NDArray[np.float32]], float]
"""Audio of 16000 Hz, float32 of shape (n,) in -1…1 → mean opinion score, 1…5."""


@dataclass(frozen=True, slots=True)
class MosModel:
    name: str
    """Key of its figure: ``mos_distill`` or ``mos_dnsmos``."""
    predict: Predict

    def of(self, pcm: Pcm) -> float:
        """Score of 8000 Hz audio as it arrives over a µ-law line."""
        sound = soxr.resample(to_float(through_line(pcm)), RATE_HZ, MODEL_HZ)
        return self.predict(np.clip(np.asarray(sound, np.float32), -1.0, 1.0))


def installed() -> list[MosModel]:
    """The models that there are, loaded; both need seconds."""
    found = []
    if importlib.util.find_spec("distillmos"):
        found.append(MosModel("mos_distill", _distillmos()))
    if importlib.util.find_spec("speechmos") and importlib.util.find_spec("librosa"):
        found.append(MosModel("mos_dnsmos", _dnsmos()))
    return found


def _distillmos() -> Predict:
    distillmos: Any = importlib.import_module("distillmos")
    torch: Any = importlib.import_module("torch")
    model = distillmos.ConvTransformerSQAModel()
    model.eval()

    def predict(sound: NDArray[np.float32]) -> float:
        with torch.no_grad():
            return float(model(torch.from_numpy(sound)[None]).item())

    return predict


def _dnsmos() -> Predict:
    dnsmos: Any = importlib.import_module("speechmos.dnsmos")

    def predict(sound: NDArray[np.float32]) -> float:
        return float(dnsmos.run(sound, MODEL_HZ, return_df=False)["ovrl_mos"])

    return predict
