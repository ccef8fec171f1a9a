"""What telephony tells that the server's journal keeps: addresses that are turned away."""

from __future__ import annotations

from telephony.events import SourceBlocked, TelephonyEvent
from voicebot.journal.journal import Journal
from voicebot.journal.server_events import AddressBlocked


def note(event: TelephonyEvent, journal: Journal) -> None:
    """Write one event into the journal, if it belongs there."""
    if isinstance(event, SourceBlocked):
        journal.note(AddressBlocked(event.host, event.why, event.seconds))
