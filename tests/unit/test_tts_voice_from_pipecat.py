"""Pipecat's text-to-speech services as an engine: its own local Piper, and one that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telephony.leg import Pcm
from tests.unit.test_tts_piper import RATE_HZ, folder
from voicebot import config
from voicebot.errors import EngineFailed
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voice_from_pipecat import PipecatTts
from voicebot.tts.voices.pipecat import PipecatVoiceSettings

__all__ = ["folder"]
PIPER = "pipecat.services.piper.tts:PiperTTSService"
TONES = "tests.unit.pipecat_services:ToneTts"
WORD = 16000 // 5


@contextmanager
def running(service: str = TONES, limit_s: float = 5.0, **given: Any) -> Iterator[PipecatTts]:
    engine = PipecatTts(PipecatVoiceSettings(pipecat=service, **given), limit_s)
    try:
        yield engine
    finally:
        engine.close()


def spoken(engine: PipecatTts, text: str, at_most: int = 1000) -> list[Pcm]:
    blocks: list[Pcm] = []

    def keep(block: Pcm) -> bool:
        blocks.append(block)
        return len(blocks) < at_most

    engine.synthesize(text, keep)
    return blocks


def test_pipecat_s_own_piper_speaks(folder: Path) -> None:
    arguments, settings = {"download_dir": str(folder / "piper")}, {"voice": "en_US-tiny-low"}
    with running(PIPER, arguments=arguments, settings=settings) as engine:
        short, long = (np.concatenate(spoken(engine, text)) for text in ("Hello.", "Hello there, how are you?"))
    assert engine.rate_hz == RATE_HZ
    assert short.dtype == np.int16
    assert 0 < len(short) < len(long)
    assert np.abs(long).max() > 100


def test_each_phrase_is_its_own_whole_and_in_order() -> None:
    with running() as engine:
        assert [sum(map(len, spoken(engine, text))) for text in ("one", "one two three", "one two")] == [
            WORD, 3 * WORD, 2 * WORD,
        ]  # fmt: skip


def test_what_still_comes_of_a_phrase_that_was_stopped_is_not_in_the_next() -> None:
    with running() as engine:
        assert len(spoken(engine, "one two three four five", at_most=1)) == 1
        assert sum(map(len, spoken(engine, "one"))) == WORD


@pytest.mark.parametrize(("text", "words"), [("Xerror", "no such voice"), ("Xhang", "silent for")])
def test_trouble_is_told_and_the_next_phrase_is_spoken(text: str, words: str) -> None:
    with running(limit_s=0.5) as engine:
        with pytest.raises(EngineFailed, match=words):
            spoken(engine, text)
        assert sum(map(len, spoken(engine, "one two"))) == 2 * WORD


async def test_espeak_speaks_for_a_service_that_does_not_answer() -> None:
    service = PipecatVoiceSettings(pipecat=TONES, arguments={"dead": True})
    synthesizer = Synthesizer.load(config.TtsSettings(voice=service, limit_s=0.5))
    assert synthesizer.voice_name == "ToneTts"
    synthesizer.start()
    audio = np.concatenate([block async for block in synthesizer.speak("Hello there.", 8000)])
    synthesizer.stop()
    assert len(audio) > 2000


async def test_a_service_is_levelled_like_any_voice() -> None:
    synthesizer = Synthesizer.load(config.TtsSettings(voice=[PipecatVoiceSettings(pipecat=TONES), "espeak"]))
    synthesizer.start()
    audio = np.concatenate([block async for block in synthesizer.speak("one two three four", 8000)])
    synthesizer.stop()
    assert 20 * np.log10(np.sqrt(np.mean((audio / 32768.0) ** 2))) == pytest.approx(-20, abs=3)


def test_a_class_that_is_not_there_is_found_at_start() -> None:
    with pytest.raises(EngineFailed, match="cannot be used"):
        Synthesizer.load(config.TtsSettings(voice=PipecatVoiceSettings(pipecat="pipecat.services.nobody:Nobody")))
