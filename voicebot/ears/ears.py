"""The ears of one process: models loaded once, one `Listener` a call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from telephony.leg import Pcm
from voicebot import config
from voicebot.ears.events import EarEvent
from voicebot.events import Expect, Heard


class Listener:
    """The ears of one call. Use it on the event loop only."""

    def feed(self, pcm: Pcm) -> None:
        """Hear a block of any length at the rate given to `Ears.listen`."""
        raise NotImplementedError

    def expect(self, expect: Expect) -> None:
        """What the dialog waits for now; applies to the turn under way and the next ones."""
        raise NotImplementedError

    def prompt_started(self, barge_in: bool) -> None:
        """A prompt begins to play; with `barge_in` speech may stop it."""
        raise NotImplementedError

    def prompt_ended(self) -> None:
        """The last sample of the prompt went out (or it was stopped); the no-input timer starts."""
        raise NotImplementedError

    def key(self) -> None:
        """A key was pressed: the spoken turn under way is dropped and the no-input timer stops."""
        raise NotImplementedError

    def close(self) -> None:
        """The call is over: no event comes after this."""
        raise NotImplementedError


class Ears:
    """Voice activity detection, turn-taking and recognition for all calls of a process."""

    @classmethod
    def load(cls, settings: config.Ears) -> Ears:
        """Load the models; blocks for about a second.

        Raises:
            ModelMissing: weights are not there.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Start the worker threads. Call on the event loop that gets the events."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the worker threads; recognitions under way are thrown away."""
        raise NotImplementedError

    def listen(self, rate_hz: int, on_event: Callable[[EarEvent], None]) -> Listener:
        """Ears for one call whose audio comes at `rate_hz` (8000 or 16000)."""
        raise NotImplementedError

    async def recognise(self, audio: NDArray[np.float32], rate_hz: int, expect: Expect) -> Heard:
        """Recognise a whole utterance, mono in -1..1.

        Raises:
            EngineFailed: the engine broke, or its queue is full.
        """
        raise NotImplementedError
