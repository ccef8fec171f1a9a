"""Moonshine's networks at work: audio → frames, and the decoder bent over one utterance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from voicebot.asr import moonshine_networks
from voicebot.asr.moonshine_networks import HEAD_SIZE, HEADS, LAYERS, PublishedWeights
from voicebot.asr.moonshine_vocabulary import BOS
from voicebot.asr.recogniser import RATE_HZ, Audio
from voicebot.cache.cache_folder import code_version, file_name, file_version, open_cache
from voicebot.paths import cache_dir

FRAME = 384
"""Samples at 16 kHz of one encoder frame."""
FILES = ("encoder_model.ort", "decoder_model_merged.ort")
NETWORK_BYTES = 64_000_000
"""Room for both networks on disk: they are 43 MB."""
_KINDS = tuple(f"{kind}.{i}" for i in range(LAYERS) for kind in ("key", "value"))
_PRESENT = tuple(f"present.{kind}" for kind in _KINDS)
_CPU = ["CPUExecutionProvider"]
_ort = ort.OrtValue.ortvalue_from_numpy

LogProbabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KeyValueCache:
    """Keys and values of the tokens so far, of each hypothesis; they stay in onnxruntime."""

    values: tuple[Any, ...]
    tokens: int


class MoonshineSession:
    """Both networks, shared by threads; each run uses one core.

    Raises:
        RuntimeError: onnxruntime cannot load them.
        ValueError: they are not the networks that are known here.
    """

    def __init__(self, folder: Path) -> None:
        encoder, decoder = _networks(folder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not exact():
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._encoder = _session(encoder, options)
        self._decoder = _session(decoder, options)
        nothing = _ort(np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32))
        self._empty = KeyValueCache((nothing,) * len(_KINDS), 0)

    def frames(self, audio: Audio) -> NDArray[np.float32]:
        """What the encoder makes of prepared audio: (T, 288), a frame of 24 ms each. Raises RuntimeError."""
        (found,) = self._encoder.run(["frames"], {"audio": audio[None]})
        return np.asarray(found[0], np.float32)

    def decoding(self, audio: Audio) -> UtteranceDecoder:
        """Listen to prepared audio. Raises RuntimeError."""
        frames, *heard = self._encoder.run_with_ort_values(["frames", *_KINDS], {"audio": _ort(audio[None])})
        return UtteranceDecoder(self._decoder, frames.numpy()[0], dict(zip(_KINDS, heard, strict=True)), self._empty)


def _session(network: bytes, options: ort.SessionOptions) -> Any:
    session: Any = ort.InferenceSession(network, options, providers=_CPU)
    session._model_bytes = b""  # kept for other providers, which there are not: 43 MB
    return session


def _networks(folder: Path) -> tuple[bytes, bytes]:
    """Encoder and decoder, as they were made before: making them takes a second and leaves 45 MB behind.

    Raises RuntimeError, ValueError: see `PublishedWeights`.
    """
    kept = open_cache(cache_dir() / "moonshine", NETWORK_BYTES)
    made_of = [file_version(folder / name) for name in FILES]
    names = [file_name(part, *made_of, code_version(Path(__file__).parent)) for part in ("encoder", "decoder")]
    if kept is not None:
        encoder, decoder = map(kept.read, names)
        if encoder is not None and decoder is not None:
            return encoder, decoder
        kept.keep_only(())
    weights, crossing = (PublishedWeights(folder / name) for name in FILES)
    made = moonshine_networks.encoder(weights, crossing), moonshine_networks.decoder(crossing)
    if kept is not None:
        for name, network in zip(names, made, strict=True):
            kept.write(name, network)
    return made


def exact() -> bool:
    """Whether this processor multiplies unsigned with signed bytes exactly. With VNNI, and on ARM, it does; with AVX2
    alone, sums of two products stop at 32 767, and onnxruntime must be told to take the slower, exact way.
    """
    network = moonshine_networks.product(np.full((2, 1), 127, np.int8))
    (found,) = ort.InferenceSession(network, providers=_CPU).run(None, {"x": np.ones((1, 2), np.float32)})
    return bool(abs(found[0, 0] - 2 * 127) < 1)


class UtteranceDecoder:
    """The decoder's view of one utterance: the first step is shared by the free and the in-grammar search."""

    def __init__(self, decoder: Any, frames: NDArray[np.float32], heard: dict[str, Any], empty: KeyValueCache) -> None:
        self._decoder = decoder
        self._heard = heard
        self.frames = frames
        self.seconds = len(frames) * FRAME / RATE_HZ
        self._empty = empty

    @cached_property
    def first(self) -> tuple[LogProbabilities, KeyValueCache]:
        """The first step, made when it is needed: where the frames say enough there is none."""
        return self.step([BOS], [0], self._empty)

    def step(self, tokens: list[int], rows: list[int], cache: KeyValueCache) -> tuple[LogProbabilities, KeyValueCache]:
        """One more token for each hypothesis; `rows` tells which of those in `cache` it goes on from.

        Returns:
            Log-probabilities of the next token, (hypotheses, vocabulary), and the new cache.
        """
        feeds = {
            "tokens": _ort(np.array(tokens, np.int64)[:, None]),
            "rows": _ort(np.array(rows, np.int64)),
            "position": _ort(np.array([cache.tokens], np.int64)),
            **self._heard,
            **{f"past.{kind}": value for kind, value in zip(_KINDS, cache.values, strict=True)},
        }
        logs, *present = self._decoder.run_with_ort_values(["logs", *_PRESENT], feeds)
        return logs.numpy(), KeyValueCache(tuple(present), cache.tokens + 1)
