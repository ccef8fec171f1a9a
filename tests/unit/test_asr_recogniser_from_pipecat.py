"""Pipecat's speech-to-text services as an engine: its own local Whisper, and streaming ones that misbehave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.pipecat_services import StreamingStt
from tests.unit.tiny_whisper import build
from voicebot.asr.recogniser import RATE_HZ, Audio, Transcript
from voicebot.asr.recogniser_from_pipecat import PipecatStt
from voicebot.asr.recognisers.pipecat import PipecatRecogniserSettings
from voicebot.errors import EngineFailed
from voicebot.messages import Expect

WHISPER = "pipecat.services.whisper.stt:WhisperSTTService"
STREAMING = "tests.unit.pipecat_services:StreamingStt"


def voice(seconds: float = 1.0) -> Audio:
    noise = np.random.default_rng(3).standard_normal(int(seconds * RATE_HZ)) * 0.05
    return noise.astype(np.float32)


@contextmanager
def running(
    service: str, settings: dict[str, Any], arguments: dict[str, Any] | None = None, limit_s: float = 10.0
) -> Iterator[PipecatStt]:
    engine = PipecatStt(
        PipecatRecogniserSettings(pipecat=service, settings=settings, arguments=arguments or {}), limit_s
    )
    try:
        yield engine
    finally:
        engine.close()


def hear(engine: PipecatStt, expect: Expect | None = None, seconds: float = 1.0) -> Transcript:
    said = engine.recognise(voice(seconds), expect or Expect(), lambda: False)
    assert said is not None
    return said


def test_pipecat_s_own_whisper_hears_a_segment_and_the_grammar_reads_it(tmp_path: Path) -> None:
    settings = {"model": str(build(tmp_path / "m", "yes")), "no_speech_prob": 1.0}
    arguments = {"device": "cpu", "compute_type": "int8"}
    with running(WHISPER, settings, arguments) as engine:
        assert engine.name == "WhisperSTTService"
        free = hear(engine)
        assert (free.text, free.expected) == ("yes", "")
        said = hear(engine, Expect("yesno"))
        assert (said.text, said.expected, said.alternatives) == ("yes", "yes", ("yes",))
        assert hear(engine, Expect("digits")).expected == ""


def test_a_segment_without_words_is_no_fault(tmp_path: Path) -> None:
    settings = {"model": str(build(tmp_path / "m", "yes")), "no_speech_prob": 0.0}
    with running(WHISPER, settings, {"device": "cpu"}) as engine:
        assert hear(engine).text == ""


def test_a_streaming_service_is_done_with_its_final_transcript() -> None:
    with running(STREAMING, {"behaviour": "final"}) as engine:
        assert [hear(engine, seconds=s).text for s in (1.0, 2.5)] == ["1.0 seconds", "2.5 seconds"]


def test_parts_that_are_not_marked_final_are_put_together() -> None:
    with running(STREAMING, {"behaviour": "parts"}) as engine:
        said = hear(engine, Expect("digits", lengths=(3,)))
    assert (said.text, said.expected) == ("one two three", "one two three")


def test_an_error_of_the_service_is_told_in_one_line() -> None:
    with running(STREAMING, {"behaviour": "error"}) as engine:
        for _ in range(2):
            with pytest.raises(EngineFailed, match="quota exceeded"):
                hear(engine)


def test_a_service_that_says_nothing_is_late_and_built_anew() -> None:
    with running(STREAMING, {"behaviour": "mute"}, limit_s=0.2) as engine:
        for _ in range(2):
            before = len(StreamingStt.made)
            with pytest.raises(EngineFailed, match="took longer than"):
                hear(engine)
        assert len(StreamingStt.made) == before + 1


def test_nobody_waits_for_an_utterance_that_was_cancelled() -> None:
    with running(STREAMING, {"behaviour": "mute"}, limit_s=30.0) as engine:
        began = time.monotonic()
        assert engine.recognise(voice(), Expect(), lambda: True) is None
        assert time.monotonic() - began < 5


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_KEY", "4711")
    with running(STREAMING, {"behaviour": "final"}, {"key": "${STT_KEY}"}):
        assert StreamingStt.made[-1].key == "4711"


@pytest.mark.parametrize(
    ("service", "arguments", "words"),
    [
        (STREAMING, {"key": "${NO_SUCH_KEY}"}, "NO_SUCH_KEY is not set"),
        (STREAMING, {"key": "refused"}, "the key is refused"),
        (STREAMING, {"wrong": 1}, "wrong"),
        ("tests.unit.pipecat_services:Nobody", {}, "cannot be used"),
        ("pipecat.services.nobody:Nobody", {}, "cannot be used"),
    ],
)
def test_a_service_that_cannot_be_made_says_why(service: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineFailed, match=words), running(service, {"behaviour": "final"}, arguments):
        pass
