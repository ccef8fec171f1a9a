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
engine_faults = Counter(
    "voicebot_engine_faults", "Jobs that an engine failed on: fault or limit", ["room", "engine", "why"]
)
engine_up = Gauge("voicebot_engine_up", "1: the engine is used; 0: it rests after faults", ["room", "engine"])
engine_stand_ins = Counter(
    "voicebot_engine_stand_ins", "Jobs that an engine did because those before it in the list could not",
    ["room", "engine"],
)  # fmt: skip
actions = Counter("voicebot_actions", "Backend actions by name and result", ["action", "result"])
handovers = Counter("voicebot_handovers", "Handovers by reason and result", ["reason", "result"])
resolved = Counter("voicebot_tasks_resolved", "Tasks done end to end", ["task"])
journal_lost = Counter("voicebot_journal_lost", "Events that a sink never read because its queue was full", ["sink"])
journal_faults = Counter("voicebot_journal_faults", "Events that a sink of the journal failed on", ["sink"])
records_lost = Counter("voicebot_records_lost", "Entries of call records that could not be written")

sip_calls = Counter("voicebot_sip_calls", "Calls set up or refused, by trunk", ["trunk", "direction", "status"])
sip_setup = Histogram(
    "voicebot_sip_setup_seconds", "INVITE to final response of answered calls", ["trunk", "direction"],
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
)  # fmt: skip
sip_over = Counter("voicebot_sip_over", "Answered calls that have ended, by who or what ended them", ["trunk", "why"])
sip_refused = Counter("voicebot_sip_refused", "Packets and requests turned away at the door", ["trunk", "why"])
sip_blocked = Counter("voicebot_sip_blocked_sources", "Times that a source was blocked")
certificate_days_left = Gauge(
    "voicebot_certificate_days_left", "Days until the certificate expires that callers by SIP over TLS are shown",
    ["file"],
)  # fmt: skip
trunk_up = Gauge("voicebot_trunk_up", "1: the trunk answers OPTIONS; 0: it does not; -1: nobody has asked", ["trunk"])
trunk_registered = Gauge("voicebot_trunk_registered", "1: we are registered; 0: we should be and are not", ["trunk"])
media_jitter = Histogram(
    "voicebot_media_jitter_seconds", "Interarrival jitter of a call", ["trunk"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1),
)  # fmt: skip
media_loss = Histogram(
    "voicebot_media_loss_percent", "Packets of a call that were lost on the way to us", ["trunk"],
    buckets=(0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
)  # fmt: skip
media_mos = Histogram(
    "voicebot_media_mos", "Estimated quality of what we heard in a call (1 to 4.5)", ["trunk"],
    buckets=(2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.4, 4.5),
)  # fmt: skip
