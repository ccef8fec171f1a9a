"""YAML is read safely, stays text where designers expect text, and every complaint has its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from telephony import yamlfile
from voicebot import config
from voicebot.errors import SourceError


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    sizes: list[int] = []


def problems(text: str) -> list[tuple[int, str]]:
    data, lines = yamlfile.parse(text, "x.yaml")
    with pytest.raises(SourceError) as caught:
        yamlfile.build(Thing, data, lines, "x.yaml")
    return [(p.line, p.message) for p in caught.value.problems]


def test_words_that_yaml_1_1_turns_into_other_things_stay_words() -> None:
    data, _ = yamlfile.parse("a: yes\nb: no\nc: 10:30\nd: 2024-01-02\ne: 007\nf: on", "x")
    assert data == {"a": "yes", "b": "no", "c": "10:30", "d": "2024-01-02", "e": "007", "f": "on"}


def test_plain_scalars_of_the_core_schema_keep_their_types() -> None:
    data, _ = yamlfile.parse('a: 1\nb: 2.5\nc: true\nd: null\ne: "1"', "x")
    assert data == {"a": 1, "b": 2.5, "c": True, "d": None, "e": "1"}


def test_every_problem_is_reported_with_its_line() -> None:
    found = problems("nam: x\nsizes:\n  - 1\n  - two\n")
    assert [line for line, _ in found] == [1, 4, 1]
    assert "is missing" in found[0][1]
    assert "sizes.1" in found[1][1]
    assert "unknown key" in found[2][1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!python/object/apply:os.system ['true']", "not allowed"),
        ("a: !mine 1", "not allowed"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: 1\na: 2", "given twice"),
        ("a: [1", "flow sequence"),
        ("", "empty"),
        ("a:\n" + "".join("  " * i + f"  k{i}:\n" for i in range(60)), "deeply"),
    ],
)
def test_hostile_or_broken_files_are_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        yamlfile.parse(text, "x.yaml")


def test_configuration_paths_are_relative_to_its_file(tmp_path: Path) -> None:
    path = tmp_path / "voicebot.yaml"
    path.write_text("flow: mine.yaml\nrecord: {database: sqlite:///calls.db}\nhandover: {targets: {desk: sip:a@b}}\n")
    read = config.load(path)
    assert read.flow == tmp_path / "mine.yaml"
    assert read.actions_file == tmp_path / "mine.actions.yaml"
    assert read.record.database == f"sqlite:///{tmp_path}/calls.db"


@pytest.mark.parametrize("key", ["ears", "mouth"])
def test_an_unknown_section_is_refused_with_its_line_and_the_sections_there_are(tmp_path: Path, key: str) -> None:
    path = tmp_path / "voicebot.yaml"
    path.write_text(f"sip: {{port: 5060}}\n{key}: {{threads: 2}}\n")
    with pytest.raises(SourceError) as caught:
        config.load(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.message) == (str(path), 2, f"{key}: unknown key")
    assert "asr, turns, tts" in problem.remedy


def test_a_handover_target_that_is_no_sip_uri_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "voicebot.yaml"
    path.write_text("sip:\n  port: 5060\nhandover:\n  targets:\n    desk: tel:+1555\n")
    with pytest.raises(SourceError, match=r"voicebot.yaml:4: .*SIP URI"):
        config.load(path)
