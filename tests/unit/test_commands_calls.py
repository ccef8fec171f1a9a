"""``voicebot calls`` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voicebot import cli
from voicebot.record.records import Records
from voicebot.record.rows import Turn


@pytest.fixture
def url(tmp_path: Path) -> str:
    records = Records.open(f"sqlite:///{tmp_path}/calls.db")
    records.start()
    records.call_started("abc123", "sip", "sip:a@b", "sip:c@d", "northwind")
    records.turn("abc123", Turn("caller", "my order", 0.9, rule="task"))
    records.event("abc123", 1, 1.0, "answered", 1, {"caller": "sip:a@b"})
    records.stop()
    return f"sqlite:///{tmp_path}/calls.db"


def test_the_events_of_a_call_are_shown_when_asked_for(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calls", "abc", "--events", "--database", url]) == 0
    heads, line = capsys.readouterr().out.splitlines()
    assert heads.split() == ["NO", "AT", "EVENT", "V", "DATA"]
    assert line.endswith('answered  1  {"caller": "sip:a@b"}')


def test_the_json_of_a_call_has_its_events_and_the_reasons_of_its_turns(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["calls", "last", "--json", "--database", url]) == 0
    call = json.loads(capsys.readouterr().out)
    assert [event["kind"] for event in call["events"]] == ["answered"]
    assert call["turns"][0]["turn"]["rule"] == "task"


def test_events_without_a_call_are_refused_with_a_remedy(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calls", "--events", "--database", url]) == 2
    assert "name the call, or 'last'" in capsys.readouterr().err
