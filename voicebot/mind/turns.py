"""What one turn means where the dialog stands: an answer, a correction, another wish, a command, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from voicebot.events import Heard, Result, Say
from voicebot.mind import program, wording
from voicebot.mind.answers import Answers, corrects, coverage, yes_or_no
from voicebot.mind.decision import Decision
from voicebot.mind.flow import Flow
from voicebot.mind.machine import Machine, NeedHuman
from voicebot.mind.memory import Memory
from voicebot.mind.nlu.commands import DONT_HAVE, plain_command
from voicebot.mind.nlu.understanding import COMMAND, Guess, Understanding, band
from voicebot.mind.schema import Command
from voicebot.mind.slots.words import Found, tokens
from voicebot.mind.waiting import ForChange, ForHuman, ForIntent, ForSlot, ForStep, ForValue, Over, Waiting, Wish

Next = Waiting | NeedHuman
SWITCH = 0.75
"""Confidence from which a sentence changes the subject although it also holds an answer."""
PATIENCE_S = 25.0
"""Silence that a caller gets who asked for a moment."""
_GREETING = {
    "hello",
    "hi",
    "hey",
    "good",
    "morning",
    "afternoon",
    "evening",
    "there",
    "yes",
    "yeah",
    "um",
    "uh",
    "okay",
    "so",
}
_KEYED_DIGITS = {"digits", "alnum", "phone", "date", "time", "datetime", "amount", "number", "choice"}


class Turns:
    """Decides. Prompts go to the machine's `out`; what is returned is what the dialog waits for next."""

    def __init__(
        self, flow: Flow, memory: Memory, machine: Machine, understanding: Understanding, now: Callable[[], datetime]
    ) -> None:
        self._flow, self._memory, self._machine = flow, memory, machine
        self._understanding, self._now = understanding, now
        self._answers = Answers(flow, memory)
        self._failures = 0
        self._misses = 0
        self._silences = 0
        self._why: list[str] = []
        self._asked: list[str] = []
        self._prompts: list[Say] = []
        self._waiting: Waiting = Wish(after=False)
        self._guesses: list[Guess] | None = None
        self.intent, self.intent_confidence = "", 0.0
        self.decision = Decision()
        self.patience_s = 0.0

    # ── where ────────────────────────────────────────────────────────────────────────────────────────────────────

    def where(self, waiting: Waiting) -> str:
        """Name of the step that waits."""
        task = self._memory.frames[-1].task if self._memory.frames else ""
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

    def remember(self, prompts: list[Say]) -> None:
        """What was last said before listening, for "repeat that"."""
        if prompts:
            self._prompts = [p for p in prompts if p.name != "disclosure"]

    # ── turns ────────────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, waiting: Waiting, heard: Heard) -> Next:
        """A turn with words or keys."""
        self._guesses, self.patience_s, self._waiting = None, 0.0, waiting
        secret = isinstance(waiting, ForSlot) and self._flow.slots[waiting.slot].secret
        self.decision = Decision(step=self.where(waiting), secret=secret)
        command = self._command(waiting, heard)
        if command is not None:
            return self._obey(command, waiting)
        match waiting:
            case ForSlot(slot):
                return self._slot(slot, waiting, heard)
            case ForValue(slot, found):
                return self._value(slot, found, waiting, heard)
            case ForStep() | ForChange():
                return self._checked(waiting, heard)
            case ForIntent():
                return self._meant(waiting, heard)
            case Wish(after):
                return self._wish(heard, after, waiting)
        raise TypeError(f"nothing can be heard while {waiting} is under way")

    def silence(self, waiting: Waiting, nobody_there: bool) -> Next:
        """No input. `nobody_there`: a human was called for and not reached already."""
        self.patience_s = 0.0
        self.decision = Decision(rule="no-input", step=self.where(waiting))
        if isinstance(waiting, Wish) and waiting.after and self._silences and self._memory.resolved:
            return self._goodbye()
        if nobody_there and self._silences >= 2:
            self._machine.say(self._flow.model.after.goodbye, "after.goodbye")
            return Over("no-input")
        return self._fail("no-input", waiting)

    def result(self, result: Result) -> Next:
        """A backend's answer."""
        frame = self._memory.frames[-1]
        self.decision = Decision(rule="result", step=f"{frame.task}.action")
        kind = self._machine.result(result)
        if kind.startswith("unhandled"):
            self._count(f"action-failed ({kind.removeprefix('unhandled ')})", f"{frame.task}.action")
            self._memory.frames.pop()
            words = self._flow.model.handover
            return self._decided("action-failed", NeedHuman("backend", words.backend, "handover.backend"))
        if kind:
            self._count(f"action-failed ({kind})", f"{frame.task}.action")
            if self._failures >= self._flow.model.fallbacks.limit:
                return self._decided("failures", self._need_human())
        return self._go_on(counted=bool(kind))

    def resume(self, waiting: ForHuman) -> Next:
        """Back to the dialog after a human could not be reached."""
        self._progress()
        self.decision = Decision(rule="handover-failed", step="handover")
        if waiting.reason == "flow" and self._memory.frames:
            self._memory.frames[-1].at += 1
            return self._go_on()
        back = waiting.back_to
        if isinstance(back, (ForSlot, ForValue, ForStep, ForChange)) and self._memory.frames:
            return self._prompt(back)
        return self._go_on() if self._memory.frames else self._prompt(Wish(after=True))

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _command(self, waiting: Waiting, heard: Heard) -> Command | None:
        if heard.source == "keys":
            return self._key(waiting, heard.text)
        command = plain_command(heard.text)
        yesno = isinstance(waiting, (ForValue, ForStep, ForIntent)) or self._slot_type(waiting) == "yesno"
        if command in ("goodbye", "repeat") and yesno and yes_or_no(heard):
            return None
        if isinstance(waiting, ForSlot) and self._slot_type(waiting) in ("choice", "text"):
            exact = self._answers.along([waiting.slot], heard.text, self._now())
            if exact and command != "person":
                return None
        if command is None and {*tokens(heard.text)} <= {"hello", "sorry"} and not isinstance(waiting, Wish):
            return "repeat"
        return command

    def _key(self, waiting: Waiting, keys: str) -> Command | None:
        if keys == "*":
            return "repeat"
        if keys == "0":
            slot = self._flow.slots[waiting.slot] if isinstance(waiting, ForSlot) else None
            digit = slot is not None and slot.type in _KEYED_DIGITS and 1 in slot.lengths
            return None if digit else "person"
        return None

    def _slot_type(self, waiting: Waiting) -> str:
        return self._flow.slots[waiting.slot].type if isinstance(waiting, ForSlot) else ""

    def _obey(self, command: Command, waiting: Waiting) -> Next:
        self.decision = replace(self.decision, rule=f"command:{command}", failures=self._failures)
        say = self._machine.say
        match command:
            case "person":
                self._why.append(f"asked for a person at {self.where(waiting)}")
                words = self._flow.model.handover
                return self._decided("command:person", NeedHuman("asked", words.say, "handover.say"))
            case "repeat":
                self._machine.out += self._prompts
                return waiting
            case "wait":
                say(wording.TAKE_YOUR_TIME)
                self.patience_s = PATIENCE_S
                return waiting
            case "help":
                return self._help(waiting)
            case "back":
                return self._back(waiting)
            case "restart":
                self._memory.clear()
                self._progress()
                say(wording.START_OVER)
                return self._prompt(Wish(after=False))
            case "cancel" if self._memory.frames:
                self._memory.frames.pop()
                self._progress()
                say(wording.LEFT)
                return self._go_on()
            case _:
                return self._goodbye()

    def _help(self, waiting: Waiting) -> Next:
        slot = self._flow.slots[waiting.slot] if isinstance(waiting, ForSlot) else None
        if slot is not None and slot.help and isinstance(waiting, ForSlot):
            self._machine.say(slot.help, f"slots.{waiting.slot}.help")
            return waiting if slot.help.rstrip().endswith("?") else self._prompt(waiting)
        self._machine.say(self._flow.model.help, "help")
        return waiting if isinstance(waiting, Wish) else self._prompt(waiting)

    def _back(self, waiting: Waiting) -> Next:
        slots = self._flow.programs[self._memory.frames[-1].task].slots if self._memory.frames else ()
        here = waiting.slot if isinstance(waiting, (ForSlot, ForValue)) else ""
        while self._asked and (self._asked[-1] == here or self._asked[-1] not in slots):
            self._asked.pop()
        if not self._asked:
            if not self._memory.frames:
                self._machine.say(wording.AT_THE_START)
            return self._prompt(waiting)
        self._machine.say(wording.GO_BACK)
        return self._jump(self._asked.pop(), keep=())

    def _goodbye(self) -> Next:
        self._machine.say(self._flow.model.after.goodbye, "after.goodbye")
        return Over("resolved" if self._memory.resolved and not self._memory.frames else "abandoned")

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _slot(self, slot: str, waiting: Waiting, heard: Heard) -> Next:
        now = self._now()
        found = self._answers.asked(slot, heard, now)
        if heard.source != "keys" and (found is None or self._long(heard, found)):
            change = self._change_of_subject(heard, SWITCH if found else 0.0)
            if change is not None:
                return change
        if found is None:
            return self._no_answer(slot, waiting, heard)
        spoken_in_text = bool(found.end - found.start) and heard.source != "keys"
        task = self._memory.frames[-1].task
        others = [s for s in self._flow.programs[task].slots if s != slot and s not in self._memory.slots]
        along = self._answers.along(others, heard.text, now, found) if spoken_in_text else {}
        old = [s for s in self._filled(task) if s != slot]
        fixed = self._answers.correction(old, self._without(heard, found), now) if corrects(heard.text) else {}
        self._fill(slot, found, heard)
        for name, value in along.items():
            self._fill(name, value, heard)
        self._show("slot", {slot: found, **along, **fixed})
        return self._correct(fixed, heard) if fixed else self._go_on()

    def _without(self, heard: Heard, found: Found) -> str:
        words = tokens(heard.text)
        return " ".join([*words[: found.start], "xx", *words[found.end :]])

    def _long(self, heard: Heard, found: Found) -> bool:
        return len(tokens(heard.text)) >= 4 and coverage(heard, found) < 0.6 and not heard.expected_text

    def _no_answer(self, slot: str, waiting: Waiting, heard: Heard) -> Next:
        now, task = self._now(), self._memory.frames[-1].task
        fixed = self._answers.correction(self._filled(task), heard.text, now)
        if fixed:
            self._show("correction", fixed)
            return self._correct(fixed, heard)
        along = self._answers.along(
            [s for s in self._flow.programs[task].slots if s not in self._memory.slots and s != slot], heard.text, now
        )
        if DONT_HAVE.search(" ".join(heard.text.lower().replace("’", "'").split())):
            return self._unknown(slot, waiting)
        for name, value in along.items():
            self._fill(name, value, heard)
        if along:
            self._show("slot", along)
            return self._prompt(waiting)
        if self._answers.not_allowed(slot, heard, now):
            return self._fail("not-allowed", waiting)
        return self._fail("no-match", waiting)

    def _unknown(self, slot: str, waiting: Waiting) -> Next:
        frame = self._memory.frames[-1]
        step = self._flow.programs[frame.task].code[frame.at]
        if isinstance(step, program.Ask) and step.unknown is not None:
            frame.at = step.unknown
            self.decision = replace(self.decision, rule="unknown")
            return self._go_on()
        spec = self._flow.slots[slot]
        self._count("does not have it", self.where(waiting))
        if self._failures >= self._flow.model.fallbacks.limit:
            return self._decided("failures", self._need_human())
        self.decision = replace(self.decision, rule="unknown", failures=self._failures)
        if spec.help:
            self._machine.say(spec.help, f"slots.{slot}.help")
        return self._prompt(waiting)

    def _filled(self, task: str) -> list[str]:
        return [s for s in reversed(self._flow.programs[task].slots) if s in self._memory.slots]

    def _fill(self, slot: str, found: Found, heard: Heard) -> None:
        memory = self._memory
        memory.slots[slot] = found.value
        if self._answers.must_check(slot, found, heard):
            memory.unchecked[slot] = found
        else:
            memory.unchecked.pop(slot, None)
            if slot not in memory.retried:
                self._progress()
        if slot in self._asked:
            self._asked.remove(slot)
        self._asked.append(slot)

    def _correct(self, fixed: dict[str, Found], heard: Heard) -> Next:
        """Take new values in, and go back to the first place that used an old one."""
        frame = self._memory.frames[-1]
        for slot, found in fixed.items():
            self._fill(slot, found, heard)
        places = {s: at for s in fixed if (at := self._machine.asks_at(frame.task, s)) is not None}
        if places:
            frame.at = min(frame.at, *places.values())
        return self._go_on()

    def _jump(self, slot: str, keep: tuple[str, ...]) -> Next:
        frame = self._memory.frames[-1]
        at = self._machine.asks_at(frame.task, slot)
        if at is not None:
            retried = set(self._memory.retried)
            self._machine.back_to(frame, at, keep)
            self._memory.retried = retried
            self._memory.forget([slot])
        return self._go_on()

    # ── confirmations ────────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, slot: str, found: Found, waiting: Waiting, heard: Heard) -> Next:
        answer = yes_or_no(heard)
        memory, now = self._memory, self._now()
        fixed = {} if heard.source == "keys" else self._other_value(slot, found, heard, answer, now)
        if fixed:
            memory.rejected.setdefault(slot, set()).add(found.value)
            self._show("correction", fixed)
            return self._correct(fixed, heard)
        if answer == "yes" or (not answer and self._same_again(slot, found, heard, now)):
            memory.unchecked.pop(slot, None)
            if slot not in memory.retried:
                self._progress()
            self._show("confirmed", {slot: found})
            return self._go_on()
        if answer == "no":
            memory.rejected.setdefault(slot, set()).add(found.value)
            memory.forget([slot])
            memory.retried.add(slot)
            return self._fail("rejected", ForSlot(slot))
        return self._change_of_subject(heard, 0.0) or self._fail("no-match", waiting)

    def _other_value(self, slot: str, found: Found, heard: Heard, answer: str, now: datetime) -> dict[str, Found]:
        task = self._memory.frames[-1].task
        names = [slot, *(s for s in self._filled(task) if s != slot)]
        if answer != "yes":
            fixed = self._answers.correction(names, heard.text, now, open_=not answer)
        else:
            fixed = self._answers.along([slot], heard.text, now)
        return {n: f for n, f in fixed.items() if not (n == slot and f.value == found.value)}

    def _same_again(self, slot: str, found: Found, heard: Heard, now: datetime) -> bool:
        again = self._answers.asked(slot, heard, now)
        return again is not None and again.value == found.value

    def _checked(self, waiting: Waiting, heard: Heard) -> Next:
        frame = self._memory.frames[-1]
        step = self._flow.programs[frame.task].code[frame.at]
        if not isinstance(step, program.Check):
            raise TypeError("no confirmation is under way")
        answer = yes_or_no(heard)
        slots = [s for s in step.change or self._flow.programs[frame.task].slots if s in self._memory.slots]
        asked_what = isinstance(waiting, ForChange)
        fixed = {}
        if answer != "yes" and heard.source != "keys":
            fixed = self._answers.correction(slots, heard.text, self._now(), open_=asked_what or not answer)
        if fixed:
            self._show("correction", fixed)
            return self._correct(fixed, heard)
        if answer == "yes" and not asked_what:
            frame.at += 1
            self._progress()
            self.decision = replace(self.decision, rule="confirmed")
            return self._go_on()
        named = self._named(slots, heard.text) if answer != "yes" else ""
        if named:
            self._show("correction", {})
            return self._jump(named, tuple(s for s in slots if s != named))
        if answer == "no" and not asked_what:
            return self._refused(frame.at, step, waiting)
        return self._change_of_subject(heard, 0.0) or self._fail("no-match", waiting)

    def _refused(self, at: int, step: program.Check, waiting: Waiting) -> Next:
        self._count("rejected", self.where(waiting))
        if self._failures >= self._flow.model.fallbacks.limit:
            return self._decided("failures", self._need_human())
        self.decision = replace(self.decision, rule="rejected", failures=self._failures)
        if step.no is not None:
            self._memory.frames[-1].at = step.no
            return self._go_on(counted=True)
        self._machine.say(wording.CHANGE)
        return ForChange()

    def _named(self, slots: list[str], text: str) -> str:
        """The slot whose name was said: "the date is wrong"."""
        words = set(tokens(text))
        for slot in slots:
            label = set(tokens(self._flow.slots[slot].label or slot.replace("_", " "))) | {self._flow.slots[slot].type}
            if label & words:
                return slot
        return ""

    # ── wishes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _wish(self, heard: Heard, after: bool, waiting: Waiting) -> Next:
        words = tokens(heard.text)
        answer = yes_or_no(heard)
        short = len(words) <= 5
        if after and short and (answer == "no" or words[:1] in (["no"], ["nope"], ["nah"])) and not self._sure(heard):
            return self._goodbye()
        if after and answer == "yes" and short and not self._sure(heard):
            self._machine.say(self._flow.model.after.go_on, "after.go_on")
            self.decision = replace(self.decision, rule="go-on")
            return Wish(after=False)
        if words and set(words) <= _GREETING:
            self.decision = replace(self.decision, rule="greeting")
            return self._prompt(waiting)
        change = self._change_of_subject(heard, 0.0)
        if change is not None:
            return change
        guess = self._guess(heard)
        if guess is not None and guess.band == "confirm" and not guess.intent.startswith(COMMAND):
            task = self._flow.intents[guess.intent].task or ""
            self._machine.say(wording.meant(self._flow.programs[task].about))
            self.decision = replace(self.decision, rule="intent?")
            return ForIntent(guess.intent, heard.text, after)
        if after and answer == "no":
            return self._goodbye()
        return self._fail("no-match", waiting)

    def _sure(self, heard: Heard) -> bool:
        guess = self._guess(heard)
        return guess is not None and guess.band == "accept" and not guess.intent.startswith(COMMAND)

    def _meant(self, waiting: ForIntent, heard: Heard) -> Next:
        answer = yes_or_no(heard)
        if answer == "yes":
            self.decision = replace(self.decision, rule="intent-confirmed", intent=waiting.intent)
            return self._start(waiting.intent, Heard(waiting.text, source=heard.source))
        change = self._change_of_subject(heard, 0.0) if len(tokens(heard.text)) > 2 else None
        return change or self._fail("rejected" if answer == "no" else "no-match", Wish(after=waiting.after))

    def _guess(self, heard: Heard) -> Guess | None:
        if self._guesses is None:
            self._guesses = self._understanding.classify(heard.text) if heard.source != "keys" else []
            if self._guesses:
                best = self._guesses[0]
                self.decision = replace(
                    self.decision, intent=best.intent, confidence=round(best.confidence, 3), band=band(best.confidence)
                )
        return self._guesses[0] if self._guesses else None

    def _change_of_subject(self, heard: Heard, threshold: float) -> Next | None:
        """Another task or a command in other words; None when the turn is neither, or not surely enough."""
        guess = self._guess(heard)
        if guess is None or guess.band != "accept" or guess.confidence < threshold:
            return None
        if guess.intent.startswith(COMMAND):
            command: Command = guess.intent.removeprefix(COMMAND)  # type: ignore[assignment]
            leaving = command in ("goodbye", "restart", "cancel")
            if threshold or (leaving and (self._memory.frames or guess.confidence < SWITCH)):
                return None  # in the middle of a task only plain words end it
            return self._obey(command, self._waiting)
        task = self._flow.intents[guess.intent].task or ""
        if self._memory.frames and self._memory.frames[-1].task == task:
            return None
        return self._start(guess.intent, heard)

    def _start(self, intent: str, heard: Heard) -> Next:
        task = self._flow.intents[intent].task or ""
        guess = next((g for g in self._guesses or [] if g.intent == intent), None)
        self.intent, self.intent_confidence = intent, round(guess.confidence, 3) if guess else self.intent_confidence
        self._memory.begin(task)
        self._progress()
        along = self._answers.along(
            [s for s in self._flow.programs[task].slots if s not in self._memory.slots], heard.text, self._now()
        )
        for name, found in along.items():
            self._fill(name, found, heard)
        self._show("intent", along)
        return self._go_on()

    # ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _progress(self) -> None:
        self._failures = self._misses = self._silences = 0
        self._why.clear()

    def _count(self, what: str, where: str) -> None:
        self._failures += 1
        self._why.append(f"{what} at {where}")
        self.decision = replace(self.decision, failures=self._failures, why=tuple(self._why))

    def _need_human(self) -> NeedHuman:
        return NeedHuman("failures", self._flow.model.handover.failures, "handover.failures")

    def _decided(self, rule: str, human: NeedHuman) -> NeedHuman:
        self.decision = replace(self.decision, rule=rule, failures=self._failures, why=tuple(self._why))
        return human

    def _fail(self, kind: str, waiting: Waiting) -> Next:
        """One more failure: other words, or a human."""
        self._count(kind, self.where(waiting))
        if self._failures >= self._flow.model.fallbacks.limit:
            return self._decided("failures", self._need_human())
        self.decision = replace(self.decision, rule=kind)
        if kind == "no-input":
            self._silences += 1
        else:
            self._misses += 1
        self._again(kind, waiting)
        return waiting

    def _again(self, kind: str, waiting: Waiting) -> None:
        say, flow = self._machine.say, self._flow
        if isinstance(waiting, ForSlot):
            slot = flow.slots[waiting.slot]
            key, ladder, place = "reprompts", slot.reprompts, self._misses
            if kind == "no-input":
                key, ladder, place = "no_input", slot.no_input, self._silences
            elif kind == "not-allowed" and slot.invalid:
                key, ladder = "invalid", slot.invalid
            elif kind == "rejected":
                say(wording.SORRY_NO)
            at = min(place, len(ladder)) - 1
            say(ladder[at], f"slots.{waiting.slot}.{key}.{at}")
            return
        if isinstance(waiting, Wish):
            ladder = flow.model.fallbacks.no_input if kind == "no-input" else flow.model.fallbacks.no_match
            key = "no_input" if kind == "no-input" else "no_match"
            at = min(self._silences if kind == "no-input" else self._misses, len(ladder)) - 1
            say(ladder[at], f"fallbacks.{key}.{at}")
            return
        say("I didn't hear anything." if kind == "no-input" else "Sorry, I didn't get that.")
        self._ask(waiting)

    # ── prompts ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _show(self, rule: str, found: dict[str, Found]) -> None:
        values = {name: self._memory.mask(name, f.value) for name, f in found.items()}
        secret = self.decision.secret or any(self._flow.slots[name].secret for name in found)
        self.decision = replace(self.decision, rule=rule, slots=values, secret=secret)

    def _go_on(self, counted: bool = False) -> Next:
        """Run the task on top until something is needed, and ask for it.

        `counted`: what made the flow take a `retry` step was counted as a failure already.
        """
        machine = self._machine
        machine.progress, machine.retries = False, 0
        waiting = machine.advance()
        if machine.progress:
            self._progress()
        if machine.retries and not counted:
            self._count("not accepted", self.where(waiting) if not isinstance(waiting, NeedHuman) else "flow")
            if self._failures >= self._flow.model.fallbacks.limit:
                machine.out.clear()
                return self._decided("failures", self._need_human())
        if isinstance(waiting, (ForSlot, ForValue, Wish)):
            self._ask(waiting)
        return waiting

    def _prompt(self, waiting: Waiting) -> Waiting:
        self._ask(waiting)
        return waiting

    def _ask(self, waiting: Waiting) -> None:
        say, model = self._machine.say, self._flow.model
        match waiting:
            case ForSlot(slot):
                say(self._flow.slots[slot].prompt, f"slots.{slot}.prompt")
            case ForValue(slot, found):
                say(wording.read_back(self._flow.slots[slot], found.value))
            case ForStep():
                frame = self._memory.frames[-1]
                step = self._flow.programs[frame.task].code[frame.at]
                if isinstance(step, program.Check):
                    say(step.text, step.name)
            case ForChange():
                say(wording.CHANGE_AGAIN)
            case ForIntent(intent, _, _):
                say(wording.meant(self._flow.programs[self._flow.intents[intent].task or ""].about))
            case Wish(after):
                say(model.after.ask if after else model.opening, "after.ask" if after else "opening")
