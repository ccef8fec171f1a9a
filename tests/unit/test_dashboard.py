"""The dashboard asks for what the server tells, all of it, and Grafana can import it."""

from __future__ import annotations

import json
import re

import prometheus_client
import pytest

from voicebot.journal import dashboard, metrics
from voicebot.paths import ROOT

SHOWN = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
PICTURES = [panel for panel in SHOWN["panels"] if panel["type"] != "row"]
ASKED = [target["expr"] for panel in PICTURES for target in panel["targets"]]
OURS = {
    name: metric
    for metric in vars(metrics).values()
    if isinstance(metric, prometheus_client.metrics.MetricWrapperBase)
    for name in [metric._name]
}
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket",)}


def series() -> dict[str, set[str]]:
    """Name of each series of ours → its labels."""
    return {
        name + ending: {*metric._labelnames, *(["le"] if ending == "_bucket" else [])}
        for name, metric in OURS.items()
        for ending in ENDINGS[metric._type]
    }


def names(expr: str) -> set[str]:
    return set(re.findall(r"\b(?:voicebot|process)_\w+", expr))


def test_every_metric_is_shown_and_every_question_is_of_a_metric() -> None:
    asked = {name for expr in ASKED for name in names(expr)}
    assert {name for name in asked if name.startswith("voicebot_")} == set(series())
    of_the_process = {name for name in asked if name.startswith("process_")}
    told = {sample.name for metric in prometheus_client.REGISTRY.collect() for sample in metric.samples}
    assert of_the_process <= told


@pytest.mark.parametrize(
    "target", [target for panel in PICTURES for target in panel["targets"]], ids=lambda t: t["expr"]
)
def test_labels_are_those_of_the_metric(target: dict[str, str]) -> None:
    (name,) = names(target["expr"])
    grouped = {label for text in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in text.split(", ") if label}
    legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert grouped | legend <= series().get(name, set())
    assert target["expr"].count("(") == target["expr"].count(")")
    assert ("_bucket" in name) == ("histogram_quantile" in target["expr"])
    assert ("rate(" in target["expr"]) == name.endswith(("_total", "_bucket"))


def test_it_has_what_grafana_wants_of_a_dashboard() -> None:
    assert SHOWN["schemaVersion"] >= 36
    assert SHOWN["uid"] == "voicebot"
    assert [one["type"] for one in SHOWN["templating"]["list"]] == ["datasource"]
    assert len({panel["id"] for panel in SHOWN["panels"]}) == len(SHOWN["panels"])
    assert all(panel["datasource"]["uid"] == "${source}" for panel in PICTURES)
    assert all(len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) for panel in PICTURES)


def test_no_picture_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in SHOWN["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= dashboard.COLUMNS
        taken |= cells
