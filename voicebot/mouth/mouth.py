"""The mouth of one process: text in, audio out; voices loaded once, prompts remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from telephony.leg import Pcm
from voicebot import config


class Mouth:
    """Speech for all calls of a process."""

    voice_name: str
    """Which voice speaks, for people: ``piper en_US-lessac-medium`` or ``espeak-ng en-us``."""
    advice: str
    """How to get a better voice; empty when the best one speaks."""

    @classmethod
    def load(cls, settings: config.Mouth) -> Mouth:
        """Load the voice and look through the recorded prompts; blocks for up to a second.

        Raises:
            ModelMissing: a Piper voice is configured and not on this machine.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Start the worker threads."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the worker threads; what is being synthesised is dropped."""
        raise NotImplementedError

    async def warm(self, prompts: Iterable[tuple[str, str]], rate_hz: int) -> int:
        """Speak (name, text) prompts into the cache with bounded CPU. Returns how many are now ready."""
        raise NotImplementedError

    def speak(self, text: str, rate_hz: int, name: str = "", secret: bool = False) -> AsyncIterator[Pcm]:
        """Audio of `text`, as blocks of any length: at once when remembered, otherwise as it is synthesised.

        Raises:
            EngineFailed: no engine could speak it, or too much is waiting.
        """
        raise NotImplementedError
