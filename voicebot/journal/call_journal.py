"""Writes down what happens in a call, once, for everyone who reads it: record, metrics, logs and the browser page.

Secrets are masked here and nowhere later: what reaches a record, a log line or a page has no digit of a secret slot.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from telephony.leg import Leg
from voicebot import log
from voicebot.conversation.trace import Decision
from voicebot.errors import EngineFailed
from voicebot.journal import metrics
from voicebot.journal.redaction import SECRET, redact
from voicebot.messages import Do, Expect, Handover, Heard, Result, Say, Snapshot
from voicebot.record.records import Records
from voicebot.record.rows import Turn
from voicebot.tts.player import PlayedPrompt
from voicebot.web import page_messages as page

GUESSED = 0.5
"""A word less sure than this is marked: seven of ten such are wrong (`voicebot bench asr`, "words of free text")."""
_log = log.get(__name__)


class Scribe:
    """The written side of one call.

    Args:
        records: where calls are stored.
        call_id: our own id of the call.
        flow: name of the dialog.
        channel: ``sip`` or ``browser``.
        caller: who calls, as the network says.
        called: whom he called.
        leg: the leg's own id (SIP's Call-ID), which ties the telephony's log lines and packets to this call.
        show: sends an event to the caller's browser page; None for a telephone.
        mask: the arguments of an action without its secrets.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        records: Records,
        call_id: str,
        flow: str,
        channel: str,
        caller: str,
        called: str,
        *,
        leg: str,
        show: Callable[[str], None] | None,
        mask: Callable[[Do], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self.call_id, self._channel = records, call_id, channel
        self._caller, self._called = caller, called
        self._show = show or (lambda _: None)
        self._mask, self._clock = mask, clock
        self._turn: Turn | None = None
        """The caller's turn that waits for the first sample of its answer."""
        self._unsure: tuple[int, ...] = ()
        """Places of the words of that turn that recognition has guessed."""
        self._heard_at = 0.0
        self._snapshot: Snapshot | None = None
        self._outcome = ""
        self._reason = ""
        self._handovers = 0
        records.call_started(call_id, channel, caller, called, flow)
        _log.info("call answered", extra={"channel": channel, "caller": caller, "leg": leg})
        self._show(page.state("answered", call_id))

    # ── the turns ────────────────────────────────────────────────────────────────────────────────────────────────

    def at(self, snapshot: Snapshot) -> None:
        """The dialog stands here now."""
        self._snapshot = snapshot
        self._show(page.step(snapshot))
        self._records.slots(self.call_id, snapshot.slots)

    def heard(self, heard: Heard, expect: Expect) -> None:
        """The caller's turn is over; `thought` completes it."""
        self._write_turn()
        self._heard_at = self._clock()
        self._turn = Turn(
            "caller",
            _words(heard, expect),
            confidence=heard.confidence if heard.source == "speech" else None,
            step=self._snapshot.step if self._snapshot else "",
            timings_ms=heard.timings_ms,
            barged_in=heard.barged_in,
            source=heard.source,
            secret=expect.secret,
        )
        self._unsure = _unsure(heard, self._turn.text)
        metrics.turns.labels(heard.source).inc()

    def silence(self) -> None:
        """The caller said nothing for as long as the dialog wanted to wait."""
        self._write_turn()
        self._records.turn(self.call_id, Turn("system", "no input"))
        metrics.turns.labels("no-input").inc()

    def overheard(self, heard: Heard, expect: Expect) -> None:
        """Something was said while a backend worked; it is kept but not answered."""
        secret = expect.secret
        self._records.turn(self.call_id, Turn("caller", heard.text, heard.confidence, step="overheard", secret=secret))

    def thought(self, decision: Decision, ms: float) -> None:
        """The mind decided what comes next."""
        metrics.stage.labels("mind").observe(ms / 1000)
        if self._turn is None:
            return
        first = "mind" not in self._turn.timings_ms  # it thinks again when a backend has answered
        self._turn = dataclasses.replace(
            self._turn,
            intent=decision.intent,
            intent_confidence=decision.confidence if decision.intent else None,
            secret=self._turn.secret or decision.secret,
            timings_ms={**self._turn.timings_ms, "mind": ms},
        )
        if first:
            shown = SECRET if self._turn.secret else redact(self._turn.text)
            self._show(page.said("caller", shown, unsure=self._unsure if shown == self._turn.text else ()))
        _log.info(
            "turn",
            extra={
                "rule": decision.rule,
                "step": decision.step,
                "intent": decision.intent,
                "failures": decision.failures,
                "unsure_words": len(self._unsure),
            },
        )

    def saying(self, say: Say) -> None:
        """A prompt begins."""
        self._show(page.said("bot", SECRET if say.secret else redact(say.text)))

    def first_audio(self, synthesis_ms: float) -> None:
        """The first sample of the answer is on its way: the caller's wait is over."""
        turn = self._turn
        if turn is None or "answer" in turn.timings_ms:
            return
        stages = dict(turn.timings_ms)
        stages["tts"] = synthesis_ms
        stages["answer"] = stages.get("endpoint", 0.0) + (self._clock() - self._heard_at) * 1000
        self._turn = dataclasses.replace(turn, timings_ms=stages)
        if turn.source == "speech":
            metrics.response.observe(stages["answer"] / 1000)
        metrics.stage.labels("tts").observe(synthesis_ms / 1000)
        self._show(page.turn(stages["answer"], {name: ms for name, ms in stages.items() if name != "answer"}))
        self._write_turn()

    def said(self, say: Say, spoken: PlayedPrompt) -> None:
        """A prompt was played, or stopped."""
        text = say.text if spoken.complete else f"{spoken.heard} —"
        step = self._snapshot.step if self._snapshot else ""
        self._records.turn(self.call_id, Turn("bot", text, step=step, secret=say.secret))

    def _write_turn(self) -> None:
        if self._turn is not None:
            self._records.turn(self.call_id, self._turn)
            self._turn = None

    # ── what was done ────────────────────────────────────────────────────────────────────────────────────────────

    def acted(self, do: Do, result: Result, ms: float) -> None:
        """A backend action came to its end."""
        self._records.action(self.call_id, do.action, self._mask(do), result.ok, result.error, ms)
        if self._turn is not None:
            self._turn = dataclasses.replace(self._turn, timings_ms={**self._turn.timings_ms, "action": ms})

    def outcome(self, outcome: str) -> None:
        """How the call ends, as the dialog sees it."""
        self._outcome = outcome

    def deaf(self, error: EngineFailed) -> None:
        """Recognition broke on one turn."""
        _log.error("recognition failed", extra={"error": str(error)})
        self._records.turn(self.call_id, Turn("system", "recognition failed"))

    def mute(self, error: EngineFailed) -> None:
        """No voice could speak."""
        _log.error("synthesis failed", extra={"error": str(error)})
        self._records.turn(self.call_id, Turn("system", "synthesis failed"))

    def failed(self) -> None:
        """The call broke inside this program."""
        self._outcome, self._reason = "failed", "internal error"

    # ── the human ────────────────────────────────────────────────────────────────────────────────────────────────

    def state(self, state: str) -> None:
        """The call is ``on hold``, ``with a person`` …"""
        self._show(page.state(state, self.call_id))

    def summary(self, act: Handover, snapshot: Snapshot) -> dict[str, Any]:
        """The written summary of a handover, for the webhook."""
        self._handovers += 1
        self._outcome = "abandoned"  # unless somebody answers, or the caller goes on with the bot
        self._records.turn(self.call_id, Turn("system", f"handover to {act.target} ({act.reason}): {act.summary}"))
        return {
            "call": self.call_id,
            "number": self._handovers,
            "channel": self._channel,
            "caller": self._caller,
            "called": self._called,
            "flow": snapshot.flow,
            "target": act.target,
            "reason": act.reason,
            "summary": redact(act.summary),
            "step": snapshot.step,
            "intent": snapshot.intent,
            "slots": snapshot.slots,
            "resolved": list(snapshot.resolved),
        }

    def not_reached(self, act: Handover, why: str) -> None:
        """Nobody came to the phone."""
        self._outcome = ""
        metrics.handovers.labels(act.reason, why).inc()
        self._records.turn(self.call_id, Turn("system", f"{act.target} not reached: {why}"))
        self._show(page.state("answered", self.call_id))

    def joined(self, act: Handover, human: Leg) -> None:
        """Caller and human hear each other now."""
        metrics.handovers.labels(act.reason, "answered").inc()
        self._outcome = "handed-over"
        self._records.turn(self.call_id, Turn("system", f"joined with {human.peer}"))
        self._show(page.state("with a person", self.call_id))
        _log.info("handed over", extra={"target": act.target, "reason": act.reason})

    def parted(self, who: str) -> None:
        """One of the two hung up, or they talk on without us."""
        self._reason = "transferred" if who == "released" else f"{who} hung up"

    def ended(self, snapshot: Snapshot, summary: str, leg: Leg) -> None:
        """The call is over: the last line of its record."""
        self._write_turn()
        outcome = self._outcome or snapshot.outcome or "abandoned"
        reason = self._reason or (leg.closed.result() if leg.closed.done() else "")
        stats = getattr(leg, "stats", None)
        media = dataclasses.asdict(stats()) if stats is not None else {}
        self._records.slots(self.call_id, snapshot.slots)
        self._records.call_ended(self.call_id, outcome, reason, snapshot.resolved, summary, media)
        metrics.calls.labels(self._channel, outcome).inc()
        for task in snapshot.resolved:
            metrics.resolved.labels(task).inc()
        self._show(page.outcome(summary))
        self._show(page.state("ended", self.call_id))
        _log.info("call ended", extra={"outcome": outcome, "reason": reason, "resolved": list(snapshot.resolved)})


def _unsure(heard: Heard, text: str) -> tuple[int, ...]:
    """Places of the words of `text` that were guessed; none where it is not the free text word by word."""
    if [word.text for word in heard.words] != text.split():
        return ()
    return tuple(at for at, word in enumerate(heard.words) if word.confidence < GUESSED)


def _words(heard: Heard, expect: Expect) -> str:
    """What a reader should see: the in-grammar result where one was accepted, otherwise the free one."""
    return heard.expected_text if heard.expected_text and expect.kind != "free" else heard.text
