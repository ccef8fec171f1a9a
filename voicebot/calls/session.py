"""One call: the caller's leg, the parts that listen, decide and speak for it, and later the human's leg.

The way of one turn: `leg.on_audio` → `Listener` (listening) → `InputQueue` → `Conversation.hear` → acts, which
`ActRunner` carries out: `Say` → `Player` (tts) → `leg.play`; `Do` → `Actions`; `Handover` → `WarmTransfer`; `Listen` →
back to the queue. Everything of a call runs in one task that ends when the leg does.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from telephony.leg import Leg
from voicebot.calls.act_runner import ActRunner
from voicebot.calls.preemptive import PreemptiveSynthesis
from voicebot.calls.reporter import CallReporter
from voicebot.calls.services import LoadedFlow, RoutedTarget, Services
from voicebot.calls.voice_channel import VoiceChannel, end
from voicebot.calls.warm_transfer import WarmTransfer
from voicebot.conversation.engine import Conversation
from voicebot.journal.redaction import Redactor
from voicebot.messages import Heard


class Call:
    """The life of one answered call.

    Args:
        services: the shared parts.
        flow: the dialog.
        leg: the caller's answered leg.
        report: is told what happens.
        redactor: masks secret values in what others are shown of the dialog.
        caller: what is known of the caller, as variables of the dialog (`messages.CALL_VARIABLES`).
        routed: whom to bring in before the dialog says a word; None begins with the dialog.
    """

    def __init__(
        self,
        services: Services,
        flow: LoadedFlow,
        leg: Leg,
        report: CallReporter,
        redactor: Redactor,
        caller: Mapping[str, str | bool],
        routed: RoutedTarget | None = None,
    ) -> None:
        self._leg, self._report, self._routed = leg, report, routed
        self._conversation = Conversation(
            flow.flow, flow.understanding, now=lambda: datetime.now().astimezone(), caller=caller, mask=redactor.secret
        )
        self._preemptive = PreemptiveSynthesis(
            services.synthesizer, services.thinkers, leg.rate_hz, lambda says: self._runner.worded(says)
        )
        self._channel = VoiceChannel(leg, services.speech_input, services.synthesizer, report, self._on_hypothesis)
        self._transfer = WarmTransfer(leg, self._channel, services, report)
        self._runner = ActRunner(
            self._conversation, self._channel, flow.actions.run, self._transfer.hand_over, report, services.thinkers
        )

    async def run(self) -> None:
        """Talk until the call is over; whatever happens, the leg is hung up and the journal is closed."""
        talk, routed = self._conversation, self._routed
        acts = talk.start() if routed is None else talk.connect(routed.target, routed.queue)
        running = asyncio.create_task(self._runner.run(acts))
        try:
            over: set[asyncio.Future[Any]] = {running, self._leg.closed}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            if self._transfer.joined:
                await running  # who hung up first is known in a moment
        finally:
            await end(running)
            talk.hung_up()
            self._preemptive.discard()
            self._channel.close()
            await self._leg.hang_up()
            closed = self._leg.closed.result() if self._leg.closed.done() else ""
            self._report.ended(talk.snapshot, talk.summary, closed, dataclasses.asdict(self._leg.stats()))

    def _on_hypothesis(self, heard: Heard | None) -> None:
        if heard is None:
            self._preemptive.discard()
        elif not self._runner.thinking:
            self._preemptive.hypothesis(self._conversation, heard)
