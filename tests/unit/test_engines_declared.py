"""A recogniser or a voice is added by one file: named in the configuration, checked, loaded, nothing else changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from voicebot import config
from voicebot.asr import recognisers
from voicebot.errors import SourceError
from voicebot.listening import speech_input
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Expect
from voicebot.tts import voices
from voicebot.tts.synthesizer import Synthesizer

PARROT = """
from voicebot.asr.recogniser import Audio, Cancelled, Recogniser, Transcript
from voicebot.asr.recognisers import RecogniserSettings
from voicebot.config import AsrSettings
from voicebot.errors import ModelMissing
from voicebot.messages import Expect


class Parrot:
    name = "parrot"

    def __init__(self, says: str) -> None:
        self.says = says

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        return Transcript(self.says, 1.0)

    def close(self) -> None: ...


class ParrotSettings(RecogniserSettings):
    parrot: str = "hello"

    def load(self, asr: AsrSettings) -> Recogniser:
        return Parrot(self.parrot)

    def check(self) -> None:
        if self.parrot == "silent":
            raise ModelMissing("the parrot is silent", "feed it")


ENGINE = ParrotSettings
"""
BEEP = """
import numpy as np

from voicebot.tts.voice import Voice
from voicebot.tts.voice_engine import Emit
from voicebot.tts.voices import VoiceRequest, VoiceSettings


class Beep:
    name, version, rate_hz, clausewise, quick, presence = "beep", "1", 8000, False, True, 0.0

    def synthesize(self, text: str, emit: Emit) -> None:
        emit((8000 * np.sin(np.arange(4000))).astype(np.int16))

    def close(self) -> None: ...


class BeepSettings(VoiceSettings):
    def load(self, request: VoiceRequest) -> list[Voice]:
        return [Voice.measured(Beep(), request.limit_s)]

    def check(self, request: VoiceRequest) -> None: ...


ENGINE = BeepSettings
"""
HEAVY = {"ctranslate2", "faster_whisper", "onnxruntime", "pipecat", "piper", "torch"}


@pytest.fixture(autouse=True)
def one_file_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for package, name, source in ((recognisers, "parrot", PARROT), (voices, "beep", BEEP)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    config.declared_engines.cache_clear()
    yield
    config.declared_engines.cache_clear()
    for module in ("voicebot.asr.recognisers.parrot", "voicebot.tts.voices.beep"):
        sys.modules.pop(module, None)


def written(folder: Path, text: str) -> config.Config:
    path = folder / "voicebot.yaml"
    path.write_text(text)
    return config.load(path)


@pytest.mark.parametrize(("engine", "says"), [("parrot", "hello"), ("{parrot: good bye}", "good bye")])
async def test_a_recogniser_is_one_file(tmp_path: Path, engine: str, says: str) -> None:
    settings = written(tmp_path, f"asr: {{engine: {engine}}}")
    speech = SpeechInput.load(settings.asr)
    assert speech.engine_name == "parrot"
    speech.start()
    try:
        assert (await speech.recognise(np.zeros(8000, np.float32), 8000, Expect())).text == says
    finally:
        speech.stop()


async def test_a_voice_is_one_file(tmp_path: Path) -> None:
    synthesizer = Synthesizer.load(written(tmp_path, "tts: {voice: beep, languages: {es: beep}}").tts)
    assert synthesizer.voice_name == "beep"
    synthesizer.start()
    try:
        assert sum([len(block) async for block in synthesizer.speak("Hello.", 8000)])
    finally:
        synthesizer.stop()


def test_what_it_lacks_is_found_by_check(tmp_path: Path) -> None:
    settings = written(tmp_path, "asr: {engine: [{parrot: silent}, {parrot: loud}]}")
    assert [fault.message for fault in speech_input.faults(settings.asr, settings.turns)] == ["the parrot is silent"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("asr:\n  engine: parot\n", 2, "take one of moonshine, parrot, pipecat, whisper"),
        ("asr:\n  engine:\n    - parrot\n    - {parot: x}\n", 4, "take one of moonshine"),
        ("asr:\n  engine:\n    - {parrot: x, loud: true}\n", 3, "unknown key"),
        ("asr:\n  engine:\n    - whisper: base.en\n      device: tpu\n", 4, "device"),
        ("asr:\n  engine: []\n", 2, "at least one"),
        ("tts:\n  voice: {pipecat: no class}\n", 2, "pipecat"),
        ("tts:\n  languages:\n    es: []\n", 3, "at least one"),
    ],
)
def test_a_wrong_engine_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        written(tmp_path, text)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert words in f"{problem.message} {problem.remedy}"


def test_the_configuration_goes_through_a_dump_unchanged(tmp_path: Path) -> None:
    read = written(tmp_path, "asr: {engine: [parrot, {whisper: tiny.en}]}\ntts: {voice: [beep, {pipecat: 'a.b:C'}]}")
    again = config.Config.model_validate(read.model_dump())
    assert (again.asr.engines, again.tts.voices_for("")) == (read.asr.engines, read.tts.voices_for(""))


def test_naming_engines_imports_none_of_them() -> None:
    read = (
        "from voicebot import config;"
        "config.AsrSettings(engine=['moonshine', 'whisper', {'pipecat': 'a.b:C'}]).engines;"
        "config.TtsSettings(voice=['auto', 'espeak', 'en_US-x', {'pipecat': 'a.b:C'}]).voices_for('')"
    )
    code = f"{read};import json, sys;print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=30, check=True)
    assert HEAVY.isdisjoint(json.loads(done.stdout))
