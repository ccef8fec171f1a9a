"""The state that all kinds of turns share: what was asked, how often it failed, why, and how to go on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from voicebot.conversation.interpreter import Machine
from voicebot.conversation.pending import (
    ForChange,
    ForHuman,
    ForIntent,
    ForSlot,
    ForStep,
    ForValue,
    NeedHuman,
    Next,
    Over,
    PendingLookup,
    Waiting,
    Wish,
)
from voicebot.conversation.slot_values import Answers
from voicebot.conversation.state import Memory
from voicebot.conversation.trace import Decision
from voicebot.flows import default_prompts, instructions
from voicebot.flows.flow import Flow
from voicebot.messages import Heard, Say
from voicebot.nlu.intents import Guess, Understanding, band
from voicebot.nlu.slots.extract import find
from voicebot.nlu.slots.tokens import Found, tokens
from voicebot.nlu.specs import StepListenOptions

MAX_CANDIDATES = 10
"""Readings of one answer that a backend is asked about."""
NEARLY_ALL = 0.8
"""Of a question's words: the rest is "is that right?"."""


class Floor:
    """Prompts go to the machine's `out`; what is returned is what the dialog waits for next."""

    def __init__(
        self, flow: Flow, memory: Memory, machine: Machine, understanding: Understanding, now: Callable[[], datetime]
    ) -> None:
        self.flow, self.memory, self.machine = flow, memory, machine
        self.understanding, self.now = understanding, now
        self.answers = Answers(flow, memory)
        self.failures = self.misses = self.silences = 0
        self.why: list[str] = []
        self.asked: list[str] = []
        """Slots in the order in which they were filled, for "go back"."""
        self.begun = ("", "")
        """A digit slot and the first digits of it, when the caller paused in the middle."""
        self.prompts: list[Say] = []
        """What was last said before listening, for "repeat that"."""
        self.waiting: Waiting = Wish(after=False)
        self.guesses: list[Guess] | None = None
        """What this turn may want; None while nobody looked."""
        self.intent, self.intent_confidence = "", 0.0
        self.decision = Decision()
        self.patience_s = 0.0
        """Longer silence than usual that the caller asked for; 0 without."""

    def where(self, waiting: Waiting) -> str:
        """Name of the step that waits."""
        task = self.memory.frames[-1].task if self.memory.frames else ""
        match waiting:
            case Wish(after):
                return "after" if after else "opening"
            case ForSlot(slot):
                return f"{task}.{slot}"
            case ForValue(slot, _):
                return f"{task}.{slot}.confirm"
            case ForStep():
                return f"{task}.confirm"
            case ForChange():
                return f"{task}.change"
            case ForIntent(intent, _, _):
                return f"intent.{intent}"
            case ForHuman():
                return "handover"
            case Over():
                return "over"
        return f"{task}.action"

    def changeable(self, waiting: Waiting) -> tuple[str, ...]:
        """The slots that may be put right instead of a plain no to a `confirm` step."""
        if not isinstance(waiting, ForStep):
            return ()
        frame = self.memory.frames[-1]
        step = self.flow.programs[frame.task].code[frame.at]
        named = step.change if isinstance(step, instructions.Check) else ()
        return tuple(s for s in named or self.flow.programs[frame.task].slots if s in self.memory.slots)

    def listening(self, waiting: Waiting) -> StepListenOptions | None:
        """How the step that waits wants to be listened for; None as its slot says."""
        if isinstance(waiting, Wish):
            return self.flow.model.after.listen if waiting.after else self.flow.model.listen
        if not isinstance(waiting, (ForSlot, ForStep, ForChange)):
            return None
        frame = self.memory.frames[-1]
        match self.flow.programs[frame.task].code[frame.at], waiting:
            case (instructions.Ask(slot=slot, listen=listen), ForSlot(asked)) if slot == asked:
                return listen
            case (instructions.Check(listen=listen), ForStep() | ForChange()):
                return listen
        return None

    def remember(self, prompts: list[Say]) -> None:
        """What was last said before listening, for "repeat that"."""
        if prompts:
            self.prompts = [p for p in prompts if p.name != "disclosure"]

    def show(self, rule: str, found: dict[str, Found]) -> None:
        values = {name: self.memory.mask(name, f.value) for name, f in found.items()}
        secret = self.decision.secret or any(self.flow.slots[name].secret for name in found)
        self.decision = replace(self.decision, rule=rule, slots=values, secret=secret)

    def progress(self) -> None:
        self.failures = self.misses = self.silences = 0
        self.why.clear()

    def count(self, what: str, where: str) -> None:
        self.failures += 1
        self.why.append(f"{what} at {where}")
        self.decision = replace(self.decision, failures=self.failures, why=tuple(self.why))

    def need_human(self) -> NeedHuman:
        return NeedHuman("failures", self.flow.model.handover.failures, "handover.failures")

    def decided(self, rule: str, human: NeedHuman) -> NeedHuman:
        self.decision = replace(self.decision, rule=rule, failures=self.failures, why=tuple(self.why))
        return human

    def fail(self, kind: str, waiting: Waiting) -> Next:
        """One more failure: other words, or a human."""
        self.begun = ("", "")
        self.count(kind, self.where(waiting))
        if self.failures >= self.flow.model.fallbacks.limit:
            return self.decided("failures", self.need_human())
        self.decision = replace(self.decision, rule=kind)
        if kind == "no-input":
            self.silences += 1
        else:
            self.misses += 1
        self.again(kind, waiting)
        return waiting

    def again(self, kind: str, waiting: Waiting) -> None:
        say, flow = self.machine.say, self.flow
        if isinstance(waiting, ForSlot):
            slot = flow.slots[waiting.slot]
            key, ladder, place = "reprompts", slot.reprompts, self.misses
            if kind == "no-input":
                key, ladder, place = "no_input", slot.no_input, self.silences
            elif kind == "not-allowed" and slot.invalid:
                key, ladder = "invalid", slot.invalid
            elif kind == "rejected":
                say(default_prompts.SORRY_NO)
            at = min(place, len(ladder)) - 1
            say(ladder[at], f"slots.{waiting.slot}.{key}.{at}")
            return
        if isinstance(waiting, Wish):
            ladder = flow.model.fallbacks.no_input if kind == "no-input" else flow.model.fallbacks.no_match
            key = "no_input" if kind == "no-input" else "no_match"
            at = min(self.silences if kind == "no-input" else self.misses, len(ladder)) - 1
            say(ladder[at], f"fallbacks.{key}.{at}")
            return
        say("I didn't hear anything." if kind == "no-input" else "Sorry, I didn't get that.")
        self.ask(waiting)

    def go_on(self, counted: bool = False) -> Next:
        """Run the task on top until something is needed, and ask for it.

        `counted`: what made the flow take a `retry` step was counted as a failure already.
        """
        machine = self.machine
        machine.progress, machine.retries = False, 0
        waiting = machine.advance()
        if machine.progress:
            self.progress()
        if machine.retries and not counted:
            self.count("not accepted", self.where(waiting) if not isinstance(waiting, NeedHuman) else "flow")
            if self.failures >= self.flow.model.fallbacks.limit:
                machine.out.clear()
                return self.decided("failures", self.need_human())
        if isinstance(waiting, (ForSlot, ForValue, Wish)):
            self.ask(waiting)
        return waiting

    def prompt(self, waiting: Waiting) -> Waiting:
        self.ask(waiting)
        return waiting

    def ask(self, waiting: Waiting) -> None:
        say, model = self.machine.say, self.flow.model
        match waiting:
            case ForSlot(slot) if slot in self.memory.beyond and self.flow.slots[slot].invalid:
                self.memory.beyond.discard(slot)
                say(self.flow.slots[slot].invalid[0], f"slots.{slot}.invalid.0")
            case ForSlot(slot):
                say(self.flow.slots[slot].prompt, f"slots.{slot}.prompt")
            case ForValue(slot, found):
                say(default_prompts.read_back(self.flow.slots[slot], found.value))
            case ForStep():
                frame = self.memory.frames[-1]
                step = self.flow.programs[frame.task].code[frame.at]
                if isinstance(step, instructions.Check):
                    say(step.text, step.name)
            case ForChange():
                say(default_prompts.CHANGE_AGAIN)
            case ForIntent(intent, _, _):
                say(default_prompts.meant(self.flow.programs[self.flow.intents[intent].task or ""].about))
            case Wish(after):
                say(model.after.ask if after else model.opening, "after.ask" if after else "opening")

    def was_asked(self, heard: Heard, value: str = "") -> bool:
        """Whether a caller who says yes into a question had heard what it is about.

        Args:
            value: what the question reads back; without it all but the last sentence must have been heard, or nearly
                all of a single one.
        """
        if heard.prompt_heard is None:
            return True
        said = tokens(heard.prompt_heard)
        if value:
            wanted = tokens(value)
            return any(said[i : i + len(wanted)] == wanted for i in range(len(said)))
        sentences = re.split(r"(?<=[.!?])\s+", " ".join(p.text for p in self.prompts))
        needed = len(tokens(" ".join(sentences[:-1]))) or NEARLY_ALL * len(tokens(sentences[0]))
        return len(said) >= needed

    def ask_in_full(self, waiting: Waiting) -> Waiting:
        """Ask again what was not heard, this time to its end."""
        self.decision = replace(self.decision, rule="unheard")
        self.ask(waiting)
        out = self.machine.out
        out[:] = [replace(act, barge_in=False) if isinstance(act, Say) else act for act in out]
        return waiting

    def fill(self, slot: str, found: Found, heard: Heard) -> None:
        memory = self.memory
        memory.slots[slot] = found.value
        memory.ahead.pop(slot, None)
        memory.beyond.discard(slot)
        if self.answers.must_check(slot, found, heard):
            memory.unchecked[slot] = found
        else:
            memory.unchecked.pop(slot, None)
            if slot not in memory.retried:
                self.progress()
        if slot in self.asked:
            self.asked.remove(slot)
        self.asked.append(slot)

    def fill_along(self, slots: list[str], heard: Heard, taken: Found | None = None) -> dict[str, Found]:
        """Fill slots that were not asked for, from words beside those `taken`. Returns the values."""
        values = self.answers.along(slots, heard.text, self.now(), taken)
        used = [found for found in (taken, *values.values()) if found is not None]
        others = [slot for slot in slots if slot not in values]
        self.memory.beyond |= self.answers.beyond(others, heard.text, self.now(), used)
        self._fill_ahead(values, heard)
        return values

    def _fill_ahead(self, values: dict[str, Found], heard: Heard) -> None:
        """The backend is asked about them when their turn comes."""
        for slot, found in values.items():
            self.fill(slot, found, heard)
            spec = self.flow.slots[slot]
            if spec.lookup is not None and spec.lookup.do is not None:
                same = [f for f in find(spec, heard.text, self.now(), asked=False) if f.value != found.value]
                self.memory.ahead[slot] = PendingLookup(slot, (found, *same)[:MAX_CANDIDATES], heard)

    def correct(self, fixed: dict[str, Found], heard: Heard) -> Next:
        """Take new values in, and go back to the first place that used an old one."""
        frame = self.memory.frames[-1]
        self._fill_ahead(fixed, heard)
        places = {s: at for s in fixed if (at := self.machine.asks_at(frame.task, s)) is not None}
        if places:
            frame.at = min(frame.at, *places.values())
        return self.go_on()

    def jump(self, slot: str, keep: tuple[str, ...]) -> Next:
        frame = self.memory.frames[-1]
        at = self.machine.asks_at(frame.task, slot)
        if at is not None:
            retried = set(self.memory.retried)
            self.machine.back_to(frame, at, keep)
            self.memory.retried = retried
            self.memory.forget([slot])
        return self.go_on()

    def goodbye(self) -> Next:
        self.machine.say(self.flow.model.after.goodbye, "after.goodbye")
        return Over("resolved" if self.memory.resolved and not self.memory.frames else "abandoned")

    def guess(self, heard: Heard) -> Guess | None:
        if self.guesses is None:
            self.guesses = self.understanding.classify(heard.text) if heard.source != "keys" else []
            if self.guesses:
                best = self.guesses[0]
                self.decision = replace(
                    self.decision, intent=best.intent, confidence=round(best.confidence, 3), band=band(best.confidence)
                )
        return self.guesses[0] if self.guesses else None
