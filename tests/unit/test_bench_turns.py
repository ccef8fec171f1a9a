"""The benches of turns and barge-in count what happened, and say how sure that is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from voicebot.bench.asr.line_conditions import LineConditions, Recording, load
from voicebot.bench.bargein import run as bargein_run
from voicebot.bench.bargein.cases import BargeInKind, cough, line_faults
from voicebot.bench.turns import run as turns_run
from voicebot.bench.turns.cases import PAUSES_S, built
from voicebot.bench.turns.ground_truth import TWO_TURNS_S, spoken, turns_of, voice_ends
from voicebot.bench.turns.intervals import delays, share, spread_over_speakers, wilson
from voicebot.bench.turns.report import ReportPlot, ReportTable, write
from voicebot.paths import speech_dir

RATE = 8000


def tone(seconds: float, level: int = 8000) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    t = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(level * np.sin(2 * np.pi * 200 * t), np.int16)


def silence(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.zeros(int(seconds * RATE), np.int16)


def test_a_voice_ends_at_its_last_word_not_at_a_click_after_it() -> None:
    said = np.concatenate([silence(0.5), tone(1.0), silence(0.6), tone(0.02), silence(0.4)])
    assert voice_ends(said) == pytest.approx((0.5, 1.5), abs=0.011)


def test_silence_has_no_voice() -> None:
    with pytest.raises(ValueError, match="no voice"):
        voice_ends(silence(1.0))


def test_a_long_pause_between_two_sentences_makes_two_turns() -> None:
    spurts = [(0.5, 1.0), (1.4, 2.0), (3.2, 4.0)]
    assert turns_of(spurts, TWO_TURNS_S) == [(0.5, 2.0), (3.2, 4.0)]
    assert turns_of(spurts, math.inf) == [(0.5, 4.0)]


@pytest.mark.speech
def test_noise_after_the_last_word_is_no_voice() -> None:
    said = load(speech_dir() / "digits/fsdd_7_george_0.wav")
    hiss = np.rint(np.random.default_rng(2).normal(0, 900, RATE // 2)).astype(np.int16)
    clean, noisy = spoken(said), spoken(np.concatenate([said, silence(0.4), hiss, silence(0.2)]))
    assert noisy[-1][1] == pytest.approx(clean[-1][1], abs=0.05)


def test_shares_have_wilsons_interval() -> None:
    assert wilson(0, 20) == pytest.approx((0.0, 0.161), abs=0.001)
    assert wilson(5, 10) == pytest.approx((0.237, 0.763), abs=0.001)
    assert share(1, 4)["percent"] == 25.0


def test_percentiles_are_as_unsure_as_their_speakers_differ() -> None:
    alike = spread_over_speakers({"a": [300.0] * 9, "b": [310.0] * 9}, 50)
    apart = spread_over_speakers({"a": [200.0] * 9, "b": [600.0] * 9}, 50)
    assert alike[1] - alike[0] <= 10 < apart[1] - apart[0]
    assert delays({}) == {"n": 0}


def outcome(cut_off: bool, delay_ms: float | None) -> turns_run.TurnOutcome:
    return turns_run.TurnOutcome("a", "digits4", "george", 1, cut_off, delay_ms, "", 1.0, 1, 40.0)


def test_figures_count_cut_offs_and_missed_turns() -> None:
    found = turns_run.figures([outcome(False, 200.0), outcome(True, None), outcome(False, 300.0)])
    row = found["tasks"]["digits4"]
    assert (row["cut_off"]["count"], row["missed"]["count"], row["delay_ms"]["p50"]) == (1, 1, 250.0)
    assert "digits4" in turns_run.as_text(found)


def prompt(
    kind: BargeInKind, stop_ms: float | None, pauses_s: tuple[float, ...], turn_taken: bool
) -> bargein_run.BargeInOutcome:
    return bargein_run.BargeInOutcome("a", kind, "george", stop_ms, False, pauses_s, turn_taken, "")


def test_a_prompt_that_goes_on_in_time_was_not_stopped_falsely() -> None:
    found = bargein_run.figures(
        [
            prompt("caller", 110.0, (3.0,), True),
            prompt("caller", None, (), False),
            prompt("noise", 90.0, (0.4,), False),
            prompt("noise", 90.0, (4.0,), False),
            prompt("noise", None, (), False),
        ]
    )
    assert found["caller"]["missed"]["count"] == 1
    noise = found["no_caller"]["noise"]
    assert (noise["paused"]["count"], noise["false_stops"]["count"]) == (2, 1)
    assert "noise" in bargein_run.as_text(found)


def test_short_words_are_counted_apart_and_so_are_callers_whose_prompt_began_again_in_between() -> None:
    found = bargein_run.figures(
        [
            prompt("caller", 80.0, (0.6, 3.0), True),
            prompt("caller", 80.0, (3.0,), True),
            prompt("short", 80.0, (0.7,), False),
            prompt("unasked", 80.0, (2.0,), True),
        ]
    )
    assert (found["caller"]["nervous"]["count"], found["caller"]["missed"]["of"]) == (1, 2)
    short, unasked = found["words"]["short"], found["words"]["unasked"]
    assert (short["resumed_over"]["count"], unasked["resumed_over"]["count"]) == (1, 0)
    assert found["no_caller"]["all"]["paused"]["of"] == 0
    assert "short answers: 0.0 % of 1" in bargein_run.as_text(found)


def test_made_sounds_are_the_same_in_every_run_and_not_silent() -> None:
    assert np.array_equal(cough(3), cough(3))
    for sound in (cough(1), *line_faults().values()):
        assert np.abs(sound.astype(float)).max() > 200


def test_a_report_needs_no_other_file(tmp_path: Path) -> None:
    plot = ReportPlot("Delays", "ms", "%", {"digits": [100.0, 200.0], "none": []})
    write(tmp_path / "report.html", "A <bench>", [plot], [ReportTable("All", ("task", "n"), [("a & b", "1")])])
    page = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "A &lt;bench&gt;" in page
    assert "a &amp; b" in page


@pytest.mark.speech
def test_dictated_numbers_have_the_pauses_that_are_promised() -> None:
    everything = [
        Recording(f"digits/fsdd_{digit}_george_{n}.wav", "digit", str(digit), "george")
        for digit in range(5)
        for n in (0, 1)
    ]
    made = built(speech_dir(), everything, (), LineConditions(), 2)
    assert [case.task for case in made] == ["dictation", "dictation-open", "dictation-short"] * 2
    for case in made:
        assert case.first_s < case.last_s < len(case.pcm) / RATE
    assert max(PAUSES_S) == 1.2
