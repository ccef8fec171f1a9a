"""Moonshine's weights in networks of our own: they say what the published ones say."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from voicebot.asr import moonshine_networks
from voicebot.asr.moonshine_session import FILES, FRAME, MoonshineSession
from voicebot.asr.moonshine_vocabulary import BOS
from voicebot.asr.onnx_file import OnnxGraph, read, tensor
from voicebot.paths import models_dir

FOLDER = models_dir() / "moonshine-tiny-en"
CPU = ["CPUExecutionProvider"]


def test_a_network_that_is_written_runs() -> None:
    net = OnnxGraph("sum")
    x = net.input("x", np.float32, ("rows", 2))
    total = net.one("Add", x, net.hold(np.array([1.5, -300.0], np.float32)))
    net.node("LeakyRelu", [total], ["y"], alpha=0.5)
    net.output("y", np.float32, ("rows", 2))
    (found,) = ort.InferenceSession(net.model(), providers=CPU).run(None, {"x": np.ones((3, 2), np.float32)})
    assert found.tolist() == [[2.5, -149.5]] * 3


def test_tensors_come_back_as_they_were_written() -> None:
    net = OnnxGraph("held")
    wanted = np.arange(-300, 300, dtype=np.int64).reshape(2, 300)
    net.hold(wanted, "wanted")
    (field,) = read(read(memoryview(net.model()))[7][0])[5]
    found = tensor(read(field))
    assert found is not None
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\x80", b"\x0b"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|wire type"):
        read(memoryview(data))


def test_products_of_the_largest_bytes_are_exact_when_asked_for() -> None:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    weights = np.full((288, 3), 127, np.int8)
    session = ort.InferenceSession(moonshine_networks.product(weights), options, providers=CPU)
    (found,) = session.run(None, {"x": np.ones((1, 288), np.float32)})
    assert np.allclose(found, 288 * 127)


def murmur(seconds: float) -> NDArray[np.float32]:
    """Noise that comes and goes like syllables, at 16 000 Hz."""
    size = int(seconds * 16000)
    noise = np.random.default_rng(1).standard_normal(size)
    return (0.1 * noise * np.abs(np.sin(np.arange(size) / 1600))).astype(np.float32)


@pytest.fixture(scope="module")
def session() -> MoonshineSession:
    return MoonshineSession(FOLDER)


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return {name: ort.InferenceSession(str(FOLDER / name), providers=CPU) for name in FILES}


class Published:
    """The published decoder, one token after the other; gives log-probabilities of the next."""

    def __init__(self, session: Any, frames: NDArray[np.float32]) -> None:
        self._session = session
        empty = np.zeros((1, moonshine_networks.HEADS, 1, moonshine_networks.HEAD_SIZE), np.float32)
        self._feeds: dict[str, Any] = {
            "encoder_hidden_states": frames[None],
            "encoder_attention_mask": np.ones((1, len(frames) * FRAME), np.int64),
            "use_cache_branch": np.array([False]),
        } | {i.name: empty for i in session.get_inputs() if i.name.startswith("past_key_values")}

    def after(self, token: int) -> NDArray[np.float32]:
        cached = bool(self._feeds["use_cache_branch"][0])
        names = [o.name for o in self._session.get_outputs()]
        found = dict(
            zip(names, self._session.run(None, {"input_ids": np.array([[token]]), **self._feeds}), strict=True)
        )
        for name in names:
            if name.startswith("present") and not (cached and ".encoder." in name):
                self._feeds[name.replace("present", "past_key_values")] = found[name]
        self._feeds["use_cache_branch"] = np.array([True])
        logits = found["logits"][0, -1].astype(np.float64)
        return np.asarray(logits - logits.max() - np.log(np.exp(logits - logits.max()).sum()), np.float32)


@pytest.mark.models
@pytest.mark.parametrize("seconds", [0.3, 1.4, 5.0])
def test_frames_are_those_of_the_published_encoder(
    seconds: float, session: MoonshineSession, published: dict[str, Any]
) -> None:
    audio = murmur(seconds)
    feeds = {"input_values": audio[None], "attention_mask": np.ones((1, audio.size), np.int64)}
    wanted = published[FILES[0]].run(None, feeds)[0][0]
    found = session.frames(audio)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < (1e-6 if seconds < 1 else 0.08) * np.abs(wanted).mean()


@pytest.mark.models
def test_the_decoder_says_what_the_published_one_says(session: MoonshineSession, published: dict[str, Any]) -> None:
    decoding = session.decoding(murmur(2.0))
    theirs = Published(published[FILES[1]], decoding.frames)
    token, (logs, cache) = BOS, decoding.first
    for _ in range(6):
        wanted = theirs.after(token)
        assert np.abs(logs[0] - wanted).mean() < 0.05
        assert np.isclose(np.exp(logs[0].astype(np.float64)).sum(), 1, atol=1e-3)
        token = int(wanted.argmax())
        logs, cache = decoding.step([token], [0], cache)


@pytest.mark.models
def test_hypotheses_go_on_from_the_one_they_name(session: MoonshineSession) -> None:
    decoding = session.decoding(murmur(1.5))
    first, start = decoding.first
    four, two = np.argsort(-first[0])[:2].tolist()
    logs, both = decoding.step([four, two], [0, 0], start)
    after, _ = decoding.step([four, four, four], [1, 0, 1], both)
    assert np.allclose(after[0], after[2])
    assert not np.allclose(after[0], after[1])
    alone, cache = decoding.step([two], [0], start)
    assert np.abs(alone[0] - logs[1]).mean() < 0.2 * np.abs(logs[0] - logs[1]).mean()
    assert cache.tokens == both.tokens == 2


@pytest.mark.models
def test_a_network_that_lacks_a_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no"):
        moonshine_networks.decoder(moonshine_networks.PublishedWeights(FOLDER / FILES[0]))
