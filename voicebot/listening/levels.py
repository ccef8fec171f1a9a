"""What a window inside a turn is by its level, whatever Silero makes of it. Without I/O; the turn machine asks.

A voice that has ended is 30 dB down at once, where Silero goes on for a tenth of a second. To a few words Silero is
deaf. And whom it hears far under the caller's own level is somebody else.
"""

from __future__ import annotations

import enum

from voicebot.listening.barge_in import SILENT_DB
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import RATE_HZ, WINDOW, WINDOW_S


class Voicing(enum.Enum):
    VOICED = "voiced"
    UNSURE = "unsure"
    SILENT = "silent"


class TurnLevels:
    """The levels of the turn under way (RMS of windows, in dB below full scale). One a call."""

    def __init__(self, timing: TurnTiming) -> None:
        self._timing = timing
        self.begin(0)

    def begin(self, now: int) -> None:
        """A turn may begin with the window that ends at sample `now`."""
        self._loudest_db, self._faintest_db = SILENT_DB, 0.0
        self._loud = self._faint = 0
        self.strong_end = now
        """Sample after the last window that was about as loud as the turn."""

    @property
    def background(self) -> bool:
        """What has sounded like a voice for `TurnTiming.background_s` is none of the caller's."""
        return self._faint >= self._timing.background_s * RATE_HZ

    def sound(self, probability: float, level_db: float, now: int, *, paused: bool, alone: bool) -> Voicing | None:
        """What one more window of the turn is; None leaves it to its probability.

        Args:
            now: sample after the window.
            paused: the turn is in a pause.
            alone: no prompt plays or played when it began, of which the window may hold an echo.
        """
        timing = self._timing
        self._loudest_db = max(level_db, self._loudest_db - timing.fade_db_per_s * WINDOW_S)
        self._faintest_db = min(level_db, self._faintest_db)
        if level_db < self._loudest_db - timing.quiet_db:
            self._loud = 0
            return Voicing.SILENT
        loud = level_db >= max(self._loudest_db - timing.word_db, self._faintest_db + timing.word_over_db)
        self._loud = self._loud + WINDOW if loud and paused and alone else 0
        if self._loud >= round(timing.start_s * RATE_HZ):
            return Voicing.VOICED
        if not alone or level_db >= self._loudest_db - timing.background_db:
            self._faint, self.strong_end = 0, now
        elif probability >= timing.silent:
            self._faint += WINDOW
        return Voicing.SILENT if self.background else None
