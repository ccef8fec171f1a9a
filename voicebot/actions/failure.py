"""How one try at a backend fails."""

from __future__ import annotations

from typing import Any

from voicebot.errors import ActionFailed


class TryFailed(ActionFailed):
    """One try failed.

    Args:
        kind: what flows see: ``timeout``, ``refused``, ``unreachable``, ``bad-answer``, ``status-404`` …
        message: for the log; holds no argument's value.
        passing: another try may go better (connection lost, 503), unlike 404.
        data: JSON that the backend sent along with an error status.
    """

    def __init__(self, kind: str, message: str, *, passing: bool = False, data: Any = None) -> None:
        super().__init__(kind, message)
        self.passing = passing
        self.data = data
