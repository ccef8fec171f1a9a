"""Actions files are refused as a whole, with the line of each fault and no secret in any message."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebot.actions.catalog import Catalog, HttpCall
from voicebot.errors import SourceError
from voicebot.paths import DIALOGS


def write(folder: Path, text: str) -> Path:
    file = folder / "flow.actions.yaml"
    file.write_text(text)
    return file


def faults(folder: Path, text: str, secrets: dict[str, str] | None = None) -> list[tuple[int, str]]:
    with pytest.raises(SourceError) as caught:
        Catalog.load(write(folder, text), secrets or {})
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_the_demo_s_actions_load_and_name_their_arguments() -> None:
    catalog = Catalog.load(DIALOGS / "northwind.actions.yaml", {"NORTHWIND_PORT": "12345"})
    assert catalog.names == {
        "find_order": {"number"},
        "known_orders": {"numbers"},
        "find_slot": {"date", "time"},
        "book_appointment": {"date", "time", "service", "phone"},
        "check_identity": {"employee", "pin"},
        "reset_password": {"employee"},
    }
    assert catalog.actions["check_identity"].secret == {"pin"}
    assert catalog.allow.lists("127.0.0.1", 12345)


def test_arguments_come_from_path_query_body_and_bind_parameters(tmp_path: Path) -> None:
    catalog = Catalog.load(
        write(
            tmp_path,
            """
actions:
  a: {http: {method: POST, url: "https://api.example/x/{p}?y={q}", query: {z: "{r}"}, json: {deep: [{v: "{s}"}]}}}
  b: {sql: {database: "sqlite://", statement: "select :x, '\\\\:no' as n where y = :y"}}
  c: {python: {function: "os.path:join", args: [m, n]}}
""",
        )
    )
    assert catalog.names == {"a": {"p", "q", "r", "s"}, "b": {"x", "y"}, "c": {"m", "n"}}


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    text = 'actions:\n  a: {http: {url: "https://api.example/", headers: {Authorization: "Bearer ${KEY}"}}}\n'
    call = Catalog.load(write(tmp_path, text), {"KEY": "s3cret"}).actions["a"].call
    assert isinstance(call, HttpCall)
    assert call.headers["Authorization"] == "Bearer s3cret"


def test_every_fault_is_found_with_its_line(tmp_path: Path) -> None:
    text = """allow: [nonsense]
actions:
  a:
    http:
      url: http://10.0.0.5:80/x
  b:
    secret: [pin, ghost]
    http:
      url: https://api.example/{pin}
  c:
    http:
      url: https://{host}/x
  d:
    http:
      url: https://api.example/
      headers:
        Authorization: "${MISSING}"
  e:
    sql:
      database: no url
      statement: select 1
"""
    found = faults(tmp_path, text)
    assert [line for line, _ in found] == [1, 5, 8, 7, 12, 17, 20]
    words = "\n".join(message for _, message in found)
    for part in ("nonsense", "not a public", "'pin' stands in the URL", "'ghost' is no", "host", "MISSING", "database"):
        assert part in words


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ("{}", "exactly one"),
        ("{http: {url: https://a.example}, sql: {database: 'sqlite://', statement: select 1}}", "exactly one"),
        ("{write: true, http: {url: https://a.example}}", "cannot be a GET"),
        ("{idempotent: true, http: {url: https://a.example}}", "for HTTP writes only"),
        ("{sql: {database: 'sqlite://', statement: Update a set b = 1}}", "rolled back"),
        ("{timeout_s: 0, http: {url: https://a.example}}", "greater than 0"),
        ("{http: {url: ftp://a.example}}", "http://"),
        ("{http: {url: 'https://user:word@a.example/'}}", "user and password"),
        ("{http: {url: 'https://a.example/#x'}}", "'#'"),
        ("{http: {url: 'https://a.example/{a.b}'}}", "plain name"),
        ("{http: {url: https://a.example, json: {x: '{a!r}'}}}", "plain name"),
        ("{http: {url: https://a.example, headers: {'X Y': z}}}", "not a header name"),
        ("{http: {url: https://a.example, headers: {Host: z}}}", "set by voicebot"),
        ("{http: {url: https://a.example, wrong: z}}", "unknown key"),
        ("{python: {function: os.system}}", "function"),
    ],
)
def test_a_wrong_action_is_refused_with_words(tmp_path: Path, action: str, complaint: str) -> None:
    (line, message), *_ = faults(tmp_path, f"actions:\n  a: {action}\n")
    assert line == 2
    assert complaint in message


def test_a_secret_that_spoils_a_value_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    text = (
        'actions:\n  a: {http: {url: "https://a.example", headers: {X: "${KEY}"}}}\n'
        '  b: {sql: {database: "${KEY}", statement: select 1}}\n'
    )
    found = faults(tmp_path, text, {"KEY": "s3cr\x07t"})
    assert len(found) == 2
    assert "s3cr" not in str(found)


def test_a_variable_cannot_bring_a_template_into_a_url(tmp_path: Path) -> None:
    found = faults(tmp_path, 'actions:\n  a: {http: {url: "https://a.example/${X}"}}\n', {"X": "{pin}"})
    assert "braces" in found[0][1]


def test_a_missing_file_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        Catalog.load(tmp_path / "none.yaml")


def test_anything_but_a_get_is_a_write_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    text = """
actions:
  get: {http: {url: "https://a.example"}}
  post: {http: {method: POST, url: "https://a.example"}}
  search: {write: false, http: {method: POST, url: "https://a.example"}}
"""
    actions = Catalog.load(write(tmp_path, text)).actions
    assert {name: action.write for name, action in actions.items()} == {"get": False, "post": True, "search": False}
