"""Carries out what a dialog decides: one runner for calls, for the terminal and for tests of flows.

A list of acts is some `Say` and a last one that says who is next: the caller (`Listen`), a backend (`Do`), a human
(`Handover`) or nobody (`End`). What comes back goes into the conversation, which answers with the next list.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol, assert_never

from voicebot import log
from voicebot.calls.input_queue import CallerTurn, Input, NothingSaid, Unrecognised
from voicebot.calls.prompts import APOLOGY, FILLER, PROGRESS, SORRY
from voicebot.calls.reporter import CallReporter
from voicebot.conversation.engine import Conversation
from voicebot.errors import EngineFailed
from voicebot.handoff.human_dialler import Why
from voicebot.messages import Act, Do, End, Expect, Handover, Listen, Result, Say
from voicebot.tts.wording import SaidBefore, worded

FILLER_AFTER_S = 0.8
"""A backend that takes longer than this gets words in between, so that the line is never dead."""
PROGRESS_EVERY_S = 6.0
"""After it, as long as the backend works, words come so often."""

_log = log.get(__name__)


class CallerGone(Exception):
    """The caller has hung up while he was asked."""


class Channel(Protocol):
    """The caller: on a line (`voice_channel`) or at a terminal (`text_channel`)."""

    async def ask(self, says: list[Say], expect: Expect) -> Input:
        """Speak prompts and return what answers them. Raises EngineFailed: no voice can speak; CallerGone."""
        ...

    async def speak(self, says: list[Say]) -> None:
        """Speak prompts to their end. Raises EngineFailed: no voice can."""
        ...

    async def finished(self) -> None:
        """Return when the caller has heard the last words."""
        ...


class ActRunner:
    """Runs one conversation to its end. Use it on the event loop only.

    Args:
        conversation: decides.
        channel: the caller.
        act: does a backend action; never raises.
        hand_over: brings a human in. Returns why nobody came, or None when caller and human have parted again.
        report: is told what happens.
        thinkers: runs the conversation's steps; None runs them here, on the event loop.
    """

    def __init__(
        self,
        conversation: Conversation,
        channel: Channel,
        act: Callable[[Do], Awaitable[Result]],
        hand_over: Callable[[Handover], Awaitable[Why | None]],
        report: CallReporter,
        thinkers: Executor | None = None,
    ) -> None:
        self._conversation, self._channel, self._report = conversation, channel, report
        self._act, self._hand_over, self._thinkers = act, hand_over, thinkers
        self._mute = False
        self._said = SaidBefore()
        self.thinking = False
        """The conversation is at work in another thread."""

    def worded(self, says: Sequence[Say]) -> list[Say]:
        """Prompts as they would be said next."""
        return worded(says, self._said)[0]

    async def run(self, acts: list[Act]) -> None:
        """Go on from these acts until the call is over, or its task is cancelled."""
        try:
            while acts:
                try:
                    acts = await self._perform(acts)
                except EngineFailed as error:
                    acts = await self._go_mute(error)
        except CallerGone:
            return
        except Exception as error:  # noqa: BLE001 - the last barrier of a call: the caller hears words, others go on
            _log.exception("call failed")
            self._report.broke(error)
            with contextlib.suppress(EngineFailed):
                await self._channel.speak([SORRY])

    async def _perform(self, acts: list[Act]) -> list[Act]:
        """Carry out one list of acts. Returns the next one, empty when the call is over."""
        decided, last = [act for act in acts if isinstance(act, Say)], acts[-1]
        says, self._said = worded(decided, self._said)
        self._report.moved(self._conversation.snapshot)
        match last:
            case Listen(expect):
                return await self._take_turn(says, expect)
            case Do():
                return await self._do(says, last)
            case Handover():
                await self._channel.speak(says)
                return await self._bring_in(last)
            case End(outcome):
                await self._channel.speak(says)
                self._report.outcome(outcome)
                await self._channel.finished()
                return []
            case Say():
                raise RuntimeError("a list of acts must not end in Say")
            case _:
                assert_never(last)

    async def _take_turn(self, says: list[Say], expect: Expect) -> list[Act]:
        answer = await self._channel.ask(says, expect)
        match answer:
            case CallerTurn(heard):
                self._report.heard(heard, expect)
                return await self._think(lambda: self._conversation.hear(heard), answers=True)
            case NothingSaid():
                self._report.silence()
                return await self._think(self._conversation.silence)
            case Unrecognised():
                return await self._think(self._conversation.deaf)
            case _:
                assert_never(answer)

    async def _do(self, says: list[Say], do: Do) -> list[Act]:
        """Run a backend action while what comes before it is spoken."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._report.action_asked(do)
        running = asyncio.ensure_future(self._act(do))
        try:
            await self._channel.speak(says)
            wait_s = FILLER_AFTER_S
            for words in itertools.chain([FILLER], itertools.cycle(PROGRESS)):
                done, _ = await asyncio.wait({running}, timeout=wait_s)
                if done:
                    break
                await self._channel.speak([words])
                wait_s = PROGRESS_EVERY_S
            result = await running
        finally:
            running.cancel()
        self._report.action_done(do, result, (loop.time() - begun) * 1000)
        return await self._think(lambda: self._conversation.result(result))

    async def _bring_in(self, act: Handover) -> list[Act]:
        self._report.held(act, self._conversation.snapshot)
        why = await self._hand_over(act)
        if why is None:
            return []
        self._report.not_reached(act, why)
        return await self._think(lambda: self._conversation.handover_failed(why))

    async def _go_mute(self, error: EngineFailed) -> list[Act]:
        """No voice can speak: the recorded apology, and a human. The second time in a call it is over."""
        self._report.engine_broke("synthesis", error)
        if self._mute:
            raise error
        self._mute = True
        _, self._said = worded([APOLOGY], SaidBefore())
        await self._channel.speak([APOLOGY])
        return await self._think(self._conversation.mute)

    async def _think(self, step: Callable[[], list[Act]], answers: bool = False) -> list[Act]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if self._thinkers is None:
            acts = step()
        else:
            self.thinking = True
            work = loop.run_in_executor(self._thinkers, log.in_call(step))
            try:
                acts = await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait({work})  # a conversation is not for two threads at once
                raise
            finally:
                self.thinking = False
        self._report.decided(self._conversation.last_decision, (loop.time() - begun) * 1000, answers=answers)
        return acts
