"""What is kept of the last calls, for the trunk doctor: which legs belonged to a call, and their packets."""

from __future__ import annotations

from collections import OrderedDict

from telephony.doctor.call_trace import CallTrace
from telephony.leg import Leg
from telephony.sip_trace import SipTrace

REMEMBERED = 2000
"""Calls whose legs can still be found by our own id."""
CAPTURED = 20
"""Legs whose audio packets are kept, where that is switched on."""
LAST = "last"
"""Instead of an id: the call that came last."""


class CallForensics:
    """The last calls.

    Args:
        trace: holds the SIP messages; None: nothing is kept of them, and nothing is found.
    """

    def __init__(self, trace: SipTrace | None) -> None:
        self._trace = trace
        self._legs_of: OrderedDict[str, list[str]] = OrderedDict()
        self._captured: OrderedDict[str, Leg] = OrderedDict()

    def remember(self, call: str, leg: Leg) -> None:
        """A leg belongs to a call of this id."""
        self._legs_of.setdefault(call, []).append(leg.id)
        if len(self._legs_of) > REMEMBERED:
            self._legs_of.popitem(last=False)
        if leg.captured() is not None:
            self._captured[leg.id] = leg
            if len(self._captured) > CAPTURED:
                self._captured.popitem(last=False)

    def trace_of(self, call: str) -> CallTrace | None:
        """The SIP messages of a call, by our id, by a leg's Call-ID, or `LAST`; None when nothing is known."""
        if self._trace is None:
            return None
        if call == LAST and self._legs_of:
            call = next(reversed(self._legs_of))
        ids = self._legs_of.get(call, [call])
        found = {leg: entries for leg in ids if (entries := self._trace.of(leg))}
        kept = [self._captured[leg].captured() for leg in found if leg in self._captured]
        return CallTrace(call, found, [packet for packets in kept for packet in packets or ()]) if found else None
