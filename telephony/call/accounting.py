"""Each call's place on its trunk given back when it is over, and its events told."""

from __future__ import annotations

import time

from ..events import CallEnded, CallSetUp, OnEvent
from ..leg import LegError
from ..trunk.limits import ChannelLease
from .dialog.sipleg import SipLeg
from .dialog.termination import EndReason
from .inbound.incoming import IncomingCall
from .outbound.hunt import OutgoingCall


class CallAccounting:
    """Of all calls, either way.

    Args:
        on_event: is told.
    """

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._ringing: dict[IncomingCall, tuple[ChannelLease, float]] = {}
        self._unconfirmed: dict[SipLeg, ChannelLease] = {}

    def came(self, incoming: IncomingCall, lease: ChannelLease) -> None:
        """A call rings here."""
        self._ringing[incoming] = lease, time.monotonic()

    def answered(self, incoming: IncomingCall, leg: SipLeg) -> None:
        """It becomes a leg."""
        lease, began_s = self._ringing.pop(incoming)
        self._on_event(CallSetUp(incoming.terms.trunk, True, 200, time.monotonic() - began_s))
        self._unconfirmed[leg] = lease
        self._count_answered(leg, lease, incoming=True)

    def confirmed(self, leg: SipLeg) -> None:
        """The caller has acknowledged the answer."""
        lease = self._unconfirmed.pop(leg, None)
        if lease is not None:
            lease.confirm()

    def refused(self, incoming: IncomingCall, status: int) -> None:
        """It does not."""
        entry = self._ringing.pop(incoming, None)
        if entry is not None:
            entry[0].release()
            self._on_event(CallSetUp(incoming.terms.trunk, True, status, time.monotonic() - entry[1]))

    def placed(self, outgoing: OutgoingCall, trunk: str, lease: ChannelLease) -> None:
        """A call of ours is on its way."""

        def done(outcome: SipLeg | LegError) -> None:
            status = outcome.status if isinstance(outcome, LegError) else 200
            self._on_event(CallSetUp(trunk, False, status, outgoing.seconds))
            if isinstance(outcome, LegError):
                lease.release()
            else:
                self._count_answered(outcome, lease, incoming=False)

        outgoing.on_done(done)

    def _count_answered(self, leg: SipLeg, lease: ChannelLease, *, incoming: bool) -> None:
        began_s, trunk = time.monotonic(), leg.terms.trunk  # the leg may go on with another party's terms

        def over(reason: EndReason) -> None:
            seconds = time.monotonic() - began_s
            lease.release()
            self._unconfirmed.pop(leg, None)
            self._on_event(CallEnded(trunk, incoming, reason.cause, seconds, leg.stats(), reason.text))

        leg.when_closed(over)
