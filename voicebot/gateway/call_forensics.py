"""What is kept of the last calls, for the trunk doctor: which legs belonged to a call, and their packets."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

from telephony.doctor.call_trace import CallTrace
from telephony.leg import Leg
from telephony.media.rtp_capture import silenced
from telephony.sip_trace import SipTrace, TraceEntry
from voicebot.journal.entry import Entry
from voicebot.journal.events import CallerHeard, CallerOverheard, Redacted

REMEMBERED = 2000
"""Calls whose legs can still be found by our own id."""
CAPTURED = 20
"""Legs whose audio packets are kept, where that is switched on."""
LAST = "last"
"""Instead of an id: the call that came last."""
MARGIN_S = 0.5
"""So long before a secret's first sound and after its turn the capture of the call is silent, too."""


class CallForensics:
    """The last calls. A sink of the journal: where a caller said or keyed a secret, the capture of his call is silent.

    Args:
        trace: holds the SIP messages; None: nothing is kept of them, and nothing is found.
    """

    name = "capture"
    takes_back = True

    def __init__(self, trace: SipTrace | None) -> None:
        self._trace = trace
        self._secret: dict[str, list[tuple[float, float]]] = {}
        """Call → from when until when a secret was said, in seconds since 1970."""
        self._legs_of: OrderedDict[str, list[str]] = OrderedDict()
        self._captured: OrderedDict[str, Leg] = OrderedDict()

    def remember(self, call: str, leg: Leg) -> None:
        """A leg belongs to a call of this id."""
        self._legs_of.setdefault(call, []).append(leg.id)
        if len(self._legs_of) > REMEMBERED:
            self._secret.pop(self._legs_of.popitem(last=False)[0], None)
        if leg.captured() is not None:
            self._captured[leg.id] = leg
            if len(self._captured) > CAPTURED:
                self._captured.popitem(last=False)

    def take(self, entry: Entry) -> None:
        """Note when something was said that must not be heard; passes over everything else."""
        match entry.event:
            case CallerHeard() | CallerOverheard() as heard if heard.secret or heard.redacted or entry.live is not None:
                spans: tuple[tuple[float, float], ...] = ((heard.began_s, heard.ended_s),)
            case Redacted(sound=spans):
                pass
            case _:
                return
        if entry.call is not None and entry.call in self._legs_of:
            self._secret.setdefault(entry.call, []).extend(span for span in spans if span[1])

    def trace_of(self, call: str) -> CallTrace | None:
        """The SIP messages of a call, by our id, by a leg's Call-ID, or `LAST`; None when nothing is known."""
        if self._trace is None:
            return None
        if call == LAST and self._legs_of:
            call = next(reversed(self._legs_of))
        ids = self._legs_of.get(call, [call])
        found = {leg: entries for leg in ids if (entries := self._trace.of(leg))}
        kept = [self._captured[leg].captured() for leg in found if leg in self._captured]
        ours = {call} | {one for one, legs in self._legs_of.items() if call in legs}
        secret = [span for one in ours for span in self._secret.get(one, ())]
        packets = [_quiet(packet, secret) for packets in kept for packet in packets or ()]
        return CallTrace(call, found, packets) if found else None


def _quiet(packet: TraceEntry, secret: list[tuple[float, float]]) -> TraceEntry:
    if any(began_s - MARGIN_S <= packet.wall_s <= ended_s + MARGIN_S for began_s, ended_s in secret):
        return dataclasses.replace(packet, data=silenced(packet.data))
    return packet
