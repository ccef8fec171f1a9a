"""Templates put arguments into URLs and bodies without letting them out of their place."""

from __future__ import annotations

from typing import Any

import pytest

from voicebot.actions.failure import TryFailed
from voicebot.actions.templates import ArgumentTemplate, UrlTemplate, checked, expand, fill_json, json_names


@pytest.mark.parametrize(
    "bad", ["{a.b}", "{a[0]}", "{a!r}", "{a:>10}", "{}", "{0}", "{__class__}", "{A}", "{a", "a}", "{ a }"]
)
def test_a_template_names_arguments_and_nothing_else(bad: str) -> None:
    with pytest.raises(ValueError, match="template"):
        ArgumentTemplate.parse(bad)


def test_double_braces_stand_for_braces() -> None:
    assert ArgumentTemplate.parse("{{a}}{a}").fill({"a": "x"}) == "{a}x"


def url(path: str) -> UrlTemplate:
    return UrlTemplate("http://backend", ArgumentTemplate.parse(path))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("471102", "/orders/471102"),
        ("a/b", "/orders/a%2Fb"),
        ("x?admin=1#y", "/orders/x%3Fadmin%3D1%23y"),
        ("ä €", "/orders/%C3%A4%20%E2%82%AC"),
        ("%2e%2e", "/orders/%252e%252e"),
        (12, "/orders/12"),
        (True, "/orders/true"),
    ],
)
def test_an_argument_stays_inside_its_segment_of_the_url(value: Any, expected: str) -> None:
    assert url("/orders/{number}").fill({"number": value}) == "http://backend" + expected


@pytest.mark.parametrize("value", ["..", ".", "", None])
def test_an_argument_cannot_leave_its_folder_or_name_the_folder_itself(value: Any) -> None:
    with pytest.raises(TryFailed) as caught:
        url("/orders/{number}").fill({"number": value})
    assert caught.value.kind == "refused"


def test_two_arguments_cannot_make_dots_together() -> None:
    with pytest.raises(TryFailed):
        url("/a/{x}{y}/b").fill({"x": ".", "y": "."})


def test_a_json_string_that_is_one_argument_keeps_its_type() -> None:
    body = {"n": "{n}", "note": "no {n}", "list": ["{flag}", 7], "none": "{gone}"}
    filled = fill_json(body, {"n": 3, "flag": False, "gone": None})
    assert filled == {"n": 3, "note": "no 3", "list": [False, 7], "none": None}
    assert json_names(body) == {"n", "flag", "gone"}


def test_an_argument_that_looks_like_a_template_is_not_filled_in_again() -> None:
    assert fill_json({"a": "x {a}"}, {"a": "{b}", "b": "secret"}) == {"a": "x {b}"}


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"a": "1", "b": "2"},
        {"a": "x\r\nHost: evil"},
        {"a": "\x00"},
        {"a": "\ud800"},
        {"a": "x" * 2001},
        {"a": ["list"]},
        {"a": float("nan")},
        {"a": float("inf")},
    ],
)
def test_arguments_that_are_missing_too_many_or_no_plain_values_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(TryFailed) as caught:
        checked(args, frozenset({"a"}))
    assert caught.value.kind == "refused"


def test_the_refusal_names_the_argument_but_never_its_value() -> None:
    with pytest.raises(TryFailed) as caught:
        checked({"pin": "19\n03"}, frozenset({"pin"}))
    assert "pin" in caught.value.message
    assert "19" not in caught.value.message


def test_environment_variables_are_filled_in_with_defaults() -> None:
    assert expand("a ${X} ${Y:-8090} ${Z:-}", {"X": "1", "Z": ""}) == "a 1 8090 "
    with pytest.raises(ValueError, match="NOT_THERE is not set"):
        expand("${NOT_THERE}", {})
