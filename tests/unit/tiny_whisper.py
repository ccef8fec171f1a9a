"""A Whisper in CTranslate2's form whose decoder says one sentence, whatever it hears: each letter leads to the next.

Attention and feed-forward layers are nothing but zeros, so what follows a token depends on that token alone. Encoder,
tokenizer, vocabulary and files have the real shapes; it takes a tenth of a second to build.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SIZE, HEADS, MELS = 128, 2, 80
SURE = 12.0
"""Logit of the next letter; the others' are near 0."""
TIMES = [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
SPECIAL = [
    "<|endoftext|>", "<|startoftranscript|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
    "<|nospeech|>", "<|notimestamps|>", *TIMES,
]  # fmt: skip


def build(folder: Path, sentence: str, others: dict[str, float] | None = None) -> Path:
    """Write the model. Letters of `sentence` must not repeat; `others`: texts with a lower logit."""
    folder.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = [tokenizer.id_to_token(token) for token in range(tokenizer.get_vocab_size())]
    spec = WhisperSpec(1, HEADS, 1, HEADS)
    rng = np.random.default_rng(7)
    _fill(spec, len(names), rng)
    codes = rng.standard_normal((len(names), SIZE)).astype(np.float32)
    codes -= codes.mean(1, keepdims=True)
    codes /= codes.std(1, keepdims=True)  # as layer normalisation leaves them
    spec.decoder.embeddings.weight = codes
    follows = np.zeros((len(names), SIZE), np.float32)
    for text, sure in {sentence: SURE, **(others or {})}.items():
        spoken = tokenizer.encode(" " + text).ids
        begin, end = tokenizer.token_to_id("<|notimestamps|>"), tokenizer.token_to_id("<|endoftext|>")
        for before, after in zip([begin, *spoken], [*spoken, end], strict=True):
            follows[after] += sure * codes[before] / SIZE
    spec.decoder.projection.weight = follows
    spec.decoder.projection.bias = np.zeros(len(names), np.float32)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokenizer.token_to_id("<|endoftext|>")]
    spec.config.lang_ids = []
    spec.config.alignment_heads = [(0, 0)]
    spec.register_vocabulary(names)
    spec.validate()
    spec.optimize(quantization=None)
    spec.save(str(folder))
    settings = {"feature_size": MELS, "sampling_rate": 16000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def _tokenizer() -> Tokenizer:
    """Bytes as tokens, without merges, and Whisper's special tokens behind them."""
    alphabet = {char: number for number, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer


def _fill(spec: Any, vocabulary: int, rng: np.random.Generator) -> None:
    """The shapes of a real model; random where sound is encoded, zero where text would be attended to."""

    def some(*shape: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * 0.1).astype(np.float32)

    def none(*shape: int) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = some(SIZE, MELS, 3), none(SIZE)
    encoder.conv2.weight, encoder.conv2.bias = some(SIZE, SIZE, 3), none(SIZE)
    encoder.position_encodings.encodings = some(1500, SIZE)
    decoder.position_encodings.encodings = none(448, SIZE)
    for layer, make in ((encoder.layer[0], some), (decoder.layer[0], none)):
        _linear(layer.self_attention.linear[0], make, 3 * SIZE, SIZE)
        _linear(layer.self_attention.linear[1], make, SIZE, SIZE)
        _linear(layer.ffn.linear_0, make, 4 * SIZE, SIZE)
        _linear(layer.ffn.linear_1, make, SIZE, 4 * SIZE)
        _norm(layer.self_attention.layer_norm)
        _norm(layer.ffn.layer_norm)
    attention = decoder.layer[0].attention
    for linear, out in zip(attention.linear, (SIZE, 2 * SIZE, SIZE), strict=True):
        _linear(linear, none, out, SIZE)
    for norm in (attention.layer_norm, encoder.layer_norm, decoder.layer_norm):
        _norm(norm)


def _linear(spec: Any, make: Any, out: int, size: int) -> None:
    spec.weight, spec.bias = make(out, size), np.zeros(out, np.float32)


def _norm(spec: Any) -> None:
    spec.gamma, spec.beta = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)
