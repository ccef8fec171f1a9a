"""The dashboard of the metrics as code: docs/draw.py writes docs/grafana.json of it, which Grafana imports.

A panel is a title, a unit and its questions to Prometheus. tests/unit/test_dashboard.py sees that each asks for a
metric that the server has, and that every metric is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 8, 7
COLUMNS = 24
_RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture."""

    title: str
    unit: str
    asks: tuple[tuple[str, str], ...]
    """PromQL and the legend of its lines."""


def quantiles(name: str, label: str = "") -> tuple[tuple[str, str], ...]:
    """Median, 95th and 99th percentile of a histogram, for each value of a label."""
    by, legend = (f"le, {label}", f" {{{{{label}}}}}") if label else ("le", "")
    return tuple(
        (f"histogram_quantile({q}, sum by ({by}) (rate({name}_bucket{_RATE})))", f"p{round(q * 100)}{legend}")
        for q in (0.5, 0.95, 0.99)
    )


def rate(name: str, *labels: str) -> tuple[tuple[str, str], ...]:
    """How often something happens in a second."""
    legend = " ".join(f"{{{{{label}}}}}" for label in labels) or name
    return ((f"sum by ({', '.join(labels)}) (rate({name}_total{_RATE}))", legend),)


def now(name: str, *labels: str) -> tuple[tuple[str, str], ...]:
    """What a gauge shows."""
    return ((name, " ".join(f"{{{{{label}}}}}" for label in labels) or name),)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Is all well?": (
        Panel("Parts of the server (1: well)", "none", now("voicebot_part_up", "part")),
        Panel("Database (1: takes what is written)", "none", now("voicebot_database_up")),
        Panel("Engines (1: used, 0: rests)", "none", now("voicebot_engine_up", "room", "engine")),
        Panel("Lag of the event loop", "s", quantiles("voicebot_loop_lag_seconds")),
        Panel("File descriptors", "short", (*now("process_open_fds"), *now("process_max_fds"))),
        Panel("Memory", "bytes", now("process_resident_memory_bytes")),
    ),
    "What callers live through": (
        Panel("Wait for an answer", "s", quantiles("voicebot_response_seconds")),
        Panel("Where a turn's time goes (p95)", "s", quantiles("voicebot_stage_seconds", "stage")[1:2]),
        Panel("Calls under way", "short", now("voicebot_calls_active", "channel")),
        Panel("Calls that ended, by outcome", "ops", rate("voicebot_calls", "channel", "outcome")),
        Panel("Tasks done end to end", "ops", rate("voicebot_tasks_resolved", "task")),
        Panel("Turns", "ops", rate("voicebot_turns", "kind")),
        Panel("How sure recognition was", "percentunit", quantiles("voicebot_recognition_confidence")[:1]),
        Panel("Barge-ins", "ops", rate("voicebot_barge_ins")),
        Panel("Offers of browsers refused", "ops", rate("voicebot_offers_refused", "why")),
        Panel("Browsers that did not connect", "ops", rate("voicebot_offers_unconnected")),
    ),
    "Backends and humans": (
        Panel("Backend actions", "ops", rate("voicebot_actions", "action", "result")),
        Panel("How long actions take (p95)", "s", quantiles("voicebot_action_seconds", "action")[1:2]),
        Panel("Handovers", "ops", rate("voicebot_handovers", "reason", "result")),
        Panel("Wait for a human (p95)", "s", quantiles("voicebot_handover_wait_seconds", "result")[1:2]),
    ),
    "Recognition and voices": (
        Panel("Recognitions that wait", "short", now("voicebot_asr_queue")),
        Panel("Recognitions refused", "ops", rate("voicebot_asr_refused")),
        Panel("Faults of engines", "ops", rate("voicebot_engine_faults", "room", "engine", "why")),
        Panel("Jobs done by a stand-in", "ops", rate("voicebot_engine_stand_ins", "room", "engine")),
    ),
    "The edge": (
        Panel("Calls by final status", "ops", rate("voicebot_sip_calls", "trunk", "direction", "status")),
        Panel("Setting calls up (p95)", "s", quantiles("voicebot_sip_setup_seconds", "trunk")[1:2]),
        Panel("Who ended calls", "ops", rate("voicebot_sip_over", "trunk", "why")),
        Panel("Turned away at the door", "ops", rate("voicebot_sip_refused", "trunk", "why")),
        Panel("Sources blocked", "ops", rate("voicebot_sip_blocked_sources")),
        Panel("Trunks (1: up)", "none", now("voicebot_trunk_up", "trunk")),
        Panel("Registrations (1: registered)", "none", now("voicebot_trunk_registered", "trunk")),
        Panel("Days that certificates are valid", "d", now("voicebot_certificate_days_left", "file")),
        Panel("Jitter (p95)", "s", quantiles("voicebot_media_jitter_seconds", "trunk")[1:2]),
        Panel("Packets lost (p95)", "percent", quantiles("voicebot_media_loss_percent", "trunk")[1:2]),
        Panel("Quality heard (median MOS)", "none", quantiles("voicebot_media_mos", "trunk")[:1]),
    ),
    "The record": (
        Panel("Entries that wait", "short", now("voicebot_records_waiting")),
        Panel("Entries lost", "ops", rate("voicebot_records_lost")),
        Panel("Room on the disk", "bytes", now("voicebot_disk_free_bytes")),
        Panel("Files of the cache", "ops", rate("voicebot_cache_files", "folder", "what")),
        Panel("Events that a sink never read", "ops", rate("voicebot_journal_lost", "sink")),
        Panel("Events that a sink failed on", "ops", rate("voicebot_journal_faults", "sink")),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana's JSON (schema 39: Grafana 10 and newer)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
             "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}}
        )  # fmt: skip
        y += 1
        for at, panel in enumerate(row):
            x = at * WIDTH % COLUMNS
            panels.append(_panel(panel, len(panels) + 1, x, y + at * WIDTH // COLUMNS * HEIGHT))
        y += -(-len(row) * WIDTH // COLUMNS) * HEIGHT
    return {
        "title": "voicebot",
        "uid": "voicebot",
        "tags": ["voicebot"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": source, "expr": expr, "legendFormat": legend}
            for n, (expr, legend) in enumerate(panel.asks)
        ],
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
