"""How answers are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicebot.asr.recognisers.moonshine import MoonshineSettings
from voicebot.asr.recognisers.pipecat import PipecatRecogniserSettings
from voicebot.asr.recognisers.whisper import WhisperSettings
from voicebot.bench.asr.cases import AsrCase, heard_rightly, settings_by_name
from voicebot.bench.asr.confidence import of_words
from voicebot.bench.asr.error_rates import checked, errors, looked_up, luhn_sum, over_speakers, wilson
from voicebot.bench.asr.line_conditions import LineConditions, Recording, read_manifest, received
from voicebot.bench.asr.score import calibration, of_tasks, table
from voicebot.bench.asr.tasks import tasks, truth
from voicebot.errors import VoicebotError
from voicebot.messages import Word


def recording(task: str, transcript: str, slots: str = "") -> Recording:
    return Recording("x.wav", task, transcript, "anna", slots)


def one(value: str, truth: str, confidence: float = 0.95, speaker: str = "anna") -> AsrCase:
    return AsrCase("x.wav", "digits4", speaker, truth, value, (value,), value, confidence, False, 1, 50.0, 2.0, 0, 4)


def test_wrong_words_are_counted_by_edit_distance() -> None:
    assert errors(["a", "b", "c"], ["a", "c", "d"]) == 2
    assert errors([], ["a"]) == 1


def test_wilson_interval_of_a_perfect_score_is_not_a_point() -> None:
    low, high = wilson(38, 38)
    assert 0.90 < low < 0.92
    assert high == pytest.approx(1)


def test_speakers_are_drawn_whole() -> None:
    low, high = over_speakers([True] * 30 + [False] * 10, ["a"] * 10 + ["b"] * 10 + ["c"] * 10 + ["d"] * 10) or (0, 0)
    assert low < 0.5 < 0.99 < high
    assert over_speakers([True], ["a"]) is None


def test_a_check_digit_chooses_among_answers() -> None:
    assert luhn_sum("79927398713") == 0
    assert checked(["4712", "4711"], "4711") == "4711"
    assert checked(["4712"], "4711") == ""


def test_a_lookup_knows_a_thousand_numbers_and_the_true_one() -> None:
    assert looked_up(["999999999", "123456789"], "123456789") == "123456789"


@pytest.mark.parametrize(
    ("task", "said", "heard"),
    [
        ("digits4", "four seven one one", "4711"),
        ("digits4", "four zero one one", "four oh double one"),
        ("date", "may twenty fifth two thousand three", "May 25th, 2003"),
        ("amount", "seven hundred fifty four dollars", "$754"),
        ("code", "k five t five a e", "K5T5AE"),
        ("nato", "alpha", "a"),
        ("yesno", "yes", "yes please"),
        ("sentence", "the rain in spain", "The rain, in Spain."),
    ],
)
def test_answers_count_as_the_dialog_takes_them(task: str, said: str, heard: str) -> None:
    asked = recording(task, said)
    known = tasks([asked])[task]
    assert known.value(heard, asked) == truth(asked, known) != ""


def test_an_order_is_right_when_all_its_slots_are() -> None:
    asked = recording(
        "coffee", "", '{"coffeeDrink": "iced coffee", "milkAmount": "a bit of soy milk", "size": "eight ounce"}'
    )
    other = recording("coffee", "", '{"coffeeDrink": "coffee", "milkAmount": " soy milk"}')
    known = tasks([asked, other])["coffee"]
    assert known.value("An 8 ounce iced coffee with a bit of soy milk.", asked) == truth(asked, known)
    assert known.value("An 8 ounce iced coffee with soy milk.", asked) != truth(asked, known)


def test_words_that_were_not_said_count_as_wrong_and_figures_as_their_words() -> None:
    words = [Word("Seven,", 0.9), Word("ate", 0.4), Word("$54.", 0.8)]
    assert heard_rightly(words, "seven eight five four") == ((0.9, True), (0.4, False), (0.8, True))
    assert heard_rightly(words, "") == (), "nobody knows what was said"


def test_word_confidences_are_worth_what_they_tell_apart() -> None:
    found = of_words([(0.9, True), (0.8, True), (0.95, False), (0.3, False), (0.2, True)])
    assert (found["n"], found["right"]["percent"]) == (5, 60.0)
    assert found["auc"] == pytest.approx(2 / 6, abs=0.001)
    assert (found["guesses_wrong"]["percent"], found["wrong_found"]["percent"]) == (50.0, 50.0)
    assert of_words([]) == {"n": 0}


def test_engines_are_those_of_the_configuration(tmp_path: Path) -> None:
    assert settings_by_name("moonshine").engines == (MoonshineSettings(),)
    assert settings_by_name("whisper").engines == (WhisperSettings(whisper="base.en"),)
    assert settings_by_name("whisper:/srv/mine").engines == (WhisperSettings(whisper="/srv/mine"),)
    (tmp_path / "x.yaml").write_text("asr: {engine: [{pipecat: 'my.stt:Stt'}, moonshine], limit_s: 3}")
    assert settings_by_name(str(tmp_path / "x.yaml")).engines == (
        PipecatRecogniserSettings(pipecat="my.stt:Stt"),
        MoonshineSettings(),
    )
    with pytest.raises(VoicebotError, match="no engine"):
        settings_by_name("nonsense")


def test_noise_has_the_level_asked_for() -> None:
    chance = np.random.default_rng(1)
    voice = (8000 * np.sin(np.arange(16000) * 0.3)).astype(np.int16)
    noise = chance.normal(0, 500, 8000).astype(np.int16)
    clean = received(voice, LineConditions(), 3).astype(float)
    noisy = received(voice, LineConditions(10.0, 0.0, {"n": noise}), 3).astype(float)
    ratio_db = 10 * np.log10(np.square(voice.astype(float)).mean() / np.square(noisy - clean).mean())
    assert ratio_db == pytest.approx(10, abs=0.7)


def test_lost_packets_are_concealed_and_the_same_in_each_run() -> None:
    voice = (8000 * np.sin(np.arange(16000) * 0.3)).astype(np.int16)
    lossy = received(voice, LineConditions(loss=0.1), 3)
    assert np.array_equal(lossy, received(voice, LineConditions(loss=0.1), 3))
    clean = received(voice, LineConditions(), 3)[: len(lossy)]
    changed = (lossy != clean).reshape(-1, 160).any(1).mean()
    assert 0.03 < changed < 0.3


def test_calibration_compares_confidence_with_what_was_right() -> None:
    cases = [one("4711", "4711", 0.95)] * 9 + [one("4712", "4711", 0.95)]
    assert calibration(cases)["ece"] == pytest.approx(0.05)
    assert calibration(cases)["right_above_threshold"]["percent"] == 90.0


def test_figures_are_by_task_and_speaker() -> None:
    figures = of_tasks([one("4711", "4711")] * 3 + [one("4712", "4711", speaker="ben")] * 3)
    task = figures["tasks"]["digits4"]
    assert task["exact"]["percent"] == 50.0
    assert task["by_speaker"]["ben"]["percent"] == 0.0
    assert figures["digit_strings"]["wrong_accepted"]["percent"] == 50.0
    assert "digits4" in table(figures)


def test_a_folder_without_a_manifest_is_said(tmp_path: object) -> None:
    from pathlib import Path

    with pytest.raises(VoicebotError, match=r"manifest\.csv"):
        read_manifest(Path(str(tmp_path)))
