"""A warm handover: music for the caller, a call to the human, a spoken summary for him, and both are joined."""

from __future__ import annotations

import asyncio
import contextlib

from telephony.leg import Leg
from voicebot.calls.reporter import CallReporter
from voicebot.calls.services import Services
from voicebot.calls.voice_channel import VoiceChannel, end
from voicebot.errors import EngineFailed
from voicebot.handoff.bridge import bridge
from voicebot.handoff.human_dialler import NotReached, Why
from voicebot.messages import Handover, Say
from voicebot.tts.player import Player


class WarmTransfer:
    """Handovers of one call.

    Args:
        leg: the caller's.
        channel: plays music to him, and stops listening when he is joined with a human.
    """

    def __init__(self, leg: Leg, channel: VoiceChannel, services: Services, report: CallReporter) -> None:
        self._leg, self._channel, self._services, self._report = leg, channel, services, report
        self.joined = False
        """Caller and human hear each other: `hand_over` ends by itself once one of them has hung up."""

    async def hand_over(self, act: Handover) -> Why | None:
        """Bring a human in. Returns why nobody came, or None when caller and human have parted again."""
        waiting = contextlib.ExitStack()
        waiting.enter_context(self._leg.silence_excused())
        music = asyncio.create_task(self._channel.hold_music())
        try:
            try:
                human = await self._services.human_dialler.reach(act.target, act.queue)
            except NotReached as error:
                return error.why
            try:
                with contextlib.suppress(EngineFailed):  # better a human without a summary than none
                    await Player(human, self._services.synthesizer).say(Say(act.summary, barge_in=False))
                if human.closed.done():
                    return "no-answer"
                await end(music)
                waiting.close()
                await self._join(act, human)
                return None
            finally:
                await human.hang_up()
        finally:
            waiting.close()
            await end(music)

    async def _join(self, act: Handover, human: Leg) -> None:
        self._channel.stop_listening()
        self._report.joined(act, human.peer)
        self.joined = True
        self._report.parted(await bridge(self._leg, human, self._services.release))
