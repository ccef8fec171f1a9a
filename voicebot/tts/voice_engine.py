"""What a synthesis engine is to the rest of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from telephony.leg import Pcm

Emit = Callable[[Pcm], bool]
"""Takes the next block; False asks the engine to stop."""

MAX_CHARS = 2000
"""Longest text that an engine is given at once; `phrases.split` keeps to it."""


class VoiceEngine(Protocol):
    """Text to audio. Blocks; called in worker threads, possibly in several at once."""

    name: str
    """For people and for the cache: another voice or speed has another name."""

    rate_hz: int
    """Native sample rate of the blocks."""

    clausewise: bool
    """Audio comes only when all of a text is done, so a long first sentence is better cut at a comma."""

    quick: bool
    """Half a second of speech takes no time that matters, once there is any: it may wait for more to be levelled."""

    presence: float
    """How much of the low end the telephone voice gives up for consonants, 0…0.9; 0 for natural voices."""

    def synthesize(self, text: str, emit: Emit) -> None:
        """Speak `text` (plain words, no markup), giving blocks to `emit` as they are ready.

        Raises:
            EngineFailed: the engine cannot speak it.
        """
        ...

    def close(self) -> None:
        """Let go of threads and connections; called once, when nothing is spoken any more."""
        ...
