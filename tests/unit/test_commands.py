"""What the commands tell before any call is taken."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from voicebot import cli
from voicebot.commands import check, demo
from voicebot.paths import DIALOGS, ROOT

pytestmark = pytest.mark.models


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A copy of the demo company's files, to be spoiled. Returns its configuration."""
    for name in ("northwind.yaml", "northwind.actions.yaml"):
        shutil.copy(DIALOGS / name, tmp_path)
    path = tmp_path / "voicebot.yaml"
    path.write_text((ROOT / "voicebot.yaml").read_text().replace("dialogs/", ""))
    return path


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_demo_company_is_in_order(company: Path) -> None:
    assert check.look(company)[0] == []


def test_a_flow_with_an_unknown_slot_is_named_with_its_line(company: Path) -> None:
    flow = company.with_name("northwind.yaml")
    spoil(flow, "- ask: order_number", "- ask: order_nummer")
    line = 1 + next(i for i, text in enumerate(flow.read_text().split("\n")) if "order_nummer" in text)
    assert any(p.line == line and "order_nummer" in p.message for p in check.look(company)[0])


def test_actions_that_the_flow_calls_must_exist_with_these_arguments(company: Path) -> None:
    actions = company.with_name("northwind.actions.yaml")
    spoil(actions, "find_order:", "find_orders:")
    spoil(actions, 'json: {employee: "{employee}"}', 'json: {employee: "{employee}", why: "{why}"}')
    problems = " ".join(str(problem) for problem in check.look(company)[0])
    assert "'find_order' is not defined" in problems
    assert "other arguments than it takes: why" in problems


def test_a_language_without_a_voice_is_found(company: Path) -> None:
    spoil(company.with_name("northwind.yaml"), "How can I help you today?", "Hi. [lang es]Diga dos.[/lang]")
    (problem,) = check.look(company)[0]
    assert "speaks 'es', for which there is no voice" in str(problem)
    spoil(company, "voice: auto ", "languages: {es: espeak} #")
    assert not check.look(company)[0]


def test_a_handover_target_that_nobody_configured_is_found(company: Path) -> None:
    spoil(company, "    reception:", "    rezeption:")
    assert any("'reception' is not configured" in p.message for p in check.look(company)[0])


def test_every_dialog_that_routes_may_name_is_checked_with_its_own_actions(company: Path) -> None:
    sales = company.with_name("sales.yaml")
    shutil.copy(company.with_name("northwind.yaml"), sales)
    spoil(company, "flow: northwind.yaml", "flows: {sales: sales.yaml}\nflow: northwind.yaml")
    assert any(p.file == str(sales) and "is not defined" in p.message for p in check.look(company)[0])
    shutil.copy(company.with_name("northwind.actions.yaml"), company.with_name("sales.actions.yaml"))
    found, words = check.look(company)
    assert found == [] and "sales: 4 tasks" in words


def test_a_wrong_configuration_ends_with_status_2_and_its_lines(
    company: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(company, "max_calls: 50", "max_calls: many")
    assert cli.main(["serve", "-c", str(company)]) == 2
    assert f"{company}:" in capsys.readouterr().err


def test_the_demo_s_options_change_its_configuration(tmp_path: Path) -> None:
    words = ["demo", "--sip-port", "0", "--human", "sip:me@127.0.0.1:5099", "--data", str(tmp_path)]
    settings = demo.settings(cli.parser("demo").parse_args(words))
    assert settings.sip.port == 0
    assert set(settings.handover.targets.values()) == {"sip:me@127.0.0.1:5099"}
    assert settings.record.database == f"sqlite:///{tmp_path}/calls.db"


def test_trunks_and_routes_of_the_configuration_are_checked_too(company: Path) -> None:
    trunks = company.with_name("trunks")
    trunks.mkdir()
    (trunks / "pbx.yaml").write_text("title: PBX\npeers: [10.0.0.300]\n")
    company.with_name("routes.yaml").write_text(
        "routes:\n  - name: a\n    when: {to: '+49*'}\n    flow: sails\nelse: {flow: northwind}\n"
    )
    spoil(company, "sip:\n", "sip:\n  trunks: trunks\n  routes: routes.yaml\n")
    found = [str(problem) for problem in check.look(company)[0]]
    assert any("pbx.yaml:2:" in text for text in found)
    assert any("routes.yaml:" in text and "sails" in text for text in found)


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("postgresql+psycopg://u:s3cret@h/d", 'psycopg is not installed — run: pip install "voicebot[postgres]"'),
        ("postgresql://u:s3cret@h/d", 'write postgresql+psycopg://… and run: pip install "voicebot[postgres]"'),
        ("oracle://u:s3cret@h/d", "sqlite:///var/voicebot.db or postgresql+psycopg://"),
    ],
)
def test_a_database_of_the_records_whose_driver_is_missing_is_found(
    company: Path, database: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for driver in ("psycopg", "psycopg2", "cx_Oracle"):
        monkeypatch.setitem(sys.modules, driver, None)
    spoil(company, "database: sqlite:///var/voicebot.db", f"database: {database}")
    (found,) = [str(problem) for problem in check.look(company)[0]]
    assert words in found
    assert "s3cret" not in found


def test_a_handover_target_outside_a_trunk_s_destinations_is_found(company: Path) -> None:
    """Acceptance 26."""
    trunks = company.with_name("trunks")
    trunks.mkdir()
    (trunks / "acme.yaml").write_text("title: Acme\npeers: [10.0.0.3]\nto: 10.0.0.3\ndestinations: ['+49*']\n")
    spoil(company, "sip:\n", "sip:\n  trunks: trunks\n")
    spoil(company, "sip:reception@127.0.0.1:5070", "sip:+15551234@acme")
    assert any("'reception'" in p.message and "may not be called" in p.message for p in check.look(company)[0])
    spoil(company, "sip:+15551234@acme", "sip:+49301234@acme")
    assert check.look(company)[0] == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("engine: moonshine ", "engine: [moonshine, whisper: nosuch.en] #", "models pull whisper-nosuch-en"),
        ("engine: moonshine ", 'engine: {pipecat: "pipecat.services.nobody:Nobody"} #', "install what"),
        ("voice: auto ", "voice: [espeak, en_US-nobody-low] #", "'en_US-nobody-low' is not in"),
        ("voice: auto ", 'voice: {pipecat: "voicebot.config:Config", arguments: {flow: "${NO_KEY}"}} #', "NO_KEY"),
    ],
)
def test_engines_and_voices_that_are_not_there_are_found_without_loading_any(
    company: Path, old: str, new: str, words: str
) -> None:
    spoil(company, old, new)
    (problem,) = check.look(company)[0]
    assert words in str(problem)


@pytest.mark.parametrize("wrong", ["engine: sphinx #", "engine: [] #", "engine: {pipecat: no-class} #"])
def test_an_engine_that_nobody_knows_is_refused_with_its_line(company: Path, wrong: str) -> None:
    spoil(company, "engine: moonshine ", wrong)
    line = 1 + next(i for i, text in enumerate(company.read_text().split("\n")) if wrong in text)
    assert {problem.line for problem in check.look(company)[0]} == {line}
