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
confidence = Histogram(
    "voicebot_recognition_confidence", "How sure recognition was of a spoken turn, 0 to 1",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
)  # fmt: skip
barge_ins = Counter("voicebot_barge_ins", "Turns that began while a prompt was playing")
actions = Counter("voicebot_actions", "Backend actions by name and result", ["action", "result"])
action_duration = Histogram(
    "voicebot_action_seconds", "How long a backend action took", ["action"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0),
)  # fmt: skip
handovers = Counter("voicebot_handovers", "Handovers by reason and result", ["reason", "result"])
handover_wait = Histogram(
    "voicebot_handover_wait_seconds", "From being put on hold to a human, or to words instead", ["result"],
    buckets=(1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
)  # fmt: skip
offers_unconnected = Counter(
    "voicebot_offers_unconnected", "Lines that were freed because the browser did not connect after its offer"
)
offers_refused = Counter("voicebot_offers_refused", "Offers of browsers that were refused", ["why"])
loop_lag = Histogram(
    "voicebot_loop_lag_seconds", "How late the event loop came to what was due",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)  # fmt: skip
resolved = Counter("voicebot_tasks_resolved", "Tasks done end to end", ["task"])
journal_lost = Counter("voicebot_journal_lost", "Events that a sink never read because its queue was full", ["sink"])
journal_faults = Counter("voicebot_journal_faults", "Events that a sink of the journal failed on", ["sink"])
cache_files = Counter(
    "voicebot_cache_files", "Files of the cache: read, written, broken (removed), full (no room to keep one)",
    ["folder", "what"],
)  # fmt: skip
records_lost = Counter("voicebot_records_lost", "Entries of call records that could not be written")
records_waiting = Gauge("voicebot_records_waiting", "Entries of call records that wait to be written")
part_up = Gauge("voicebot_part_up", "1: this part of the server is well, as /readyz says; 0: it is not", ["part"])
disk_free = Gauge("voicebot_disk_free_bytes", "Room on the disk of the data folder")
database_up = Gauge("voicebot_database_up", "1: the database of the call records takes what is written; 0: it does not")

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
