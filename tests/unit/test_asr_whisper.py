"""The Whisper engine on a model built here: real loading, decoding, masking and scoring."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.unit.tiny_whisper import build
from voicebot import config
from voicebot.asr.confidence import confidence
from voicebot.asr.recogniser import RATE_HZ, Audio, Transcript
from voicebot.asr.recognisers.whisper import WhisperSettings
from voicebot.asr.whisper import WINDOW_S, Whisper, windows
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Expect


def voice(seconds: float = 1.0) -> Audio:
    """Noise that passes the gates."""
    noise = np.random.default_rng(3).standard_normal(int(seconds * RATE_HZ)) * 0.05
    return noise.astype(np.float32)


def opened(folder: Path) -> Whisper:
    return Whisper.load(folder, "whisper tiny", "cpu", "int8", "en", threads=1)


def loaded(folder: Path, sentence: str, others: dict[str, float] | None = None) -> Whisper:
    return opened(build(folder, sentence, others))


@pytest.fixture(scope="module")
def yes(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    """Says "yes", and "no" with less conviction."""
    return loaded(tmp_path_factory.mktemp("whisper") / "yes", "yes", {"no": 9.0})


def hear(engine: Whisper, expect: Expect) -> Transcript:
    said = engine.recognise(voice(), expect, lambda: False)
    assert said is not None
    return said


def test_what_the_model_says_is_heard_with_its_confidence(yes: Whisper) -> None:
    said = hear(yes, Expect())
    assert said.text == "yes"
    assert 0.5 < said.confidence < 1.0
    assert said.expected == ""
    assert said.timings_ms["asr"] > 0
    (word,) = said.words
    assert word.text == "yes"
    assert said.confidence == pytest.approx(word.confidence, abs=0.05), "of one word, but for the end of the text"


def test_a_listed_answer_is_scored_and_the_others_follow_by_likelihood(yes: Whisper) -> None:
    said = hear(yes, Expect("yesno"))
    assert (said.text, said.expected) == ("yes", "yes")
    assert said.alternatives[:2] == ("yes", "no")
    assert said.expected_confidence > 0.8
    assert said.gap == 0.0


def test_a_phrase_that_the_model_would_hardly_say_is_not_accepted(yes: Whisper) -> None:
    said = hear(yes, Expect("phrases", phrases=("large latte", "tea")))
    assert (said.text, said.expected, said.alternatives) == ("yes", "", ())
    assert said.gap > 4


def test_an_answer_is_as_sure_as_what_was_noticed_of_it(yes: Whisper) -> None:
    said = hear(yes, Expect("yesno"))
    assert said.evidence.keys() == {"sure", "gap", "token"}
    assert said.expected_confidence == pytest.approx(confidence("yesno", said.evidence))
    assert hear(yes, Expect("phrases", phrases=("large latte", "tea"))).expected_confidence == 0.0


def test_the_mask_leads_to_an_answer_that_free_recognition_does_not_give(tmp_path: Path) -> None:
    said = hear(loaded(tmp_path / "m", "four#", {"six": 9.0}), Expect("digits"))
    assert (said.text, said.expected, said.alternatives) == ("four#", "six", ("six",))
    assert 0 < said.gap < 8


def test_half_a_number_is_partial(tmp_path: Path) -> None:
    said = hear(loaded(tmp_path / "m", "six"), Expect("digits", lengths=(4,)))
    assert (said.expected, said.partial, said.begun) == ("", True, "six")


def test_a_whole_number_is_not(tmp_path: Path) -> None:
    said = hear(loaded(tmp_path / "m", "six"), Expect("digits", lengths=(1,)))
    assert (said.expected, said.partial) == ("six", False)


def test_silence_never_reaches_the_model(yes: Whisper) -> None:
    assert yes.recognise(np.zeros(RATE_HZ, np.float32), Expect(), lambda: False) == Transcript("", 0.0)


def test_it_stops_between_its_steps_when_nobody_wants_the_result(yes: Whisper) -> None:
    for steps in range(4):
        asked = iter([False] * steps + [True])
        assert yes.recognise(voice(), Expect("yesno"), lambda asked=asked: next(asked)) is None  # type: ignore[misc]


def test_threads_share_it(yes: Whisper) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(hear(yes, Expect("yesno")).expected)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["yes"] * 3


def test_long_audio_is_cut_where_it_is_quiet_and_nothing_is_lost(yes: Whisper) -> None:
    audio = voice(50.0)
    audio[26 * RATE_HZ : 26 * RATE_HZ + RATE_HZ // 5] = 0
    first, second = windows(audio)
    assert 26.0 <= first.size / RATE_HZ <= 26.2
    assert np.array_equal(np.concatenate([first, second]), audio)
    assert all(piece.size <= WINDOW_S * RATE_HZ for piece in windows(voice(125.0)))
    said = yes.recognise(audio, Expect(), lambda: False)
    assert said is not None
    assert said.text == "yes yes"
    assert [word.text for word in said.words] == ["yes", "yes"]


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_missing_file_names_the_command_that_brings_it(tmp_path: Path, name: str) -> None:
    build(tmp_path / "faster-whisper-base.en", "yes")
    (tmp_path / "faster-whisper-base.en" / name).unlink()
    with pytest.raises(ModelMissing, match="models pull whisper-base-en"):
        WhisperSettings(whisper="base.en").folder(tmp_path)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "m", "yes")
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:2000])
    with pytest.raises(ModelMissing, match="cannot be loaded"):
        opened(folder)


def test_a_model_that_was_taken_away_is_a_failed_engine(tmp_path: Path) -> None:
    engine = loaded(tmp_path / "m", "yes")
    engine.close()
    with pytest.raises(EngineFailed):
        engine.recognise(voice(), Expect(), lambda: False)


async def test_it_is_configured_by_name_before_moonshine(tmp_path: Path) -> None:
    settings = config.AsrSettings(engine=[WhisperSettings(whisper=str(build(tmp_path / "m", "yes")))], limit_s=10.0)
    speech_input = SpeechInput.load(settings)
    speech_input.start()
    try:
        heard = await speech_input.recognise(voice(), RATE_HZ, Expect("yesno"))
    finally:
        speech_input.stop()
    assert (heard.text, heard.expected_text) == ("yes", "yes")
