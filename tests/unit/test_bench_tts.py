"""``voicebot bench tts`` measures what is spoken, with the voice that is always there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot import config
from voicebot.bench.tts.figures import figures, side_by_side
from voicebot.bench.tts.flow_prompts import of_flow
from voicebot.bench.tts.predicted_mos import MosModel
from voicebot.bench.tts.prompts import KINDS, PROMPTS, BenchPrompt, of_tasks, read
from voicebot.bench.tts.run import MeasuredPrompt, SynthesisRun, judge, words, wrong
from voicebot.cli import main
from voicebot.errors import VoicebotError


def spoken(text: str, heard: str, first_ms: float = 5.0) -> MeasuredPrompt:
    run = SynthesisRun(first_ms, 2.0, 20.0, 8.0)
    return MeasuredPrompt(
        BenchPrompt("short", text), np.full(8000, 3000, np.int16), [run], [run], heard=heard, heard_in_noise=heard
    )


def test_figures_and_their_words_are_the_same_words() -> None:
    assert words("That's $12.50, [pause 1s] on March 3rd.") == words(
        "that's twelve dollars and fifty cents on march third"
    )
    assert words("4 7 1 1 0 2") == words("471102") == ["four", "seven", "one", "one", "zero", "two"]


def test_wrong_words_are_counted_over_all_prompts() -> None:
    done = [spoken("One two three.", "one two three"), spoken("Hold the line.", "hold line please")]
    assert wrong(done, noise=False) == pytest.approx(2 / 6)


def test_a_late_first_sample_is_missed() -> None:
    assert figures("v", [spoken("Yes.", "yes")])["ok"]
    late = figures("v", [spoken("Yes.", "yes", first_ms=31.0)])
    assert not late["ok"]
    assert [m.split(":")[0] for m in late["missed"]] == ["fresh", "remembered"]


def test_the_prompts_of_a_file_are_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("One.\n\n  Two? \n...\n")
    assert read(file) == (BenchPrompt("file", "One."), BenchPrompt("file", "Two?"))
    file.write_text("\n")
    with pytest.raises(VoicebotError, match="0 prompts"):
        read(file)
    assert {p.kind for p in PROMPTS} == set(KINDS)


def test_tasks_are_kinds_of_ours_or_what_recordings_say(tmp_path: Path) -> None:
    rows = "path,task,transcript,speaker\na.wav,digits4,one two,x\nb.wav,digits4,one two,y\nc.wav,word,hi,x\n"
    (tmp_path / "manifest.csv").write_text(rows)
    assert of_tasks(["digits4"], tmp_path) == (BenchPrompt("digits4", "one two"),)
    assert {p.kind for p in of_tasks(["names", "word"], tmp_path)} == {"names", "word"}
    with pytest.raises(VoicebotError, match="no kind of prompt"):
        of_tasks(["nothing"], tmp_path)


def test_a_run_ends_in_its_figures_and_writes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("Hello there.\nYour code is [pause 300ms] [slow][spell: AB12][/slow].\n")
    arguments = ["bench", "tts", "--text-file", str(file), "--voice", "espeak", "--repeat", "2", "--no-recognition"]
    main([*arguments, "--json", "--out", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert len(lines) == 1
    assert found["prompts"] == 2
    assert 0 < found["first_cpu_ms_p50"] <= found["whole_cpu_ms_p50"]
    assert found["again_ms_p50"] < found["first_ms_p50"]
    assert found["level_dbfs"] == pytest.approx(-20, abs=1)
    assert found["peak_dbfs"] < 0
    assert 0 < found["real_time_factor"] < 0.1
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png") == 4
    assert "Hello there." in page
    assert (tmp_path / "out" / "001.wav").stat().st_size > 16_000


def test_all_that_a_flow_says_is_spoken_with_values_filled_in() -> None:
    said = {prompt.text for prompt in of_flow(config.Config().flow)}
    assert "How can I help you today?" in said
    assert "I can't find an order with the number 8 3 2 0 1 4." in said
    assert any(text.startswith("Done! You're booked for") and "[slow]K D 4 7 B[/slow]" in text for text in said)
    assert "I have 8 3 2 0 1 4. Is that right?" in said
    assert "You'd like to check on an order. Is that right?" in said
    assert not [text for text in said if "{" in text]


def test_words_a_minute_leave_silence_before_and_after_out() -> None:
    prompt = spoken("Hold the line please, one moment now.", "")
    tone = (8000 * np.sin(np.arange(16000) / 3)).astype(np.int16)
    prompt.pcm = np.concatenate([np.zeros(8000, np.int16), tone, np.zeros(24000, np.int16)])
    assert prompt.words_per_minute == pytest.approx(7 * 60 / 2, rel=0.01)
    prompt.pcm = np.zeros(8000, np.int16)
    assert prompt.words_per_minute == 0


def test_voices_stand_side_by_side_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("Hello there.\n")
    common = ["bench", "tts", "--text-file", str(file), "--repeat", "1", "--no-recognition", "--out", str(tmp_path)]
    main([*common, "--voice", "espeak", "--voice", "hibari"])
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert [voice["voice"].split()[0] for voice in found["voices"]] == ["espeak-ng", "hibari"]
    assert any("espeak-ng" in line and "hibari" in line for line in lines)
    assert (tmp_path / "hibari" / "report.html").is_file()
    assert (tmp_path / "espeak" / "000.wav").is_file()
    assert "wrong_words file" in side_by_side(found["voices"])


def test_a_score_is_predicted_of_what_arrives_over_the_line() -> None:
    heard: list[int] = []

    def loudness(sound: NDArray[np.float32]) -> float:
        heard.append(sound.size)
        return 1 + 4 * float(np.abs(sound).max())

    prompts = [spoken("Yes.", "yes"), spoken("No.", "no")]
    prompts[1].pcm = np.full(8000, 30000, np.int16)
    judge(prompts, [MosModel("mos_loud", loudness)])
    assert heard == [16000, 16000]
    assert 1 < prompts[0].mos["mos_loud"] < prompts[1].mos["mos_loud"] <= 5
    found = figures("v", prompts)
    assert found["mos_loud"] == pytest.approx((prompts[0].mos["mos_loud"] + prompts[1].mos["mos_loud"]) / 2, abs=0.01)
