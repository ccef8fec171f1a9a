"""Plays prompts on one leg, and stops them when the caller speaks."""

from __future__ import annotations

from dataclasses import dataclass

from telephony.leg import Leg
from voicebot import events
from voicebot.mouth.mouth import Mouth


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of a prompt."""

    complete: bool
    """It was played to the end."""
    heard: str
    """The written words that had been played."""
    first_audio_ms: float
    """From `say` to the first sample given to the leg; 0 when none was."""
    duration_s: float
    """Audio that was played, in seconds."""


class Player:
    """The mouth of one call. Use it on the event loop only."""

    def __init__(self, leg: Leg, mouth: Mouth) -> None:
        raise NotImplementedError

    @property
    def playing(self) -> bool:
        """A prompt or music is under way, paused or not."""
        raise NotImplementedError

    async def say(self, say: events.Say) -> Spoken:
        """Speak; returns when it was played to the end, stopped, or the leg closed.

        Raises:
            EngineFailed: nothing could speak it.
        """
        raise NotImplementedError

    async def hold_music(self) -> None:
        """Play music until cancelled, stopped, or the leg closes."""
        raise NotImplementedError

    def pause(self) -> None:
        """Silence at once; the rest is kept for `resume`."""
        raise NotImplementedError

    def resume(self) -> None:
        """Go on from a quiet spot a little before where it was paused."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what is playing now."""
        raise NotImplementedError
