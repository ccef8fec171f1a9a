"""Piper's engine on a small model of Piper's shape, which is built here: an embedding whose rows are the sounds."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from telephony.leg import Pcm
from voicebot import config
from voicebot.errors import EngineFailed
from voicebot.tts.piper import Piper
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voices.piper import files

RATE_HZ = 16000
SYMBOLS = 256
SAMPLES_A_PHONEME = 400
FLOAT, INT64 = 1, 7  # TensorProto.DataType of onnx.proto


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _field(number: int, value: bytes | str | int) -> bytes:
    """One protobuf field: integers as varints, the rest with its length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, kind: int, dims: list[int], raw: bytes) -> bytes:
    return b"".join(_field(1, d) for d in dims) + _field(2, kind) + _field(8, name) + _field(9, raw)


def _value(name: str, kind: int, dims: list[str | int]) -> bytes:
    shape = b"".join(_field(1, _field(1, d) if isinstance(d, int) else _field(2, d)) for d in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    return b"".join(_field(1, i) for i in inputs) + _field(2, output) + _field(4, kind)


def onnx_voice() -> bytes:
    """ModelProto: output[1,1,1,t] = embedding[input], flattened. `scales` and `input_lengths` are inputs, unused."""
    rng = np.random.default_rng(5)
    t = np.arange(SAMPLES_A_PHONEME) / RATE_HZ
    hz = rng.uniform(200, 2000, (SYMBOLS, 1))
    sounds = (0.05 * np.sin(2 * np.pi * hz * t) * np.hanning(SAMPLES_A_PHONEME)).astype("<f4")
    graph = (
        _field(1, _node("Gather", ["sounds", "input"], "rows"))
        + _field(1, _node("Reshape", ["rows", "shape"], "output"))
        + _field(2, "voice")
        + _field(5, _tensor("sounds", FLOAT, list(sounds.shape), sounds.tobytes()))
        + _field(5, _tensor("shape", INT64, [4], struct.pack("<4q", 1, 1, 1, -1)))
        + _field(11, _value("input", INT64, ["batch", "phonemes"]))
        + _field(11, _value("input_lengths", INT64, ["batch"]))
        + _field(11, _value("scales", FLOAT, [3]))
        + _field(12, _value("output", FLOAT, [1, 1, 1, "time"]))
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 15))


@pytest.fixture
def without_hibari(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a language that it does not speak."""
    monkeypatch.setattr("voicebot.tts.voices.hibari.of_language", lambda _: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "piper").mkdir()
    (tmp_path / "piper" / "en_US-tiny-low.onnx").write_bytes(onnx_voice())
    settings = {
        "audio": {"sample_rate": RATE_HZ},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "num_symbols": SYMBOLS,
        "num_speakers": 1,
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "inference": {"length_scale": 1.0, "noise_scale": 0.667, "noise_w": 0.8},
    }
    (tmp_path / "piper" / "en_US-tiny-low.onnx.json").write_text(json.dumps(settings))
    return tmp_path


def spoken(engine: Piper, text: str, at_most: int = 100) -> list[Pcm]:
    blocks: list[Pcm] = []

    def keep(block: Pcm) -> bool:
        blocks.append(block)
        return len(blocks) < at_most

    engine.synthesize(text, keep)
    return blocks


def load(folder: Path) -> Piper:
    return Piper.load(*files(folder / "piper", "en_US-tiny-low"), "en_US-tiny-low")


def test_a_voice_is_loaded_and_speaks_a_block_a_sentence(folder: Path) -> None:
    engine = load(folder)
    assert engine.rate_hz == RATE_HZ
    assert engine.clausewise
    blocks = spoken(engine, "Hello there. How are you?")
    assert len(blocks) == 2
    assert all(len(block) > 5 * SAMPLES_A_PHONEME for block in blocks)
    assert blocks[0].dtype == np.int16


def test_it_stops_between_sentences_when_it_is_told(folder: Path) -> None:
    assert len(spoken(load(folder), "One. Two. Three.", at_most=1)) == 1


def test_phoneme_markup_in_a_text_is_not_obeyed(folder: Path) -> None:
    engine = load(folder)
    assert spoken(engine, "[[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]]")[0].shape != spoken(engine, "a " * 30)[0].shape
    assert np.array_equal(spoken(engine, "[[b]]")[0], spoken(engine, "b")[0])


@pytest.mark.usefixtures("without_hibari")
async def test_it_is_taken_before_espeak_and_brought_to_the_same_level(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(folder))
    synthesizer = Synthesizer.load(config.TtsSettings())
    assert synthesizer.voice_name == "piper en_US-tiny-low 165"
    assert synthesizer.advice == ""
    synthesizer.start()
    audio = np.concatenate([b async for b in synthesizer.speak("Hello there, how are you today?", 8000)])
    synthesizer.stop()
    assert 20 * np.log10(np.sqrt(np.mean((audio / 32768.0) ** 2))) == pytest.approx(-20, abs=3)


def test_by_name_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(folder))
    assert Synthesizer.load(config.TtsSettings(voice="en_US-tiny-low", words_per_minute=200)).voice_name.endswith(
        "low 200"
    )


@pytest.mark.usefixtures("without_hibari")
@pytest.mark.parametrize("broken", [b"", b"no model", onnx_voice()[:5000]])
def test_a_broken_voice_is_refused_by_name_and_passed_over_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch, broken: bytes
) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(folder))
    (folder / "piper" / "en_US-tiny-low.onnx").write_bytes(broken)
    with pytest.raises(EngineFailed, match="no Piper voice"):
        Synthesizer.load(config.TtsSettings(voice="en_US-tiny-low"))
    assert Synthesizer.load(config.TtsSettings()).voice_name.startswith("espeak-ng")


@pytest.mark.parametrize("settings", ["", "[]", "{}", '{"num_symbols": 3}', '{"audio": 7}'])
def test_broken_settings_are_refused(folder: Path, settings: str) -> None:
    (folder / "piper" / "en_US-tiny-low.onnx.json").write_text(settings)
    with pytest.raises(EngineFailed, match="no Piper voice"):
        load(folder)


def test_a_model_that_breaks_while_speaking_is_told(folder: Path) -> None:
    path = folder / "piper" / "en_US-tiny-low.onnx.json"
    settings = json.loads(path.read_text())
    settings["phoneme_id_map"] = {key: [100_000] for key in settings["phoneme_id_map"]}
    path.write_text(json.dumps(settings))
    with pytest.raises(EngineFailed, match="failed"):
        spoken(load(folder), "Hello.")
