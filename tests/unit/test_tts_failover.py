"""A list of voices: the next one speaks what the first cannot; the first rests and comes back."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from tests.unit.test_tts_synthesizer import ToneEngine
from voicebot import config
from voicebot.errors import EngineFailed
from voicebot.messages import Say
from voicebot.tts.recorded_prompts import RecordedPrompts
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voice import Voice, supervised
from voicebot.tts.voice_engine import Emit


class Fickle(ToneEngine):
    """A tone that can hang before its first block, and counts how often it was asked."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked = 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def synthesize(self, text: str, emit: Emit) -> None:
        self.asked += 1
        self.goes_on.wait()
        super().synthesize(text, emit)


@pytest.fixture
def engines() -> list[Fickle]:
    return [Fickle("first"), Fickle("second")]


@pytest.fixture
async def synthesizer(engines: list[Fickle]) -> AsyncIterator[Synthesizer]:
    voices = [Voice(engine, 1.0, supervised(engine, 0.5, first_rest_s=0.05)) for engine in engines]
    made = Synthesizer(voices, RecordedPrompts(None), 10_000_000)
    made.start()
    yield made
    for engine in engines:
        engine.goes_on.set()
    made.stop()


async def seconds(synthesizer: Synthesizer, text: str, name: str = "") -> float:
    return sum([len(block) async for block in synthesizer.speak(text, 8000, name)]) / 8000


async def test_a_voice_that_hangs_is_replaced_within_the_phrase(
    synthesizer: Synthesizer, engines: list[Fickle]
) -> None:
    engines[0].goes_on.clear()
    assert await seconds(synthesizer, "Hello.") == pytest.approx(1.5, abs=0.02)
    assert engines[1].spoken == ["Hello."]


async def test_a_broken_voice_rests_after_two_phrases_and_comes_back_when_a_probe_works(
    synthesizer: Synthesizer, engines: list[Fickle]
) -> None:
    first = engines[0]
    first.broken = True
    for text in ("One.", "Two."):
        await seconds(synthesizer, text)
    asked = first.asked
    watch = synthesizer._voices[0].watch
    assert watch is not None
    assert not watch.usable
    await seconds(synthesizer, "Three.")
    assert engines[1].spoken == ["One.", "Two.", "Three."]
    assert first.asked - asked <= 1  # the probe
    first.broken = False
    for _ in range(500):
        if watch.usable:
            break
        threading.Event().wait(0.01)
    await seconds(synthesizer, "Four.")
    assert first.spoken[-1] == "Four."


async def test_what_was_kept_is_there_when_no_voice_can_speak(synthesizer: Synthesizer, engines: list[Fickle]) -> None:
    sorry = Say("I am sorry.", name="sorry")
    await synthesizer.keep([sorry])
    assert synthesizer.fault == ""
    for engine in engines:
        engine.broken = True
    for rate_hz in (8000, 16000):
        blocks = [block async for block in synthesizer.speak(sorry.text, rate_hz, sorry.name)]
        assert len(np.concatenate(blocks)) / rate_hz == pytest.approx(1.5, abs=0.02)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await seconds(synthesizer, "Anything else.")
    assert synthesizer.fault.startswith("mute: ")


def test_espeak_is_the_last_of_every_list() -> None:
    assert [voice.engine.name for voice in Synthesizer.load(config.TtsSettings(voice=["espeak"]))._voices] == [
        voice.engine.name for voice in Synthesizer.load(config.TtsSettings(voice="espeak"))._voices
    ]
    listed = Synthesizer.load(config.TtsSettings(voice=["auto", "espeak"]))._voices
    assert [voice.engine.name.startswith("espeak-ng") for voice in listed] == [False, True], "once, although listed"
