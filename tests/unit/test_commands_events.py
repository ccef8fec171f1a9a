"""``voicebot events`` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voicebot import cli
from voicebot.record.records import Records


@pytest.fixture
def url(tmp_path: Path) -> str:
    records = Records.open(f"sqlite:///{tmp_path}/calls.db")
    records.start()
    records.event(None, 0, 1.0, "deployed", 1, {"flow": "northwind"})
    records.call_started("abc123", "sip", "sip:a@b", "sip:c@d", "northwind")
    records.event("abc123", 1, 2.0, "answered", 1, {"caller": "sip:a@b"})
    records.event(None, 0, 3.0, "blocked", 1, {"host": "192.0.2.7\x1b[2J", "why": "digest"})
    records.event(None, 0, 4.0, "stopped", 1, {"grace_s": 60.0})
    records.stop()
    return f"sqlite:///{tmp_path}/calls.db"


def test_events_of_no_call_are_shown_in_their_order_and_cannot_steer_the_terminal(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["events", "--database", url]) == 0
    out = capsys.readouterr().out
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["deployed", "blocked", "stopped"]
    assert "192.0.2.7" in out and "\x1b" not in out and "sip:a@b" not in out


def test_the_newest_of_a_kind_come_as_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["events", "--database", url, "--kind", "blocked", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["data"]["why"] == "digest"
    assert cli.main(["events", "--database", url, "--limit", "1", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["kind"] == "stopped"


def test_what_there_is_none_of_and_what_is_no_kind_are_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["events", "--database", url, "--kind", "answered"]) == 0
    assert capsys.readouterr().out == "no such events recorded\n"
    assert cli.main(["events", "--database", url, "--kind", "blockd"]) == 2
    assert "no event is called 'blockd'" in capsys.readouterr().err
