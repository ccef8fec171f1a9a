"""Speaking ahead: what the dialog would say to a turn that may be over is synthesised, and thrown away if it goes on.

Between the recognition of a pause and the silence that proves the turn over lies some time (`docs/turn-taking.md`): a
voice that takes as long to begin, Piper or one behind a network, then begins at once. The dialog is asked by a copy of
its conversation: no action runs, nothing is written down, and secrets are never spoken ahead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor

from voicebot import log
from voicebot.conversation.engine import Conversation
from voicebot.errors import EngineFailed
from voicebot.messages import Heard, Say
from voicebot.tts.synthesizer import Synthesizer


class PreemptiveSynthesis:
    """Of one call; use it on the event loop only.

    Args:
        thinkers: runs the dialog's step.
        rate_hz: of the leg.
        worded: prompts of the dialog as they will be said.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        thinkers: Executor,
        rate_hz: int,
        worded: Callable[[list[Say]], list[Say]] = list,
    ) -> None:
        self._synthesizer, self._thinkers, self._rate_hz, self._worded = synthesizer, thinkers, rate_hz, worded
        self._work: asyncio.Task[None] | None = None

    def hypothesis(self, conversation: Conversation, heard: Heard) -> None:
        """The turn may be over. `conversation` waits for it, and is not changed."""
        self.discard()
        if not self._synthesizer.quick:
            self._work = asyncio.create_task(self._speak(conversation.imagined(), heard))

    def discard(self) -> None:
        """The caller goes on, or is gone: what is being spoken is thrown away."""
        if self._work is not None:
            self._work.cancel()
            self._work = None

    async def _speak(self, imagined: Conversation, heard: Heard) -> None:
        loop = asyncio.get_running_loop()
        acts = await loop.run_in_executor(self._thinkers, log.in_call(imagined.hear), heard)
        with contextlib.suppress(EngineFailed):  # it will be heard when it is said
            says = self._worded([act for act in acts if isinstance(act, Say)])
            await self._synthesizer.ahead(says, self._rate_hz)
