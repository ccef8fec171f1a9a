"""Counters and histograms that operators watch at ``/metrics``. All of them are named here."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.5, 2.0, 3.0, 5.0)

calls = Counter("voicebot_calls", "Calls by how they arrived and how they ended", ["channel", "outcome"])
calls_active = Gauge("voicebot_calls_active", "Calls under way", ["channel"])
turns = Counter("voicebot_turns", "Turns of callers by what came of them", ["kind"])
response = Histogram(
    "voicebot_response_seconds", "Last voiced sample of the caller to first sample of the answer", buckets=_SECONDS
)
stage = Histogram("voicebot_stage_seconds", "Time of one stage of a turn", ["stage"], buckets=_SECONDS)
asr_queue = Gauge("voicebot_asr_queue", "Recognitions that wait")
asr_refused = Counter("voicebot_asr_refused", "Recognitions refused because the queue was full")
actions = Counter("voicebot_actions", "Backend actions by name and result", ["action", "result"])
handovers = Counter("voicebot_handovers", "Handovers by reason and result", ["reason", "result"])
resolved = Counter("voicebot_tasks_resolved", "Tasks done end to end", ["task"])
records_lost = Counter("voicebot_records_lost", "Entries of call records that could not be written")
