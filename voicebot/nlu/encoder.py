"""The sentence encoder: MiniLM-L6 as int8 in CTranslate2, one thread, 384 numbers a sentence.

The weights (``model.safetensors``) are converted once into ``ct2-int8/`` beside them; no torch, no transformers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from voicebot.errors import ModelMissing

FOLDER = "minilm-l6-v2"
CONVERTED = "ct2-int8"
FILES = ("model.safetensors", "tokenizer.json", "vocab.txt", "config.json")
MAX_PIECES = 64
"""Word pieces of a sentence that are looked at."""
_BATCH = 32
Floats = NDArray[np.float32]


def build_encoder(models_dir: Path) -> Path:
    """Convert the weights if that was not done yet.

    The folder appears under its name only when it is complete; two processes may do this at once.

    Returns:
        The folder of the converted model.

    Raises:
        ModelMissing: the downloaded files are not there.
    """
    source = models_dir / FOLDER
    target = source / CONVERTED
    if (target / "model.bin").is_file():
        return target
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise ModelMissing(f"{source} lacks {', '.join(missing)}", "run: voicebot models pull")
    with tempfile.TemporaryDirectory(prefix=".ct2-", dir=source) as work:
        made = Path(work) / CONVERTED
        made.mkdir()
        spec = _spec(source)
        spec.validate()
        spec.optimize(quantization="int8")
        spec.save(str(made))
        try:
            made.rename(target)
        except OSError:  # another process was first, or an earlier attempt left half a folder
            if not (target / "model.bin").is_file():
                shutil.rmtree(target, ignore_errors=True)
                made.rename(target)
    return target


def _spec(source: Path) -> Any:
    """The BERT encoder in CTranslate2's words."""
    shape = json.loads((source / "config.json").read_text(encoding="utf-8"))
    weights = load_file(str(source / "model.safetensors"))
    encoder = transformer_spec.TransformerEncoderSpec(
        shape["num_hidden_layers"], shape["num_attention_heads"], pre_norm=False,
        activation=common_spec.Activation.GELU,
        layernorm_embedding=True, num_source_embeddings=2, embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )  # fmt: skip
    spec = transformer_spec.TransformerEncoderModelSpec(encoder, pooling_layer=False)
    spec.encoder.scale_embeddings = False

    def linear(layer: Any, *names: str) -> None:
        layer.weight = np.concatenate([weights[f"{name}.weight"] for name in names])
        layer.bias = np.concatenate([weights[f"{name}.bias"] for name in names])

    def norm(layer: Any, name: str) -> None:
        layer.gamma, layer.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    spec.encoder.embeddings[0].weight = weights["embeddings.word_embeddings.weight"]
    spec.encoder.embeddings[1].weight = weights["embeddings.token_type_embeddings.weight"]
    spec.encoder.position_encodings.encodings = weights["embeddings.position_embeddings.weight"]
    norm(spec.encoder.layernorm_embedding, "embeddings.LayerNorm")
    for i, layer in enumerate(spec.encoder.layer):
        at = f"encoder.layer.{i}"
        linear(layer.self_attention.linear[0], *(f"{at}.attention.self.{part}" for part in ("query", "key", "value")))
        linear(layer.self_attention.linear[1], f"{at}.attention.output.dense")
        norm(layer.self_attention.layer_norm, f"{at}.attention.output.LayerNorm")
        linear(layer.ffn.linear_0, f"{at}.intermediate.dense")
        linear(layer.ffn.linear_1, f"{at}.output.dense")
        norm(layer.ffn.layer_norm, f"{at}.output.LayerNorm")
    spec.register_vocabulary((source / "vocab.txt").read_text(encoding="utf-8").splitlines())
    spec.config.unk_token = "[UNK]"
    spec.config.layer_norm_epsilon = shape["layer_norm_eps"]
    return spec


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@lru_cache(maxsize=1)
def shared_encoder(models_dir: Path) -> SentenceEncoder:
    """The encoder of a process, for all its flows: 40 MB each time it is loaded. Raises ModelMissing."""
    return SentenceEncoder(models_dir)


class SentenceEncoder:
    """Sentences to vectors of length one. Safe to call from several threads.

    Raises:
        ModelMissing: the downloaded files are not there.
    """

    def __init__(self, models_dir: Path) -> None:
        folder = build_encoder(models_dir)
        self.version = f"{ctranslate2.__version__} {_digest(folder / 'model.bin')}"
        """The same weights give the same vectors."""
        self._model = ctranslate2.Encoder(
            str(folder), device="cpu", intra_threads=1, inter_threads=1, compute_type="int8"
        )
        self._tokenizer = Tokenizer.from_file(str(models_dir / FOLDER / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_PIECES)
        self._tokenizer.no_padding()

    def __call__(self, texts: list[str]) -> Floats:
        """Encode sentences: float32 of shape (len(texts), 384)."""
        out = np.zeros((len(texts), 384), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for begin in range(0, len(order), _BATCH):
            rows = order[begin : begin + _BATCH]
            ids = [encoding.ids for encoding in self._tokenizer.encode_batch([texts[i] for i in rows])]
            hidden = np.array(self._model.forward_batch(ids).last_hidden_state, dtype=np.float32)
            for row, pieces, states in zip(rows, ids, hidden, strict=True):
                mean = states[: len(pieces)].mean(axis=0)
                out[row] = mean / np.linalg.norm(mean)
        return out
