"""All dialogs of a user agent, found by what requests and Replaces headers say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from ..sip.dialog import Key, key_of
from ..sip.message import Request
from ..sip.replaces import Replaces
from .dialog.early import EarlyDialog
from .dialog.sipleg import SipLeg

MAX_ENDED = 1024
"""Dialogs that are remembered after their end, so that whoever wants to replace one is told that it is over."""


class DialogTable:
    """Tables of legs and early dialogs.

    Args:
        on_change: called when a leg has come, closed, or gone.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._legs: dict[Key, SipLeg] = {}
        self._open: set[SipLeg] = set()
        self._early: dict[Key, EarlyDialog] = {}
        self._ended: OrderedDict[Key, None] = OrderedDict()

    def __iter__(self) -> Iterator[SipLeg]:
        return iter(list(self._legs.values()))

    def __len__(self) -> int:
        return len(self._legs)

    @property
    def live(self) -> int:
        """Legs that are not closed."""
        return len(self._open)

    def leg_of(self, request: Request) -> SipLeg | None:
        """The leg that a request belongs to."""
        return self._legs.get(key_of(request))

    def early_of(self, request: Request) -> EarlyDialog | None:
        """The early dialog that a request belongs to."""
        return self._early.get(key_of(request))

    def add(self, leg: SipLeg) -> None:
        """A call was answered."""
        self._legs[leg.dialog.key] = leg
        self._open.add(leg)
        leg.when_closed(lambda _: self._closed(leg))

    def _closed(self, leg: SipLeg) -> None:
        self._open.discard(leg)
        self._on_change()

    def add_early(self, early: EarlyDialog) -> None:
        """A call is being set up."""
        self._early[early.dialog.key] = early

    def remove_early(self, early: EarlyDialog) -> None:
        """It was answered, or has failed."""
        self._early.pop(early.dialog.key, None)

    def moved(self, leg: SipLeg, old: Key) -> None:
        """The leg has a new dialog, and hangs up the old one: the leg listens to it no more."""
        self._legs.pop(old, None)
        self._remember(old)
        self._legs[leg.dialog.key] = leg

    def remove(self, leg: SipLeg) -> None:
        """Nothing more can come for it."""
        key = leg.dialog.key
        if self._legs.get(key) is leg:
            del self._legs[key]
            self._remember(key)
        self._on_change()

    def replaced(self, replaces: Replaces) -> SipLeg | EarlyDialog | None:
        """What a Replaces header names."""
        for key in replaces.keys:
            found = self._legs.get(key) or self._early.get(key)
            if found is not None:
                return found
        return None

    def ended(self, replaces: Replaces) -> bool:
        """Whether it names a dialog that is over (RFC 3891 section 3: 603)."""
        return any(key in self._ended for key in replaces.keys)

    def _remember(self, key: Key) -> None:
        self._ended[key] = None
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
