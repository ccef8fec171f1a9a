"""One conversation: what was heard or came back from a backend goes in, what to say and do comes out. No I/O.

Every list of acts ends in exactly one `Listen`, `Do`, `Handover` or `End`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from voicebot.conversation.dispatch import Turns
from voicebot.conversation.interpreter import Machine
from voicebot.conversation.pending import ForHuman, ForResult, ForSlot, NeedHuman, Next, Over, Waiting, Wish, expect
from voicebot.conversation.recovery import Floor
from voicebot.conversation.state import Memory, dots
from voicebot.conversation.summary import summarise
from voicebot.conversation.trace import Decision
from voicebot.flows.flow import Flow
from voicebot.flows.templates import Value
from voicebot.messages import CALL_VARIABLES, Act, End, Handover, Heard, Listen, Result, Say, Snapshot
from voicebot.nlu.intents import Understanding

MAX_CHARS = 80
"""Of a value that a call brings."""
MAX_HANDOVERS = 2
"""Attempts to reach a human after failures; then the call ends with words."""


class Conversation:
    """The dialog of one call. Not for several threads at once.

    Args:
        flow: the dialog.
        understanding: the classifier trained for it.
        now: the moment of speaking, for "tomorrow"; in the time zone of the company.
        caller: what the call brings (`events.CALL_VARIABLES` and the flow's ``from_call``), for texts and the summary.
        mask: what is shown of a secret value, given its slot's type; dots without one.
    """

    def __init__(
        self,
        flow: Flow,
        understanding: Understanding,
        *,
        now: Callable[[], datetime],
        caller: Mapping[str, Value] | None = None,
        mask: Callable[[str, str], str] | None = None,
    ) -> None:
        self._flow = flow
        self.memory = Memory(flow, _known(flow, caller or {}), mask or dots)
        self._machine = Machine(flow, self.memory)
        self._floor = Floor(flow, self.memory, self._machine, understanding, now)
        self._turns = Turns(self._floor)
        self._waiting: Waiting = Wish(after=False)
        self._last: list[Act] = []
        self._handovers_failed = 0
        self._outcome = ""
        self._disclosed = False

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> list[Act]:
        """The first prompts: the disclosure, which cannot be interrupted, and the opening question."""
        self._disclose()
        self._machine.say(self._flow.model.opening, "opening")
        return self._acts(Wish(after=False))

    def connect(self, target: str, queue: bool = False) -> list[Act]:
        """Begin with a human instead of `start`, because a route says so; the bot speaks if nobody comes."""
        self._waiting = ForHuman("route", Wish(after=False))
        self._outcome = "handed-over"
        self._last = [Handover(target, summarise(self.memory, "route"), "route", queue)]
        return self._last[:]

    def hear(self, heard: Heard) -> list[Act]:
        """A turn of the caller."""
        if self._busy():
            return self._last[-1:]
        self._begin_turn()
        return self._acts(self._turns.hear(self._waiting, heard))

    def imagined(self) -> Conversation:
        """A copy in which something may be tried: what it hears changes nothing here, and its acts are for nobody."""
        shared: dict[int, object] = {id(part): part for part in (self._flow, self._floor.understanding)}
        return copy.deepcopy(self, shared)

    def silence(self) -> list[Act]:
        """The caller said nothing for as long as the dialog wanted to wait."""
        if self._busy():
            return self._last[-1:]
        self._begin_turn()
        return self._acts(self._turns.silence(self._waiting, self._handovers_failed > 0))

    def deaf(self) -> list[Act]:
        """Recognition is broken: words, and a human, whatever was asked."""
        if self._busy():
            return self._last[-1:]
        self._begin_turn()
        words = self._flow.model.handover
        return self._acts(self._floor.decided("deaf", NeedHuman("recognition", words.deaf, "handover.deaf")))

    def mute(self) -> list[Act]:
        """Synthesis is broken, and what was to be said was not heard: a human, without words."""
        if not isinstance(self._waiting, (ForHuman, Over)):
            self._begin_turn()
            self._acts(self._floor.decided("mute", NeedHuman("synthesis", "", "")))
        return self._last[-1:]

    def result(self, result: Result) -> list[Act]:
        """What came of a `Do`. A result that nobody waits for changes nothing."""
        waiting = self._waiting
        if not isinstance(waiting, ForResult) or waiting.token != result.token:
            return self._last[-1:]
        self._machine.out = []
        return self._acts(self._turns.result(waiting, result))

    def handover_failed(self, why: str) -> list[Act]:
        """No human could be reached (``busy``, ``no-answer``, ``declined``, ``unreachable``): words, and back."""
        waiting = self._waiting
        if not isinstance(waiting, ForHuman):
            return self._last[-1:]
        self._begin_turn()
        self._handovers_failed += 1
        self._outcome = ""
        words = self._flow.model.handover
        self._disclose()
        if self._handovers_failed >= MAX_HANDOVERS and waiting.reason in ("failures", "recognition"):
            self._machine.say(words.give_up, "handover.give_up")
            return self._acts(Over("failed"))
        key = {"busy": "busy", "declined": "busy", "no-answer": "no_answer"}.get(why, "unreachable")
        self._machine.say(getattr(words, key), f"handover.{key}")
        back = waiting.back_to
        if waiting.reason == "recognition" and isinstance(back, ForSlot) and expect(self._flow, back).kind == "digits":
            self._machine.say(words.keys, "handover.keys")
        return self._acts(self._turns.resume(waiting))

    def hung_up(self) -> None:
        """The caller is gone."""
        if not self._outcome:
            self._outcome = "resolved" if self.memory.resolved and not self.memory.frames else "abandoned"
            self._waiting = Over(self._outcome)

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def last_decision(self) -> Decision:
        """Why the last list of acts is what it is."""
        return self._floor.decision

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(
            flow=self._flow.name,
            step=self._floor.where(self._waiting),
            intent=self._floor.intent,
            intent_confidence=self._floor.intent_confidence,
            slots=self.memory.shown(),
            outcome=self._outcome,
            resolved=tuple(self.memory.resolved),
        )

    @property
    def summary(self) -> str:
        """Who called, what was asked, what was done, what is open. Secrets never."""
        return summarise(self.memory, self._waiting.reason if isinstance(self._waiting, ForHuman) else "")

    # ── what goes out ────────────────────────────────────────────────────────────────────────────────────────────

    def _disclose(self) -> None:
        """That a machine speaks: before anything else that it says in this call."""
        if not self._disclosed:
            self._machine.say(self._flow.model.disclosure, "disclosure", barge_in=False)
            self._disclosed = True

    def _busy(self) -> bool:
        return isinstance(self._waiting, (ForResult, ForHuman, Over))

    def _begin_turn(self) -> None:
        self._machine.out = []
        self._machine.turn()

    def _acts(self, waiting: Next) -> list[Act]:
        """The list of acts for what the dialog waits for now."""
        out = self._machine.out
        if isinstance(waiting, NeedHuman):
            self._machine.say(waiting.text, waiting.name)
            back = self._waiting
            waiting = ForHuman(waiting.reason, back)
        if isinstance(waiting, ForHuman):
            self._outcome = "handed-over"
            text = summarise(self.memory, waiting.reason)
            out.append(Handover(self._flow.model.handover.target, text, waiting.reason))
        elif isinstance(waiting, Over):
            self._outcome = waiting.outcome
            out.append(End(waiting.outcome))
        elif not isinstance(waiting, ForResult):
            change, how = self._floor.changeable(waiting), self._floor.listening(waiting)
            listen = expect(self._flow, waiting, change, how, self._floor.now().date())
            if self._floor.patience_s:
                listen = replace(listen, no_input_s=self._floor.patience_s, on_hold=True)
            self._floor.remember([act for act in out if isinstance(act, Say)])
            out.append(Listen(listen))
        self._waiting, self._last = waiting, list(out)
        return self._last[:]


def _known(flow: Flow, caller: Mapping[str, Value]) -> dict[str, Value]:
    """What the call brings, each a single line. A SIP user part that is no telephone number is no number."""
    known: dict[str, Value] = {}
    for name in (*CALL_VARIABLES, *flow.model.from_call):
        value = caller.get(name, "")
        known[name] = value if isinstance(value, bool) else _line(str(value))
    plain = re.sub(r"[ ()./-]", "", str(known["caller_number"]))
    known["caller_number"] = plain if re.fullmatch(r"\+?[0-9]{3,20}", plain) else ""
    return known


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_CHARS]
