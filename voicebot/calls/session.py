"""One call: the caller's leg, the parts that listen, think and speak for it, and later the human's leg.

The way of one turn: `leg.on_audio` → `Listener` (ears) → `TurnHeard` in the inbox → `Conversation.hear` (mind) → acts:
`Say` → `Player` (mouth) → `leg.play`; `Do` → `Actions`; `Handover` → `Switchboard` and `bridge`; `Listen` → back to the
inbox. Everything of a call runs in one task that ends when the leg does.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from telephony.leg import Leg
from voicebot import log
from voicebot.actions.runner import Actions
from voicebot.calls.dtmf_entry import KeyPad
from voicebot.calls.input_queue import Inbox
from voicebot.calls.preemptive import Foresight
from voicebot.config import Config
from voicebot.conversation.engine import Conversation
from voicebot.errors import EngineFailed
from voicebot.flows.flow import Flow
from voicebot.handoff.bridge import bridge
from voicebot.handoff.switchboard import NotReached, Switchboard, Why
from voicebot.journal.call_journal import Scribe
from voicebot.listening.events import FalseAlarm, Interrupt, ListeningEvent, NoInput, RecognitionFailed, TurnHeard
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Act, Do, End, Expect, Handover, Heard, Listen, Say
from voicebot.nlu.intents import Understanding
from voicebot.tts.player import PlayedPrompt, Player
from voicebot.tts.synthesizer import Synthesizer

FILLER_AFTER_S = 0.8
"""A backend that takes longer than this gets words in between, so that the line is never dead."""
FILLER = Say("One moment, please.", name="filler")
SORRY = Say("I'm sorry, something went wrong on our side. Please call again in a moment.", name="sorry")
APOLOGY = Say("I'm sorry, I can't go on speaking just now. One moment, please.", barge_in=False, name="apology")
"""Recorded at start, for when synthesis breaks."""
DEAF = Heard("", confidence=0.0)
"""In the inbox: a turn that no recognition engine could hear."""
PROGRESS_EVERY_S = 6.0
"""After it, as long as the backend works, words come so often."""
PROGRESS = (
    Say("I'm still on it.", name="progress.1"),
    Say("This takes a little longer than usual. Thank you for waiting.", name="progress.2"),
    Say("Still working on it, please stay on the line.", name="progress.3"),
)
"""One after the other; from the last one on they begin again."""
LAST_PACKETS_S = 0.2
"""Time for the caller's jitter buffer to play our last words before the leg is hung up."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Script:
    """One dialog with what belongs to it alone."""

    flow: Flow
    understanding: Understanding
    actions: Actions


@dataclass(frozen=True, slots=True)
class Connect:
    """A call that goes to a human at once, because a route says so."""

    target: str
    queue: bool


@dataclass(frozen=True, slots=True)
class House:
    """What all calls share."""

    config: Config
    ears: SpeechInput
    mouth: Synthesizer
    switchboard: Switchboard
    thinkers: Executor
    """Runs the mind's work, which is short but not short enough for the event loop."""
    post_summary: Callable[[dict[str, Any]], None]
    """Sends a written summary to the webhook in the background; does nothing without one."""


class Call:
    """The life of one answered call.

    Args:
        house: the shared parts.
        script: the dialog.
        leg: the caller's answered leg.
        scribe: writes down what happens.
        caller: what is known of the caller, as variables of the dialog (`events.CALL_VARIABLES`).
        connect: whom to bring in before the dialog says a word; None begins with the dialog.
    """

    def __init__(
        self,
        house: House,
        script: Script,
        leg: Leg,
        scribe: Scribe,
        caller: Mapping[str, str | bool],
        connect: Connect | None = None,
    ) -> None:
        self._house = house
        self._actions = script.actions
        self._connect = connect
        self._leg = leg
        self._scribe = scribe
        self._listener = house.ears.listen(leg.rate_hz, self._on_ear)
        self._listener.on_hypothesis = self._on_hypothesis
        self._foresight = Foresight(house.mouth, house.thinkers, leg.rate_hz)
        self._player = Player(leg, house.mouth, on_play=self._listener.played, on_flush=self._listener.unplayed)
        self._keypad = KeyPad()
        self._inbox = Inbox()
        self._interruptible = self._mute = self._thinking = False
        self._expect = Expect()
        self._key_timer: asyncio.TimerHandle | None = None
        self._conversation = Conversation(
            script.flow, script.understanding, now=lambda: datetime.now().astimezone(), caller=caller
        )

    async def run(self) -> None:
        """Talk until the call is over; whatever happens, the leg is hung up and the record is closed."""
        self._leg.on_audio, self._leg.on_dtmf = self._listener.feed, self._on_key
        talk = asyncio.create_task(self._talk())
        try:
            over: set[asyncio.Future[Any]] = {talk, self._leg.closed}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(talk)
            self._conversation.hung_up()
            self._stop_listening()
            self._player.stop()
            await self._leg.hang_up()
            self._scribe.ended(self._conversation.snapshot, self._conversation.summary, self._leg)

    def _stop_listening(self) -> None:
        self._leg.on_audio = self._leg.on_dtmf = None
        self._listener.close()
        self._foresight.forget()
        if self._key_timer is not None:
            self._key_timer.cancel()

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────

    def _on_ear(self, event: ListeningEvent) -> None:
        if isinstance(event, TurnHeard):
            self._inbox.put(event.heard)
        elif isinstance(event, NoInput):
            self._inbox.put(None)
        elif isinstance(event, RecognitionFailed):
            self._scribe.deaf(event.error)
            self._inbox.put(DEAF)
        elif isinstance(event, Interrupt) and self._interruptible:
            self._player.pause()
        elif isinstance(event, FalseAlarm):
            self._player.resume()

    def _on_hypothesis(self, heard: Heard | None) -> None:
        if heard is None:
            self._foresight.forget()
        elif not self._thinking:
            self._foresight.perhaps(self._conversation, heard)

    def _on_key(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        self._listener.key()
        if self._key_timer is not None:
            self._key_timer.cancel()
        entry = self._keypad.press(key, loop.time())
        if entry is not None:
            self._entered(entry)
        elif self._keypad.deadline is not None:
            self._player.pause()
            self._key_timer = loop.call_at(self._keypad.deadline, self._keys_paused)

    def _keys_paused(self) -> None:
        entry = self._keypad.expire(asyncio.get_running_loop().time())
        if entry is not None:
            self._entered(entry)

    def _entered(self, keys: str) -> None:
        self._inbox.put(Heard(keys, source="keys", barged_in=self._player.playing))

    # ── the loop of turns ────────────────────────────────────────────────────────────────────────────────────────

    async def _talk(self) -> None:
        try:
            connect, talk = self._connect, self._conversation
            acts = talk.start() if connect is None else talk.connect(connect.target, connect.queue)
            while acts:
                try:
                    acts = await self._perform(acts)
                except EngineFailed as error:
                    acts = await self._go_mute(error)
        except Exception:  # noqa: BLE001 - the last barrier of a call: the caller hears words, other calls go on
            _log.exception("call failed")
            self._scribe.failed()
            with contextlib.suppress(EngineFailed):
                await self._speak([SORRY])

    async def _go_mute(self, error: EngineFailed) -> list[Act]:
        """No voice can speak: the recorded apology, and a human. The second time in a call it is over."""
        self._scribe.mute(error)
        if self._mute:
            raise error
        self._mute = True
        await self._speak([APOLOGY])
        return await self._think(self._conversation.mute)

    async def _perform(self, acts: list[Act]) -> list[Act]:
        """Carry out one list of acts. Returns the next one, empty when the call is over."""
        last = acts[-1]
        says = [act for act in acts if isinstance(act, Say)]
        self._scribe.at(self._conversation.snapshot)
        match last:
            case Listen(expect):
                return await self._take_turn(says, expect)
            case Do():
                return await self._act(says, last)
            case Handover():
                await self._speak(says)
                return await self._hand_over(last)
            case End(outcome):
                await self._speak(says)
                self._scribe.outcome(outcome)
                await asyncio.sleep(LAST_PACKETS_S)
                return []
            case Say():
                raise RuntimeError("a list of acts must not end in Say")

    async def _take_turn(self, says: list[Say], expect: Expect) -> list[Act]:
        self._expect = expect
        self._keypad.expect(expect)
        self._listener.expect(expect)
        answer = await self._ask(says, expect)
        if answer is None:
            self._listener.prompt_ended()
            answer = await self._inbox.get()
        if answer is None:
            self._scribe.silence()
            return await self._think(self._conversation.silence)
        if answer is DEAF:
            return await self._think(self._conversation.deaf)
        self._scribe.heard(answer, expect)
        heard = answer
        return await self._think(lambda: self._conversation.hear(heard))

    async def _think(self, step: Callable[[], list[Act]]) -> list[Act]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._thinking = True
        work = loop.run_in_executor(self._house.thinkers, step)
        try:
            acts = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})  # a conversation is not for two threads at once
            raise
        finally:
            self._thinking = False
        self._scribe.thought(self._conversation.last_decision, (loop.time() - begun) * 1000)
        return acts

    async def _ask(self, says: list[Say], expect: Expect) -> Heard | None:
        """Speak prompts; the caller may answer into them.

        A prompt that may not be interrupted (a disclosure) is heard to its end, and then the answer that came into it
        counts. Returns that answer, or None when the prompts were spoken to the end.
        """
        answer: Heard | None = None
        played: list[str] = []
        for say in says:
            if answer is not None and say.barge_in:
                continue
            self._interruptible = say.barge_in and expect.barge_in
            self._listener.prompt_started(self._interruptible)
            if answer is None and self._interruptible:
                answer = self._inbox.take()  # said into the prompt before, which could not be interrupted
                if answer is not None:
                    continue
            speaking = asyncio.create_task(self._say(say))
            try:
                while answer is None and not speaking.done():
                    answer = await self._inbox.get_unless(speaking)
                    if answer is not None and (self._interruptible or answer.source == "keys"):
                        self._player.stop()
                spoken = await speaking
            finally:
                await _end(speaking)
            played.append(spoken.heard)
            if answer is not None and answer.barged_in and not spoken.complete:
                answer = dataclasses.replace(answer, prompt_heard=" ".join(played).strip())
        return answer

    async def _speak(self, says: list[Say]) -> None:
        """Speak prompts to their end."""
        self._interruptible = False
        for say in says:
            self._listener.prompt_started(False)
            await self._say(say)

    async def _say(self, say: Say) -> PlayedPrompt:
        self._scribe.saying(say)
        spoken = await self._player.say(say, self._scribe.first_audio)
        self._scribe.said(say, spoken)
        return spoken

    # ── doing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _act(self, says: list[Say], do: Do) -> list[Act]:
        """Run a backend action while what comes before it is spoken."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        running = asyncio.create_task(self._actions.run(do))
        try:
            await self._speak(says)
            wait_s = FILLER_AFTER_S
            for words in itertools.chain([FILLER], itertools.cycle(PROGRESS)):
                done, _ = await asyncio.wait({running}, timeout=wait_s)
                if done:
                    break
                await self._speak([words])
                wait_s = PROGRESS_EVERY_S
            result = await running
        finally:
            running.cancel()
        self._scribe.acted(do, result, (loop.time() - begun) * 1000)
        for overheard in self._inbox.drain():  # said while we were busy: does not answer the next question
            self._scribe.overheard(overheard, self._expect)
        return await self._think(lambda: self._conversation.result(result))

    # ── handing over ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _hand_over(self, act: Handover) -> list[Act]:
        """Hold music for the caller, a call to the human, a spoken summary for him, and both are joined."""
        self._scribe.state("on hold")
        self._house.post_summary(self._scribe.summary(act, self._conversation.snapshot))
        music = asyncio.create_task(self._player.hold_music())
        try:
            try:
                human = await self._house.switchboard.reach(act.target, act.queue)
            except NotReached as error:
                return await self._nobody(act, error.why)
            try:
                with contextlib.suppress(EngineFailed):  # better a human without a summary than none
                    await Player(human, self._house.mouth).say(Say(act.summary, barge_in=False))
                if human.closed.done():
                    return await self._nobody(act, "no-answer")
                await _end(music)
                self._stop_listening()
                self._scribe.joined(act, human)
                self._scribe.parted(await bridge(self._leg, human, self._house.config.handover.release))
                return []
            finally:
                await human.hang_up()
        finally:
            await _end(music)

    async def _nobody(self, act: Handover, why: Why) -> list[Act]:
        self._scribe.not_reached(act, why)
        return await self._think(lambda: self._conversation.handover_failed(why))


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it is over."""
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
