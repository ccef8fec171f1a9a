"""Places for callers without a trunk, so that no stranger takes them all. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ...sip.flood_guard import Key, source_key
from ...trunk.limits import ChannelLease


class TrunklessLease(ChannelLease):
    """A stranger's place. `confirm` says that he is where he says."""

    __slots__ = ("_confirm",)

    def __init__(self, give_back: Callable[[], None], confirm: Callable[[], None]) -> None:
        super().__init__(give_back)
        self._confirm = confirm

    def confirm(self) -> None:
        """See `ChannelLease`."""
        self._confirm()


class TrunklessLimit:
    """The places of one user agent.

    A source (an IPv4 address, an IPv6 /64) has at most half of all places, all strangers together have three quarters.
    Where there are no trunks to keep places for, calls count only until their answer is acknowledged: INVITEs from
    forged or broken senders never are, and hold their places for 32 s.

    Args:
        max_calls: of the user agent.
        trunks: whether there are any.
    """

    def __init__(self, max_calls: int, trunks: Callable[[], bool]) -> None:
        self._each = max((max_calls + 1) // 2, 1)
        self._all = max((3 * max_calls + 3) // 4, 1)
        self._trunks = trunks
        self._calls: Counter[Key] = Counter()
        self._waiting: Counter[Key] = Counter()
        """Those of them that nobody has acknowledged."""

    def admit(self, host: str) -> TrunklessLease | None:
        """A place for a call from there, if there is one."""
        key = source_key(host)
        counted = self._calls if self._trunks() else self._waiting
        if counted[key] >= self._each or counted.total() >= self._all:
            return None
        self._calls[key] += 1
        self._waiting[key] += 1
        unconfirmed = True

        def confirm() -> None:
            nonlocal unconfirmed
            if unconfirmed:
                unconfirmed = False
                _less(self._waiting, key)

        def leave() -> None:
            confirm()
            _less(self._calls, key)

        return TrunklessLease(leave, confirm)


def _less(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
