"""The books of a user agent: each call's place on its trunk given back, each told to whoever watches."""

from __future__ import annotations

import time

from ..events import CallEnded, CallSetUp, OnEvent
from ..leg import LegError
from ..trunk.limits import ChannelLease
from .dialog.sipleg import SipLeg
from .inbound.incoming import IncomingCall
from .outbound.hunt import OutgoingCall


class CallAccounting:
    """Of all calls, either way.

    Args:
        watch: is told.
    """

    def __init__(self, watch: OnEvent) -> None:
        self._watch = watch
        self._ringing: dict[IncomingCall, tuple[ChannelLease, float]] = {}
        self._unconfirmed: dict[SipLeg, ChannelLease] = {}

    def came(self, incoming: IncomingCall, ticket: ChannelLease) -> None:
        """A call rings here."""
        self._ringing[incoming] = ticket, time.monotonic()

    def answered(self, incoming: IncomingCall, leg: SipLeg) -> None:
        """It becomes a leg."""
        ticket, began_s = self._ringing.pop(incoming)
        self._watch(CallSetUp(incoming.terms.trunk, True, 200, time.monotonic() - began_s))
        self._unconfirmed[leg] = ticket
        self._talk(leg, ticket, incoming=True)

    def confirmed(self, leg: SipLeg) -> None:
        """The caller has acknowledged the answer."""
        ticket = self._unconfirmed.pop(leg, None)
        if ticket is not None:
            ticket.confirm()

    def refused(self, incoming: IncomingCall, status: int) -> None:
        """It does not."""
        entry = self._ringing.pop(incoming, None)
        if entry is not None:
            entry[0].release()
            self._watch(CallSetUp(incoming.terms.trunk, True, status, time.monotonic() - entry[1]))

    def placed(self, dialling: OutgoingCall, trunk: str, ticket: ChannelLease) -> None:
        """A call of ours is on its way."""

        def done(outcome: SipLeg | LegError) -> None:
            status = outcome.status if isinstance(outcome, LegError) else 200
            self._watch(CallSetUp(trunk, False, status, dialling.seconds))
            if isinstance(outcome, LegError):
                ticket.release()
            else:
                self._talk(outcome, ticket, incoming=False)

        dialling.on_done(done)

    def _talk(self, leg: SipLeg, ticket: ChannelLease, *, incoming: bool) -> None:
        began_s, trunk = time.monotonic(), leg.terms.trunk  # the leg may go on with another party's terms

        def over(why: str) -> None:
            ticket.release()
            self._unconfirmed.pop(leg, None)
            self._watch(CallEnded(trunk, incoming, why, time.monotonic() - began_s, leg.stats()))

        leg.when_closed(over)
