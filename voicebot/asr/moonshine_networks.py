"""Moonshine's weights in networks of our own: what the published ones compute, in a sixth of the steps.

The published decoder runs some 900 operators for one token, most of them for shapes that never change, carries what it
knows of the audio along for every hypothesis, and leaves 32 768 logits to be normalised outside. Here, attention and
rotary positions are one operator each, and hypotheses of one utterance share its audio. Weights and arithmetic (8-bit
integers, quantised as they come) are the same, and so are the results, up to rounding.

Architecture: Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands", 2024.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from voicebot.asr.onnx_file import MICROSOFT, OnnxGraph, ProtobufMessage, Tensor, read, tensor, text

LAYERS, HEADS, HEAD_SIZE, WIDTH = 6, 8, 36, 288
TURNED = 32
"""Of each head's numbers so many are turned by their position (rotary embedding)."""
POSITIONS = 4096
"""Frames of an utterance at most: 98 s."""
_EPSILON = 1e-5
_BASE = 10000.0


class PublishedWeights:
    """The tensors of a published network, by their own names and by those of the operators that multiply with them.

    Raises:
        RuntimeError: onnxruntime cannot load it.
        ValueError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.save_model_format", "ONNX")
        options.add_session_config_entry("session.disable_prepacking", "1")
        with tempfile.TemporaryDirectory(prefix="voicebot-") as folder:
            copy = Path(folder) / "model.onnx"
            options.optimized_model_filepath = str(copy)
            ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            with copy.open("rb") as file:  # mapped: what is let go of then leaves the process
                graph = read(read(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))[7][0])
        self._tensors: dict[str, Tensor] = {}
        self._inputs: dict[str, list[str]] = {}
        self._take(graph)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise ValueError(f"there is no {name}")
        return self._tensors[name]

    def factor(self, operators: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """What operators multiply with, side by side: (in, out) int8, and scale and zero point, of each column."""
        parts = [self._factor(name) for name in operators]
        if len(parts) == 1:
            return _signed(parts[0][0]), parts[0][1], _signed(parts[0][2])
        return (
            np.concatenate([_signed(weights) for weights, _, _ in parts], 1),
            np.concatenate([np.full(weights.shape[1], scale, np.float32) for weights, scale, _ in parts]),
            np.concatenate([np.full(weights.shape[1], _signed(zero), np.int8) for weights, _, zero in parts]),
        )

    def _factor(self, operator: str) -> tuple[Tensor, Tensor, Tensor]:
        for name in self._inputs.get(operator, []):
            if name.endswith("_quantized") and name in self._tensors:
                stem = name.removesuffix("_quantized")
                return self[name], self[f"{stem}_scale"], self[f"{stem}_zero_point"]
        raise ValueError(f"there is no {operator}")

    def _take(self, graph: ProtobufMessage) -> None:
        for field in graph.get(5, []):
            message = read(field)
            array = tensor(message)
            if array is not None:
                self._tensors[text(message[8][0])] = array
        for field in graph.get(1, []):
            node = read(field)
            if 3 in node:
                self._inputs[text(node[3][0])] = [text(name) for name in node.get(1, [])]
            for attribute in map(read, node.get(5, [])):
                for inner in attribute.get(6, []):
                    self._take(read(inner))


def _signed(numbers: Tensor) -> Tensor:
    """uint8 → int8, 128 less: the same differences, but processors multiply unsigned with signed bytes at twice the
    speed of unsigned ones (AVX-512 VNNI, AVX-VNNI).
    """
    return np.asarray(numbers.astype(np.int16) - 128, np.int8)


class _Builder:
    """Parts that encoder and decoder have in common."""

    def __init__(self, name: str, weights: PublishedWeights) -> None:
        self.net = OnnxGraph(name)
        self.weights = weights
        angles = np.arange(POSITIONS)[:, None] / _BASE ** (np.arange(0, TURNED, 2) / TURNED)
        self._cos = self.net.hold(np.cos(angles).astype(np.float32))
        self._sin = self.net.hold(np.sin(angles).astype(np.float32))

    def times(self, x: str, *operators: str, bias: str = "") -> str:
        """`x` times the weights of these operators, side by side."""
        weights, scale, zero = map(self.net.hold, self.weights.factor(operators))
        added = self.net.hold(self.weights[bias]) if bias else ""
        return self.net.one("DynamicQuantizeMatMul", x, weights, scale, zero, added, domain=MICROSOFT)

    def norm(self, x: str, name: str) -> str:
        """Normalised over its numbers."""
        return self.net.one("LayerNormalization", x, self.net.hold(self.weights[name]), epsilon=_EPSILON, axis=-1)

    def sum_norm(self, x: str, more: str, name: str) -> tuple[str, str]:
        """`x` and `more` together, normalised and not."""
        gamma = self.net.hold(self.weights[name])
        total = self.net.one("Add", x, more)
        return self.net.one("LayerNormalization", total, gamma, epsilon=_EPSILON, axis=-1), total

    def parts(self, x: str, count: int, axis: int = -1) -> list[str]:
        """`x` in equal parts."""
        return self.net.node("Split", [x], count, axis=axis, num_outputs=count)

    def turned(self, x: str, position: str) -> str:
        """Heads turned by their position."""
        return self.net.one(
            "RotaryEmbedding", x, position, self._cos, self._sin,
            domain=MICROSOFT, interleaved=1, num_heads=HEADS, rotary_embedding_dim=TURNED,
        )  # fmt: skip

    def attention(self, inputs: Sequence[str], outputs: Sequence[str] | int = 1) -> str:
        """Scaled dot products of all heads."""
        return self.net.node("MultiHeadAttention", inputs, outputs, domain=MICROSOFT, num_heads=HEADS)[0]


def encoder(weights: PublishedWeights, crossing: PublishedWeights) -> bytes:
    """Audio (1, samples) → frames (1, T, `WIDTH`), and keys and values of them for each layer of the decoder.

    Args:
        weights: of the published encoder.
        crossing: of the published decoder.
    """
    make = _Builder("encoder", weights)
    net = make.net
    audio = net.input("audio", np.float32, (1, "samples"))
    x = net.one("Unsqueeze", audio, net.hold(np.array([1])))
    x = net.one(
        "FusedConv", x, net.hold(weights["conv1.weight_add_tensor"]),
        domain=MICROSOFT, activation="Tanh", kernel_shape=[127], strides=[64],
    )  # fmt: skip
    whole = net.one("Reshape", x, net.hold(np.array([0, 1, -1])))
    ones, none = net.hold(np.ones(1, np.float32)), net.hold(np.zeros(1, np.float32))
    whole = net.one("InstanceNormalization", whole, ones, none, epsilon=_EPSILON)
    x = net.one("Reshape", whole, net.hold(np.array([0, WIDTH, -1])))
    x = net.one("Mul", x, net.hold(weights["onnx::Mul_2080"]))
    x = net.one("Add", x, net.hold(weights["onnx::Add_2081"]))
    for name, size, stride in (("conv2", 7, 3), ("conv3", 3, 2)):
        factor, bias = net.hold(weights[f"{name}.weight_add_tensor"]), net.hold(weights[f"{name}.bias"])
        x = net.one("Conv", x, factor, bias, kernel_shape=[size], strides=[stride])
        x = net.one("Gelu", x, domain=MICROSOFT)
    x = net.one("Transpose", x, perm=[0, 2, 1])
    start = net.hold(np.zeros(1, np.int64))
    normed = make.norm(x, "layers.0.input_layernorm.weight")
    for i in range(LAYERS):
        at = f"/layers.{i}/self_attn"
        query, key, value = make.parts(make.times(normed, *(f"{at}/{n}_proj/MatMul_quant" for n in "qkv")), 3)
        seen = make.attention([make.turned(query, start), make.turned(key, start), value])
        own = f"layers.{i}.post_attention_layernorm.weight"
        normed, x = make.sum_norm(x, make.times(seen, f"{at}/o_proj/MatMul_quant"), own)
        inner = make.times(normed, f"/layers.{i}/mlp/fc1/MatMul_quant", bias=f"layers.{i}.mlp.fc1.bias")
        inner = net.one("Gelu", inner, domain=MICROSOFT)
        inner = make.times(inner, f"/layers.{i}/mlp/fc2/MatMul_quant", bias=f"layers.{i}.mlp.fc2.bias")
        after = f"layers.{i + 1}.input_layernorm.weight" if i + 1 < LAYERS else "layer_norm.weight"
        normed, x = make.sum_norm(x, inner, after)
    net.node("Identity", [normed], ["frames"])
    net.output("frames", np.float32, (1, "time", WIDTH))
    make.weights = crossing
    operators = [f"{_layer(i)}/encoder_attn/{n}_proj/MatMul_quant" for i in range(LAYERS) for n in "kv"]
    heads = net.one("Reshape", make.times(normed, *operators), net.hold(np.array([-1, 2 * LAYERS, HEADS, HEAD_SIZE])))
    heads = net.one("Transpose", heads, perm=[1, 2, 0, 3])
    names = [f"{kind}.{i}" for i in range(LAYERS) for kind in ("key", "value")]
    net.node("Split", [heads], names, axis=0, num_outputs=len(names))
    for name in names:
        net.output(name, np.float32, (1, HEADS, "time", HEAD_SIZE))
    return net.model()


def decoder(weights: PublishedWeights) -> bytes:
    """One more token of each hypothesis → log-probabilities of the next.

    Inputs: ``tokens`` (hypotheses, 1); ``rows`` (hypotheses,): which of the hypotheses before each goes on;
    ``position`` (1,): how many tokens there were before; ``past.key.i`` and ``past.value.i`` (hypotheses before,
    `HEADS`, position, `HEAD_SIZE`) of each layer; ``key.i`` and ``value.i`` of the audio.
    Outputs: ``logs`` (hypotheses, vocabulary), and ``present`` keys and values.
    """
    make = _Builder("decoder", weights)
    net = make.net
    tokens = net.input("tokens", np.int64, ("hypotheses", 1))
    rows = net.input("rows", np.int64, ("hypotheses",))
    position = net.input("position", np.int64, (1,))
    net.output("logs", np.float32, ("hypotheses", "vocabulary"))
    table = "model.decoder.embed_tokens.weight_merged_0"
    x = net.one("Gather", net.hold(weights[f"{table}_quantized"]), tokens, axis=0)
    x = net.one("DequantizeLinear", x, net.hold(weights[f"{table}_scale"]), net.hold(weights[f"{table}_zero_point"]))
    together, apart = net.hold(np.array([1, -1, WIDTH])), net.hold(np.array([-1, 1, WIDTH]))
    normed = make.norm(x, _norm(0, "input"))
    for i in range(LAYERS):
        at = f"{_layer(i)}/self_attn"
        query, key, value = make.parts(make.times(normed, *(f"{at}/{n}_proj/MatMul_quant" for n in "qkv")), 3)
        past = []
        for kind in ("key", "value"):
            shape = ("before", HEADS, "past", HEAD_SIZE)
            past.append(net.one("Gather", net.input(f"past.{kind}.{i}", np.float32, shape), rows, axis=0))
            net.output(f"present.{kind}.{i}", np.float32, ("hypotheses", HEADS, "present", HEAD_SIZE))
        names = [f"seen.{i}", f"present.key.{i}", f"present.value.{i}"]
        turned = [make.turned(query, position), make.turned(key, position), value]
        seen = make.attention([*turned, "", "", "", *past], names)
        normed, x = make.sum_norm(x, make.times(seen, f"{at}/o_proj/MatMul_quant"), _norm(i, "post_attention"))
        at = f"{_layer(i)}/encoder_attn"
        query = net.one("Reshape", make.times(normed, f"{at}/q_proj/MatMul_quant"), together)
        audio = [net.input(f"{kind}.{i}", np.float32, (1, HEADS, "time", HEAD_SIZE)) for kind in ("key", "value")]
        seen = net.one("Reshape", make.attention([query, *audio]), apart)
        normed, x = make.sum_norm(x, make.times(seen, f"{at}/o_proj/MatMul_quant"), _norm(i, "final"))
        at, own = f"{_layer(i)}/mlp", f"model.decoder.layers.{i}.mlp"
        inner, gate = make.parts(make.times(normed, f"{at}/fc1/MatMul_quant", bias=f"{own}.fc1.bias_merged_0"), 2)
        inner = net.one("Mul", inner, net.one("QuickGelu", gate, domain=MICROSOFT, alpha=1.0))
        inner = make.times(inner, f"{at}/fc2/MatMul_quant", bias=f"{own}.fc2.bias_merged_0")
        after = _norm(i + 1, "input") if i + 1 < LAYERS else "model.decoder.norm.weight_merged_0"
        normed, x = make.sum_norm(x, inner, after)
    logits = net.one("Reshape", make.times(normed, "/proj_out/MatMul_quant"), net.hold(np.array([0, -1])))
    net.node("LogSoftmax", [logits], ["logs"], axis=-1)
    return net.model()


def product(weights: Tensor) -> bytes:
    """``x`` (1, in) times int8 weights (in, out) as encoder and decoder do it, and nothing else."""
    net = OnnxGraph("product")
    x, one = net.input("x", np.float32, (1, len(weights))), net.hold(np.array(1, np.float32))
    net.node(
        "DynamicQuantizeMatMul", [x, net.hold(weights), one, net.hold(np.array(0, np.int8))], ["y"], domain=MICROSOFT
    )
    net.output("y", np.float32, (1, weights.shape[1]))
    return net.model()


def _layer(i: int) -> str:
    return f"/model/decoder/layers.{i}"


def _norm(i: int, which: str) -> str:
    return f"model.decoder.layers.{i}.{which}_layernorm.weight_merged_0"
