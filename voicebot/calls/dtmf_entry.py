"""Key presses into entries, by what the dialog waits for. Sans-I/O: keys and times go in, entries come out."""

from __future__ import annotations

from voicebot.messages import Expect

GAP_S = 3.0
"""A pause after a key that ends a number of unknown length."""
ENDING_S = 3.0
"""So long after a number that was complete by its length, the ``#`` that people press out of habit means nothing."""
MAX_KEYS = 32
_NUMERIC = {"digits", "amount", "date", "time", "datetime"}


class KeyPad:
    """Collects the keys of one entry.

    A number ends when its longest allowed length is reached, with ``#``, or after `GAP_S` without a key. Where no
    number is expected each key is an entry of its own (0 for a person, * to repeat).
    """

    def __init__(self) -> None:
        self._expect = Expect()
        self._keys = ""
        self._complete_s: float | None = None
        """When a number was complete by its length; None once another key was pressed."""
        self.deadline: float | None = None
        """When `expire` should be called, on the clock given to `press`; None while nothing waits."""

    def expect(self, expect: Expect) -> None:
        """A new step of the dialog began: what was keyed before is dropped."""
        self._expect = expect
        self._clear()

    def press(self, key: str, now: float) -> str | None:
        """Take one key. Returns the entry when it is complete, without its ``#``."""
        complete_s, self._complete_s = self._complete_s, None
        if key == "#" and not self._keys and complete_s is not None and now < complete_s + ENDING_S:
            return None
        if self._expect.kind not in _NUMERIC:
            return key
        if key == "#":
            return self._take() or "#"
        if key == "*" and not self._keys:
            return key
        self._keys += key
        longest = max(self._expect.lengths, default=MAX_KEYS)
        if len(self._keys) >= min(longest, MAX_KEYS):
            self._complete_s = now
            return self._take()
        self.deadline = now + GAP_S
        return None

    def expire(self, now: float) -> str | None:
        """Returns the entry when its pause is over."""
        if self.deadline is None or now < self.deadline:
            return None
        return self._take()

    def _take(self) -> str:
        keys = self._keys
        self._clear()
        return keys

    def _clear(self) -> None:
        self._keys, self.deadline = "", None
