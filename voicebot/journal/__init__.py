"""What happens in calls and to the server, as typed events: written once, redacted where they are made, read by sinks.

Touch `events` for a new kind of event, `redaction` for what must never leave, `metrics` for what operators count; a new
reader of events is one file with a `Sink` in the room that it belongs to, named in ``app.py``. Imports only `messages`.
"""
