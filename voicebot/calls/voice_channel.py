"""A line with a voice: prompts are played, and what is said or keyed into and after them answers them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable

from telephony.leg import Leg
from voicebot import log
from voicebot.calls.dtmf_entry import KeyPad
from voicebot.calls.input_queue import CallerTurn, Input, InputQueue, NothingSaid, Unrecognised
from voicebot.calls.reporter import CallReporter
from voicebot.errors import EngineFailed
from voicebot.listening.events import FalseAlarm, Interrupt, ListeningEvent, NoInput, RecognitionFailed, TurnHeard
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Expect, Heard, Say
from voicebot.tts.player import PlayedPrompt, Player
from voicebot.tts.synthesizer import Synthesizer

LAST_PACKETS_S = 0.2
"""Time for the caller's jitter buffer to play our last words before the leg is hung up."""


class VoiceChannel:
    """The caller's side of one call. Use it on the event loop only.

    Args:
        leg: the caller's answered leg.
        speech_input, synthesizer: the engines that all calls share.
        report: is told what is said, and what is overheard.
        on_hypothesis: is told what the turn is if it is over now; None when the caller goes on.
    """

    def __init__(
        self,
        leg: Leg,
        speech_input: SpeechInput,
        synthesizer: Synthesizer,
        report: CallReporter,
        on_hypothesis: Callable[[Heard | None], None] = lambda _: None,
    ) -> None:
        self._leg, self._report = leg, report
        self._listener = speech_input.listen(leg.rate_hz, self._on_listening)
        self._listener.on_hypothesis = on_hypothesis
        self._player = Player(leg, synthesizer, on_play=self._listener.played, on_flush=self._listener.unplayed)
        self._queue = InputQueue(self._overheard)
        self._keypad = KeyPad()
        self._keyed_s = 0.0
        """When the first key of the entry under way was pressed, on the loop's clock."""
        self._key_timer: asyncio.TimerHandle | None = None
        self._expect = Expect()
        self._interruptible = False
        leg.on_audio, leg.on_dtmf = log.in_call(self._listener.feed), log.in_call(self._on_key)

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────

    def _on_listening(self, event: ListeningEvent) -> None:
        now_s = asyncio.get_running_loop().time()
        match event:
            case TurnHeard(heard, age_s):
                self._queue.put(CallerTurn(heard), now_s - age_s)
            case NoInput():
                self._queue.put(NothingSaid(), now_s)
            case RecognitionFailed(error, age_s):
                self._report.engine_broke("recognition", error)
                self._queue.put(Unrecognised(error), now_s - age_s)
            case Interrupt() if self._interruptible:
                self._player.pause()
            case FalseAlarm():
                self._player.resume()

    def _on_key(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        if self._keypad.deadline is None:
            self._keyed_s = loop.time()
        entry = self._keypad.press(key, loop.time())
        if entry is None and self._keypad.deadline is None:
            return  # a key that means nothing
        self._listener.key()
        if self._key_timer is not None:
            self._key_timer.cancel()
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
        self._queue.put(CallerTurn(Heard(keys, source="keys", barged_in=self._player.playing)), self._keyed_s)

    def _overheard(self, heard: Heard) -> None:
        self._report.overheard(heard, self._expect)
        if self._queue.asked:
            self._listener.answered_nothing()

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def ask(self, says: list[Say], expect: Expect) -> Input:
        """Speak prompts and return what answers them; the caller may answer into them.

        Raises:
            EngineFailed: no voice can speak.
        """
        with self._leg.silence_excused() if expect.on_hold else contextlib.nullcontext():
            return await self._ask(says, expect)

    async def _ask(self, says: list[Say], expect: Expect) -> Input:
        self._expect = expect
        self._keypad.expect(expect)
        self._listener.expect(expect)
        if not self._queue.asked:
            self._queue.ask(asyncio.get_running_loop().time())
        answer = await self._prompt(says, expect)
        if answer is None:
            self._listener.prompt_ended()
            answer = await self._queue.get()
        if not isinstance(answer, NothingSaid):  # what is asked again after silence is the same question
            self._queue.answered()
        return answer

    async def _prompt(self, says: list[Say], expect: Expect) -> Input | None:
        """Speak prompts until one is answered.

        A prompt that may not be interrupted (a disclosure) is heard to its end, and then the answer that came into it
        counts. Returns that answer, or None when the prompts were spoken to the end.
        """
        answer: Input | None = None
        played: list[str] = []
        for say in says:
            if answer is not None and say.barge_in:
                continue
            self._interruptible = say.barge_in and expect.barge_in
            self._listener.prompt_started(self._interruptible)
            speaking = asyncio.create_task(self._say(say))
            try:
                while not speaking.done() and (came := await self._queue.get_unless(speaking)) is not None:
                    if answer is not None:
                        self._queue.stale(answer)  # he has said it again, or more of it
                    answer = came
                    if self._interruptible or (isinstance(came, CallerTurn) and came.heard.source == "keys"):
                        self._player.stop()
                        break
                spoken = await speaking
            finally:
                await end(speaking)
            played.append(spoken.heard)
            if self._keypad.deadline is not None and isinstance(answer, CallerTurn) and answer.heard.source == "speech":
                self._queue.stale(answer)  # he keys now what he said before
                answer = None
            if isinstance(answer, CallerTurn) and answer.heard.barged_in and not spoken.complete:
                answer = CallerTurn(dataclasses.replace(answer.heard, prompt_heard=" ".join(played).strip()))
        return answer

    # ── speaking ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def speak(self, says: list[Say]) -> None:
        """Speak prompts to their end. Raises EngineFailed: no voice can."""
        self._interruptible = False
        self._queue.answered()
        for say in says:
            self._listener.prompt_started(False)
            await self._say(say)

    async def finished(self) -> None:
        """Return when the caller has heard the last words."""
        await asyncio.sleep(LAST_PACKETS_S)

    async def hold_music(self) -> None:
        """Play music until cancelled."""
        await self._player.hold_music()

    async def _say(self, say: Say) -> PlayedPrompt:
        self._report.saying(say)
        spoken = await self._player.say(say, self._report.first_audio)
        self._report.said(say, spoken)
        return spoken

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def stop_listening(self) -> None:
        """From now on the caller is somebody else's to hear."""
        self._leg.on_audio = self._leg.on_dtmf = None
        self._listener.close()
        if self._key_timer is not None:
            self._key_timer.cancel()

    def close(self) -> None:
        """Nothing is heard or said any more."""
        self.stop_listening()
        self._player.stop()


async def end(task: asyncio.Task[object]) -> None:
    """Cancel a task and wait until it is over."""
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, EngineFailed):
            await task
