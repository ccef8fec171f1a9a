"""A test caller: waits its turn, speaks, listens, as people do; all times come from the packets of its leg."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from telephony.agent import SipLeg, UserAgent
from telephony.call_policy import Terms
from telephony.leg import LegError
from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.call_plan import CallerPlan, CallerStep, CallReport, MeasuredTurn
from voicebot.bench.caller_audio import voiced
from voicebot.bench.media_capture import MediaCapture

QUIET_S = 0.8
"""Silence after which the other side has finished; longer than the pauses between two of its sentences."""
PROMPT_S = 60.0
"""Longest prompt that is listened to."""
ANSWER_S = 5.0
"""An answer that has not begun by then counts as none; the server's own "are you still there" comes later."""
BARGE_IN_AFTER_S = 1.0
"""How far into a prompt an interrupting caller begins."""
KEY_S = 0.25
_TERMS = Terms(codecs=("PCMU", "PCMA"))
"""The capture finds what was said in the packets that were sent, which only a codec without memory allows."""
POLL_S = 0.05


class MeasuringCaller:
    """One call.

    Args:
        agent: started; shared by all callers of a process.
        uri: who is called.
        ring_s: how long to wait for an answer.
    """

    def __init__(self, agent: UserAgent, uri: str, ring_s: float = 20.0) -> None:
        self._agent = agent
        self._uri = uri
        self._ring_s = ring_s

    async def run(self, script: str, plan: CallerPlan) -> CallReport:
        """Call, take every turn of the plan, listen to the end, hang up. A failed call is in the report, not raised."""
        report = CallReport(script)
        try:
            leg = await self._agent.call(self._uri, from_name="test caller", ring_s=self._ring_s, terms=_TERMS)
        except LegError as error:
            report.failure = str(error)
            return report
        answered_ns = time.monotonic_ns()
        capture = MediaCapture(leg.media.codec)
        leg.media.tap = capture
        try:
            await _Conversation(leg, capture, report, answered_ns).run(plan)
        finally:
            report.ended_by = leg.closed.result() if leg.closed.done() else "caller"
            report.seconds = (time.monotonic_ns() - answered_ns) / 1e9
            await leg.hang_up()
        return report


class _Conversation:
    """What happens between 200 OK and BYE."""

    def __init__(self, leg: SipLeg, capture: MediaCapture, report: CallReport, answered_ns: int) -> None:
        self._leg = leg
        self._capture = capture
        self._report = report
        self._answered_ns = answered_ns
        self._since_ns = answered_ns
        """What came after this is the answer to the last turn."""

    async def run(self, plan: CallerPlan) -> None:
        report, capture = self._report, self._capture
        greeted_ns = await self._until(lambda: capture.voiced_at(self._answered_ns), ANSWER_S)
        if greeted_ns is not None:
            report.greeting_ms = (greeted_ns - self._answered_ns) / 1e6
        while (step := await plan.next(self._listen)) is not None:
            if step.barge_in:
                await self._let_begin()
            if self._leg.closed.done():
                break
            self._keep_answer()
            turn = MeasuredTurn(step.kind, step.label, "call-over")
            report.turns.append(turn)
            self._since_ns = await self._take(step, turn)
        self._keep_answer()

    async def _listen(self) -> Pcm | None:
        """See `Listen`."""
        return self._keep_answer() if await self._quiet() else None

    def _keep_answer(self) -> Pcm:
        heard = self._capture.heard(self._since_ns, time.monotonic_ns())
        if self._report.turns:
            self._report.turns[-1].answer = heard
        else:
            self._report.greeting = heard
        return heard

    async def _let_begin(self) -> None:
        """Barging in: wait until the prompt has begun, and a little longer."""
        capture, since_ns = self._capture, time.monotonic_ns() - int(POLL_S * 1e9)
        await self._until(lambda: capture.voiced_at(since_ns), ANSWER_S)
        await asyncio.wait([self._leg.closed], timeout=BARGE_IN_AFTER_S)

    async def _take(self, step: CallerStep, turn: MeasuredTurn) -> int:
        """One turn. Returns when the caller had finished (monotonic ns), for the answer's audio."""
        capture, began_ns = self._capture, time.monotonic_ns()
        ended_ns = await self._speak(step, began_ns)
        if ended_ns is None:
            return began_ns
        from_ns, early_ns = ended_ns, None
        if step.barge_in:
            voiced_ns = self._first_voiced_ns(step, began_ns)
            stopped_ns = await self._until(lambda: capture.stopped_at(voiced_ns), PROMPT_S)
            if stopped_ns is not None:
                turn.stopped_ms = (stopped_ns - voiced_ns) / 1e6
                from_ns = max(ended_ns, stopped_ns + 1)
        else:
            early_ns = capture.voiced_at(began_ns)
        answer_ns = await self._until(lambda: capture.voiced_at(from_ns), ANSWER_S)
        if early_ns is not None and early_ns < ended_ns:
            turn.status = "cut-off"
        elif answer_ns is None:
            turn.status = "call-over" if self._leg.closed.done() else "unanswered"
        else:
            turn.status, turn.voice_to_voice_ms = "answered", (answer_ns - ended_ns) / 1e6
        return from_ns

    async def _speak(self, step: CallerStep, began_ns: int) -> int | None:
        """Say or key the step; when the packet with its last voiced sample left, None when the call ended before."""
        capture = self._capture
        if step.pcm is None:
            self._leg.send_dtmf(step.keys)
            await asyncio.sleep(KEY_S * len(step.keys) + KEY_S)
            return capture.last_key_at(began_ns)
        pcm, last = step.pcm, voiced(step.pcm)[1]
        self._leg.play(pcm)
        await asyncio.wait([self._leg.closed], timeout=last / RATE_HZ)
        return await self._until(lambda: capture.sent_at(pcm, last, began_ns), ANSWER_S)

    def _first_voiced_ns(self, step: CallerStep, began_ns: int) -> int:
        if step.pcm is None:
            return began_ns
        found = self._capture.sent_at(step.pcm, voiced(step.pcm)[0], began_ns)
        return began_ns if found is None else found

    async def _quiet(self) -> bool:
        """Wait until the other side has been silent for `QUIET_S`; False when the call ended before."""
        deadline_ns = time.monotonic_ns() + int(PROMPT_S * 1e9)
        while not self._leg.closed.done():
            now_ns = time.monotonic_ns()
            last_ns = self._capture.last_voiced_at() or self._answered_ns
            if now_ns - last_ns >= QUIET_S * 1e9 or now_ns > deadline_ns:
                return True
            await asyncio.wait([self._leg.closed], timeout=POLL_S)
        return False

    async def _until(self, look: Callable[[], int | None], limit_s: float) -> int | None:
        """Look every 50 ms until there is something; None after `limit_s` or when the call is over."""
        deadline_s = time.monotonic() + limit_s
        while (found := look()) is None and time.monotonic() < deadline_s and not self._leg.closed.done():
            await asyncio.wait([self._leg.closed], timeout=POLL_S)
        return found
