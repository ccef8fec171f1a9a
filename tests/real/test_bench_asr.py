"""``voicebot bench asr`` over real recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.tiny_whisper import build
from voicebot.cli import main

pytestmark = [pytest.mark.speech, pytest.mark.models]


def test_figures_are_the_last_line_and_a_report_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tasks = ["--task", "digits4", "--task", "yesno", "--task", "nonsense"]
    assert main(["bench", "asr", *tasks, "--limit", "6", "--jobs", "1", "--json", "--out", str(tmp_path)]) == 0
    written = capsys.readouterr()
    figures = json.loads(written.out.splitlines()[-1])
    assert figures["tasks"]["digits4"]["exact"]["percent"] >= 80
    assert figures["tasks"]["yesno"]["exact"]["percent"] == 100
    assert figures["digit_strings"]["wrong_accepted"]["percent"] == 0
    assert "nonsense" in written.err
    assert {"report.html", "asr.json", "cases.jsonl", "tasks.png", "calibration.png"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_other_lines_and_engines_are_compared_in_one_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The Whisper is built here, and says "yes" to everything."""
    whisper = f"whisper:{build(tmp_path / 'tiny', 'yes')}"
    engines = ["--engine", whisper, "--engine", "moonshine"]
    args = ["--task", "yesno", "--conditions", *engines, "--jobs", "1", "--json", "--out", str(tmp_path)]
    assert main(["bench", "asr", *args]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    lines = ("clean", "20 dB", "10 dB", "5 dB", "2 % lost")
    assert list(figures["runs"]) == [f"{engine}, {line}" for engine in (whisper, "moonshine") for line in lines]
    exact = {name: run["tasks"]["yesno"]["exact"]["percent"] for name, run in figures["runs"].items()}
    assert exact["moonshine, clean"] == 100 > exact[f"{whisper}, clean"] > 0
    assert figures["tasks"] == figures["runs"][f"{whisper}, clean"]["tasks"]
    cost = figures["tasks"]["yesno"]["cpu_ms"]["median"]
    assert cost > 5, "Whisper computes in threads of its own, which count as well"
    page = (tmp_path / "report.html").read_text()
    assert all(name in page for name in figures["runs"])
    assert "runs.png" in page


def test_sentences_are_no_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "asr", "--only", "rejection", "--limit", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["out_of_grammar"]["accepted"]["percent"] == 0


def test_nothing_to_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "asr", "--task", "nonsense", "--json"]) == 1
    assert "nonsense" in capsys.readouterr().err


def test_utterances_arrive_at_a_servers_threads(capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "asr", "--load", "6", "--seconds", "1.5", "--task", "digits4", "--task", "yesno", "--json"])
    load = json.loads(capsys.readouterr().out.splitlines()[-1])["load"]
    assert (load["n"], load["refused"], load["failed"]) == (9, 0, 0)
    assert load["whole_ms"]["p50"] >= load["cpu_ms_each"] / 2 > 5, "recognition takes time"
