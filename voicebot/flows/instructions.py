"""A task's nested steps as a flat list of instructions, so that a place in the dialog is one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voicebot.flows import conditions
from voicebot.flows.schema import Step, Task
from voicebot.nlu.specs import StepListenOptions


@dataclass(frozen=True, slots=True)
class Ask:
    slot: str
    unknown: int | None
    """Where to go on when the caller does not have it."""
    listen: StepListenOptions | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    text: str
    name: str
    barge_in: bool = True


@dataclass(frozen=True, slots=True)
class RunAction:
    action: str
    args: dict[str, Any]
    save: dict[str, str]
    on: dict[str, int]


@dataclass(frozen=True, slots=True)
class Branch:
    condition: conditions.Node
    otherwise: int


@dataclass(frozen=True, slots=True)
class Jump:
    to: int


@dataclass(frozen=True, slots=True)
class Check:
    """Ask whether all is right."""

    text: str
    change: tuple[str, ...]
    no: int | None
    name: str
    listen: StepListenOptions | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    slot: str
    to: int


@dataclass(frozen=True, slots=True)
class Use:
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Go:
    task: str


@dataclass(frozen=True, slots=True)
class Done:
    outcome: str


@dataclass(frozen=True, slots=True)
class Human:
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Stop:
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Return:
    """The task is over."""


Instruction = Ask | Tell | RunAction | Branch | Jump | Check | Retry | Use | Go | Done | Human | Stop | Return


@dataclass(frozen=True, slots=True)
class Program:
    about: str
    code: tuple[Instruction, ...]
    slots: tuple[str, ...]
    """The slots that the task asks for, in order."""


def compile_task(name: str, task: Task) -> Program:
    """Flatten a task that was linted."""
    return _Compiler(f"tasks.{name}.steps").run(task)


class _Compiler:
    def __init__(self, root: str) -> None:
        self._root = root
        self._code: list[Instruction | None] = []
        self._asked: dict[str, int] = {}

    def run(self, task: Task) -> Program:
        self._block(task.steps, self._root)
        self._code.append(Return())
        code = tuple(
            Retry(item.slot, self._asked[item.slot]) if isinstance(item, Retry) else item
            for item in self._code
            if item is not None
        )
        return Program(task.about, code, tuple(self._asked))

    def _block(self, steps: list[Step], where: str) -> None:
        for i, step in enumerate(steps):
            self._step(step, f"{where}.{i}")

    def _hole(self) -> int:
        self._code.append(None)
        return len(self._code) - 1

    def _asides(self, blocks: dict[str, tuple[list[Step], str]]) -> dict[str, int]:
        """Blocks entered from the instruction in front of them; each goes on after all of them."""
        if not blocks:
            return {}
        over, begins, ends = self._hole(), {}, []
        for key, (steps, where) in blocks.items():
            begins[key] = len(self._code)
            self._block(steps, where)
            ends.append(self._hole())
        for hole in [over, *ends]:
            self._code[hole] = Jump(len(self._code))
        return begins

    def _step(self, step: Step, where: str) -> None:
        verb = step.verb
        if verb in ("ask", "do", "confirm"):
            self._with_asides(step, where)
        elif verb == "when":
            self._branch(step, where)
        else:
            self._code.append(_plain(step, f"{where}.{verb}"))

    def _with_asides(self, step: Step, where: str) -> None:
        at = self._hole()
        if step.ask is not None:
            self._asked.setdefault(step.ask, at)
            begin = self._asides({"": (step.unknown, f"{where}.unknown")} if step.unknown else {})
            self._code[at] = Ask(step.ask, begin.get(""), step.listen)
        elif step.do is not None:
            begin = self._asides({kind: (steps, f"{where}.on.{kind}") for kind, steps in step.on.items()})
            self._code[at] = RunAction(step.do, dict(step.args), dict(step.save), begin)
        else:
            begin = self._asides({"": (step.no, f"{where}.no")} if step.no else {})
            name = f"{where}.confirm"
            self._code[at] = Check(step.confirm or "", tuple(step.change), begin.get(""), name, step.listen)

    def _branch(self, step: Step, where: str) -> None:
        at = self._hole()
        self._block(step.then or [], f"{where}.then")
        over = self._hole()
        self._code[at] = Branch(conditions.parse(step.when or ""), len(self._code))
        self._block(step.otherwise or [], f"{where}.else")
        self._code[over] = Jump(len(self._code))


def _plain(step: Step, name: str) -> Instruction:
    if step.say is not None:
        return Tell(step.say, name, step.listen is None or step.listen.barge_in)
    if step.retry is not None:
        return Retry(step.retry, -1)
    if step.use:
        return Use(dict(step.use))
    if step.go is not None:
        return Go(step.go)
    if step.done is not None:
        return Done(step.done)
    if step.handover is not None:
        return Human(step.handover, name)
    return Stop(step.end or "", name)
