"""Replies to a question of a task: answers, corrections, yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from voicebot.conversation.intent_routing import SWITCH, Wishes
from voicebot.conversation.pending import ForChange, ForSlot, Next, PendingLookup, Waiting
from voicebot.conversation.recovery import MAX_CANDIDATES, Floor
from voicebot.conversation.slot_values import corrects, coverage, yes_or_no
from voicebot.conversation.state import BadAnswer, values
from voicebot.flows import default_prompts, instructions
from voicebot.flows.value_lists import normal
from voicebot.messages import Heard, Result
from voicebot.nlu.commands import DONT_HAVE
from voicebot.nlu.slots.extract import MOST, allows, doubted
from voicebot.nlu.slots.thresholds import DOUBTED, UNSURE
from voicebot.nlu.slots.tokens import Found, tokens


class Replies:
    def __init__(self, floor: Floor, wishes: Wishes) -> None:
        self._floor, self._wishes = floor, wishes

    def slot(self, slot: str, waiting: Waiting, heard: Heard) -> Next:
        now = self._floor.now()
        candidates = self._floor.answers.candidates(slot, heard, now) or self._joined(slot, heard, now)
        found = candidates[0] if candidates else None
        if heard.source != "keys" and (found is None or self._long(heard, found)):
            outside = doubted(self._floor.flow.slots[slot], heard)
            change = self._wishes.change_of_subject(heard, SWITCH if found and not outside else 0.0)
            if change is not None:
                return change
        if found is None:
            return self._in_parts(slot, waiting, heard, now) or self._no_answer(slot, waiting, heard)
        self._floor.begun = ("", "")
        return self._look_up(slot, candidates, heard) or self._take(slot, found, heard)

    def _look_up(self, slot: str, candidates: Sequence[Found], heard: Heard) -> Waiting | None:
        """Ask the slot's backend, if it has one, which of the candidates exist."""
        waiting = self._floor.machine.look_up(PendingLookup(slot, tuple(candidates[:MAX_CANDIDATES]), heard))
        if waiting is not None:
            self._floor.decision = replace(self._floor.decision, rule="lookup")
        return waiting

    def looked_up(self, lookup: PendingLookup, result: Result) -> Next:
        """Take the likeliest of the candidates that exist; without an answer the likeliest of all, read back."""
        slot, spec = lookup.slot, self._floor.flow.slots[lookup.slot]
        try:
            known = values(result.data, spec.lookup.found) if spec.lookup is not None and result.ok else None
        except BadAnswer:
            known = None
        if known is None:
            return self._take(slot, replace(lookup.candidates[0], confidence=UNSURE), lookup.heard)
        exist = {normal(spec, value) for value in known}
        real = [found for found in lookup.candidates if found.value in exist]
        if not real:
            self._floor.memory.forget([slot])
            return self._floor.fail("not-allowed", ForSlot(slot))
        best = real[0] if len(real) == 1 else replace(real[0], confidence=UNSURE)
        return self._take(slot, best, lookup.heard)

    def _take(self, slot: str, found: Found, heard: Heard) -> Next:
        """Fill a slot with an answer, and others with what was said along with it."""
        now = self._floor.now()
        spoken_in_text = bool(found.end - found.start) and heard.source != "keys"
        task = self._floor.memory.frames[-1].task
        others = [s for s in self._floor.flow.programs[task].slots if s != slot and s not in self._floor.memory.slots]
        old = [s for s in self._filled(task) if s != slot]
        fixed = self._floor.answers.correction(old, self._without(heard, found), now) if corrects(heard.text) else {}
        self._floor.fill(slot, found, heard)
        along = self._floor.fill_along(others, heard, found) if spoken_in_text else {}
        self._floor.show("slot", {slot: found, **along, **fixed})
        return self._floor.correct(fixed, heard) if fixed else self._floor.go_on()

    def _joined(self, slot: str, heard: Heard, now: datetime) -> list[Found]:
        """The number that a caller has said in two or more turns."""
        part = self._floor.answers.part(slot, heard, now)
        if not part or self._floor.begun[0] != slot:
            return []
        whole = self._floor.begun[1] + part
        refused = self._floor.memory.rejected.get(slot, set())
        if whole in refused or not allows(self._floor.flow.slots[slot], whole, now):
            return []
        return [Found(whole, 0.6, 0, len(tokens(heard.text)))]

    def _in_parts(self, slot: str, waiting: Waiting, heard: Heard, now: datetime) -> Waiting | None:
        """Keep the first digits of a number and wait for the others."""
        part = self._floor.answers.part(slot, heard, now)
        begun = (self._floor.begun[1] if self._floor.begun[0] == slot else "") + part
        if len(part) < 2 or len(begun) >= max(self._floor.flow.slots[slot].sizes):
            self._floor.begun = ("", "")
            return None
        self._floor.begun = (slot, begun)
        self._floor.decision = replace(self._floor.decision, rule="part")
        self._floor.machine.say(default_prompts.AND_THEN)
        return waiting

    def _without(self, heard: Heard, found: Found) -> str:
        words = tokens(heard.text)
        return " ".join([*words[: found.start], "xx", *words[found.end :]])

    def _long(self, heard: Heard, found: Found) -> bool:
        """Whether so much else was said that it may be another wish: beside a value, or instead of one hardly heard."""
        if len(tokens(heard.text)) < 4:
            return False
        return found.heard < DOUBTED if heard.expected_text else coverage(heard.text, found) < MOST

    def _no_answer(self, slot: str, waiting: Waiting, heard: Heard) -> Next:
        now, task = self._floor.now(), self._floor.memory.frames[-1].task
        outside = doubted(self._floor.flow.slots[slot], heard)
        fixed = self._floor.answers.correction(self._filled(task), heard.text, now, outside=outside)
        if fixed:
            self._floor.show("correction", fixed)
            return self._floor.correct(fixed, heard)
        if DONT_HAVE.search(" ".join(heard.text.lower().replace("’", "'").split())):
            return self._unknown(slot, waiting)
        slots = self._floor.flow.programs[task].slots
        along = self._floor.fill_along([s for s in slots if s not in self._floor.memory.slots and s != slot], heard)
        if along:
            self._floor.show("slot", along)
            return self._floor.prompt(waiting)
        if self._floor.answers.not_allowed(slot, heard, now):
            return self._floor.fail("not-allowed", waiting)
        return self._floor.fail("no-match", waiting)

    def _unknown(self, slot: str, waiting: Waiting) -> Next:
        frame = self._floor.memory.frames[-1]
        step = self._floor.flow.programs[frame.task].code[frame.at]
        if isinstance(step, instructions.Ask) and step.unknown is not None:
            frame.at = step.unknown
            self._floor.decision = replace(self._floor.decision, rule="unknown")
            return self._floor.go_on()
        spec = self._floor.flow.slots[slot]
        self._floor.count("does not have it", self._floor.where(waiting))
        if self._floor.failures >= self._floor.flow.model.fallbacks.limit:
            return self._floor.decided("failures", self._floor.need_human())
        self._floor.decision = replace(self._floor.decision, rule="unknown", failures=self._floor.failures)
        if spec.help:
            self._floor.machine.say(spec.help, f"slots.{slot}.help")
        return self._floor.prompt(waiting)

    def _filled(self, task: str) -> list[str]:
        return [s for s in reversed(self._floor.flow.programs[task].slots) if s in self._floor.memory.slots]

    def value(self, slot: str, found: Found, waiting: Waiting, heard: Heard) -> Next:
        answer = yes_or_no(heard)
        memory, now = self._floor.memory, self._floor.now()
        fixed = [] if heard.source == "keys" else self._other_value(slot, found, heard, answer, now)
        if fixed:
            memory.rejected.setdefault(slot, set()).add(found.value)
            self._floor.show("correction", fixed[0])
            options = {f[slot].value: f[slot] for f in reversed(fixed) if slot in f}
            asking = self._look_up(slot, list(options.values())[::-1], heard) if slot in fixed[0] else None
            if asking is not None:
                memory.forget([slot])
            return asking or self._floor.correct(fixed[0], heard)
        if answer == "yes" and not self._floor.was_asked(
            heard, default_prompts.spoken(self._floor.flow.slots[slot], found.value)
        ):
            return self._floor.ask_in_full(waiting)
        if answer == "yes" or (not answer and self._same_again(slot, found, heard, now)):
            memory.unchecked.pop(slot, None)
            if slot not in memory.retried:
                self._floor.progress()
            self._floor.show("confirmed", {slot: found})
            return self._floor.go_on()
        if answer == "no":
            memory.rejected.setdefault(slot, set()).add(found.value)
            memory.forget([slot])
            memory.retried.add(slot)
            return self._floor.fail("rejected", ForSlot(slot))
        return self._wishes.change_of_subject(heard, 0.0) or self._floor.fail("no-match", waiting)

    def _other_value(self, slot: str, found: Found, heard: Heard, answer: str, now: datetime) -> list[dict[str, Found]]:
        """What the caller says instead of the value that was read back, in each reading that holds it."""
        task = self._floor.memory.frames[-1].task
        names = [slot, *(s for s in self._filled(task) if s != slot)]
        if answer != "yes":
            options = self._floor.answers.corrected(names, heard, now, open_=not answer)
        else:
            options = [self._floor.answers.along([slot], heard.text, now)]
        new = [{n: f for n, f in fixed.items() if not (n == slot and f.value == found.value)} for fixed in options]
        return [fixed for fixed in new if fixed]

    def _same_again(self, slot: str, found: Found, heard: Heard, now: datetime) -> bool:
        again = self._floor.answers.asked(slot, heard, now)
        return again is not None and again.value == found.value

    def checked(self, waiting: Waiting, heard: Heard) -> Next:
        frame = self._floor.memory.frames[-1]
        step = self._floor.flow.programs[frame.task].code[frame.at]
        if not isinstance(step, instructions.Check):
            raise TypeError("no confirmation is under way")
        answer = yes_or_no(heard)
        slots = [s for s in step.change or self._floor.flow.programs[frame.task].slots if s in self._floor.memory.slots]
        asked_what = isinstance(waiting, ForChange)
        if answer != "yes" and heard.source != "keys":
            now = self._floor.now()
            fixed = self._floor.answers.corrected(slots, heard, now, open_=asked_what or not answer)
            if fixed:
                self._floor.show("correction", fixed[0])
                return self._floor.correct(fixed[0], heard)
        if answer == "yes" and not asked_what:
            if not self._floor.was_asked(heard):
                return self._floor.ask_in_full(waiting)
            frame.at += 1
            self._floor.progress()
            self._floor.decision = replace(self._floor.decision, rule="confirmed")
            return self._floor.go_on()
        named = self._named(slots, heard.text) if answer != "yes" else ""
        if named:
            self._floor.show("correction", {})
            return self._floor.jump(named, tuple(s for s in slots if s != named))
        if answer == "no" and not asked_what:
            return self._refused(frame.at, step, waiting)
        return self._wishes.change_of_subject(heard, 0.0) or self._floor.fail("no-match", waiting)

    def _refused(self, at: int, step: instructions.Check, waiting: Waiting) -> Next:
        self._floor.count("rejected", self._floor.where(waiting))
        if self._floor.failures >= self._floor.flow.model.fallbacks.limit:
            return self._floor.decided("failures", self._floor.need_human())
        self._floor.decision = replace(self._floor.decision, rule="rejected", failures=self._floor.failures)
        if step.no is not None:
            self._floor.memory.frames[-1].at = step.no
            return self._floor.go_on(counted=True)
        self._floor.machine.say(default_prompts.CHANGE)
        return ForChange()

    def _named(self, slots: list[str], text: str) -> str:
        """The slot whose name was said: "the date is wrong"."""
        words = set(tokens(text))
        for slot in slots:
            label = set(tokens(self._floor.flow.slots[slot].label or slot.replace("_", " "))) | {
                self._floor.flow.slots[slot].type
            }
            if label & words:
                return slot
        return ""
