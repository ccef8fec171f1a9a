"""What listening tells a call about its caller. All of them arrive on the event loop, in the order they happened.

During a prompt that may be interrupted::

    Interrupt ── SpeechStarted ──▶ TurnHeard     the caller took the turn: the prompt stays stopped
                               └─▶ FalseAlarm    nothing was said: resume the prompt
"""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.errors import EngineFailed
from voicebot.messages import Heard


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller has been speaking for about a tenth of a second; the no-input timer has stopped."""

    at_s: float
    """Onset, in seconds of audio since the listener began."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Confirmed speech over a prompt that may be interrupted: stop the prompt now, keep what is left of it."""

    at_s: float
    """Onset, in seconds of audio since the listener began."""


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """What sounded like speech came to nothing (noise, a cough, "mhm"): resume the prompt if one was stopped."""

    interrupted: bool
    """An `Interrupt` was sent for it."""


@dataclass(frozen=True, slots=True)
class TurnHeard:
    """The caller's turn is over and recognised.

    ``heard.text`` is empty when somebody spoke at length and nothing could be made of it, and when recognition was
    refused because its queue was full: in both cases the caller should be asked again.
    """

    heard: Heard
    age_s: float = 0.0
    """Seconds since its first sound."""


@dataclass(frozen=True, slots=True)
class NoInput:
    """`Expect.no_input_s` of silence after the prompt ended. Sent once a prompt."""


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    """Recognition broke on this turn; the turn is lost. Other calls are not concerned."""

    error: EngineFailed
    age_s: float = 0.0
    """Seconds since its first sound."""


ListeningEvent = SpeechStarted | Interrupt | FalseAlarm | TurnHeard | NoInput | RecognitionFailed
