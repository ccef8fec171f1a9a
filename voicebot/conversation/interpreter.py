"""Runs a task's instructions until the caller, a backend or a human is needed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from voicebot.conversation.pending import (
    ForResult,
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
from voicebot.conversation.state import BadAnswer, Memory, TaskFrame
from voicebot.flows import conditions, default_prompts, instructions, templates
from voicebot.flows.flow import Flow
from voicebot.messages import Act, Do, Result, Say
from voicebot.tts import markup

MAX_STEPS = 300
"""Instructions between two turns of the caller; a flow that needs more goes round in circles."""
MAX_ACTIONS = 10
"""Backend actions between two turns of the caller."""


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """An action of the flow's own steps that did not succeed."""

    kind: str
    """``timeout``, ``status-404``, ``bad-answer`` …"""
    handled: bool
    """The flow has steps for it, and goes on with them."""


class Machine:
    """Executes instructions; what is to be said is appended to `out`."""

    def __init__(self, flow: Flow, memory: Memory) -> None:
        self._flow, self._memory = flow, memory
        self._formats = {name: templates.BY_TYPE.get(slot.type, "raw") for name, slot in flow.slots.items()}
        self._call = uuid.uuid4().hex
        self._count = 0
        self._actions = 0
        self.out: list[Act] = []
        self.progress = False
        """A task was done since this was last set to False."""
        self.retries = 0
        """`retry` steps since this was last set to 0."""

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str, name: str = "", barge_in: bool = True) -> None:
        """Append a prompt with its fields filled in."""
        names = {f.name for f in templates.fields(text)}
        values = self._memory.values()
        for slot in names & set(self._flow.slots):
            if self._flow.slots[slot].type in ("choice", "email") and slot in values:
                values[slot] = default_prompts.spoken(self._flow.slots[slot], str(values[slot]))
        bare = {name: markup.harmless(value) if isinstance(value, str) else value for name, value in values.items()}
        marked = templates.render(text, bare, self._formats)
        shown = markup.plain(marked)
        if shown:
            secret = self._memory.secret(names)
            self.out.append(Say(shown, barge_in, name, secret, marked if marked != shown else ""))

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    def turn(self) -> None:
        """The caller had his turn: the guard against endless loops of actions starts again."""
        self._actions = 0

    def advance(self) -> Next:
        """Go on in the task on top until something is needed."""
        for _ in range(MAX_STEPS):
            if not self._memory.frames:
                return Wish(after=True)
            frame = self._memory.frames[-1]
            stop = self._step(frame, self._flow.programs[frame.task].code[frame.at])
            if stop is not None:
                return stop
        return NeedHuman("flow", self._flow.model.handover.failures, "handover.failures")

    def _step(self, frame: TaskFrame, step: instructions.Instruction) -> Next | None:
        memory = self._memory
        match step:
            case instructions.Ask(slot=slot):
                asking = self.look_up(memory.ahead.pop(slot)) if slot in memory.ahead else None
                if asking is not None:
                    return asking
                if slot in memory.unchecked:
                    return ForValue(slot, memory.unchecked[slot])
                if slot not in memory.slots:
                    return ForSlot(slot)
            case instructions.Tell(text, name, barge_in):
                self.say(text, name, barge_in)
            case instructions.RunAction():
                return self._do(step)
            case instructions.Branch(condition, otherwise):
                if not conditions.holds(condition, memory.values()):
                    frame.at = otherwise
                    return None
            case instructions.Jump(to):
                frame.at = to
                return None
            case instructions.Check(text=text, name=name):
                self.say(text, name)
                return ForStep()
            case instructions.Human(text, name):
                return NeedHuman("flow", text, name)
            case instructions.Stop(text, name):
                self.say(text, name)
                return Over("resolved" if memory.resolved else "failed")
            case _:
                return self._inside(frame, step)
        frame.at += 1
        return None

    def _inside(self, frame: TaskFrame, step: instructions.Instruction) -> Waiting | None:
        memory = self._memory
        match step:
            case instructions.Retry(slot, to):
                self.back_to(frame, to)
                memory.retried.add(slot)
                self.retries += 1
                return None
            case instructions.Use(values):
                for slot, text in values.items():
                    memory.slots[slot] = str(templates.fill(text, memory.values()) or "")
            case instructions.Go(task):
                frame.task, frame.at = task, 0
                memory.wishes.append(task)
                return None
            case instructions.Done(outcome):
                memory.resolved.append(frame.task)
                memory.outcomes.append(self._plain(outcome))
                self.progress = True
            case _:
                self._close()
                return None
        frame.at += 1
        return None

    def _close(self) -> None:
        """The task on top is over."""
        memory = self._memory
        done = memory.frames.pop()
        memory.retried -= set(self._flow.programs[done.task].slots)
        if memory.frames:
            self.say(default_prompts.back_to(self._flow.programs[memory.frames[-1].task].about))

    def _plain(self, text: str) -> str:
        hidden = {name: "" for name, slot in self._flow.slots.items() if slot.secret}
        values = {name: markup.harmless(v) if isinstance(v, str) else v for name, v in self._memory.values().items()}
        return markup.plain(templates.render(text, {**values, **hidden}, self._formats))

    def back_to(self, frame: TaskFrame, at: int, keep: tuple[str, ...] = ()) -> None:
        """Go back to where a slot is asked: it and those asked after it are forgotten, but for `keep`."""
        passed = self._flow.programs[frame.task].code[at : frame.at + 1]
        gone = [step.slot for step in passed if isinstance(step, instructions.Ask) and step.slot not in keep]
        self._memory.forget(gone)
        self._memory.retried |= set(gone)
        frame.at = at

    def asks_at(self, task: str, slot: str) -> int | None:
        """Where a task asks for a slot."""
        code = self._flow.programs[task].code
        return next(
            (i for i, step in enumerate(code) if isinstance(step, instructions.Ask) and step.slot == slot), None
        )

    # ── backends ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _do(self, step: instructions.RunAction) -> Next:
        self._actions += 1
        if self._actions > MAX_ACTIONS:
            return NeedHuman("flow", self._flow.model.handover.failures, "handover.failures")
        self._count += 1
        values = self._memory.values()
        args = {name: templates.fill(a, values) if isinstance(a, str) else a for name, a in step.args.items()}
        token = f"{self._call}-{self._count}"
        self.out.append(Do(step.action, args, token))
        return ForResult(token)

    def look_up(self, lookup: PendingLookup) -> Waiting | None:
        """Ask a backend which of the candidates exist; None when this turn has had too many actions already."""
        where = self._flow.slots[lookup.slot].lookup
        self._actions += 1
        if where is None or where.do is None or self._actions > MAX_ACTIONS:
            return None
        self._count += 1
        token = f"{self._call}-{self._count}"
        values = ",".join(c.value for c in lookup.candidates)
        self.out.append(Do(where.do, {where.argument: values}, token))
        return ForResult(token, lookup)

    def result(self, result: Result) -> ActionFailure | None:
        """Take a backend's answer and set where to go on. Returns what went wrong, None when all is well."""
        frame = self._memory.frames[-1]
        step = self._flow.programs[frame.task].code[frame.at]
        if not isinstance(step, instructions.RunAction):
            raise TypeError("no action is under way")
        kind = "" if result.ok else (result.error or "bad-answer")
        if result.ok:
            try:
                self._memory.save(result.data, step.save)
            except BadAnswer:
                kind = "bad-answer"
        if not kind:
            frame.at += 1
            return None
        general = "status" if kind.startswith("status") else kind
        to = next((step.on[k] for k in (kind, general, "error") if k in step.on), None)
        if to is not None:
            frame.at = to
        return ActionFailure(kind, handled=to is not None)
