"""What the schema cannot see: names that lead nowhere, ladders without steps, texts that name what does not exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from telephony.yamlfile import Lines, Path_, line_of
from voicebot.errors import Problem
from voicebot.flows import conditions, templates
from voicebot.flows.schema import FlowFile, Step
from voicebot.flows.value_lists import ListError, existing
from voicebot.messages import CALL_VARIABLES
from voicebot.nlu.slots.limits import LimitError, day_limit, time_limit
from voicebot.nlu.specs import ListenOptions, Slot, StepListenOptions
from voicebot.tts import markup

MIN_EXAMPLES = 8
MIN_LADDER = 2
CALLER = frozenset(CALL_VARIABLES)
_MACHINE = re.compile(
    r"\b(automat\w+|virtual|machine|assistant|a\.?i\.?|artificial|bot|voicebot|computer|digital)\b", re.I
)
_KIND = re.compile(r"(timeout|refused|unreachable|bad-answer|status|status-[1-5][0-9][0-9]|error)\Z")
_FIELD_PATH = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z")
_ONLY = {
    "lengths": ("digits", "alnum"), "pattern": ("digits", "alnum"), "check": ("digits",), "choices": ("choice",),
    "names": ("name",), "lookup": ("digits", "alnum", "phone", "email"),
    "earliest": ("date", "time", "datetime"),
    "latest": ("date", "time", "datetime"), "minimum": ("amount", "number"), "maximum": ("amount", "number"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """Names that are in the file, also where their entry itself was refused."""

    intents: Collection[str]
    slots: Collection[str]
    tasks: Collection[str]


def lint(flow: FlowFile, known: Known, lines: Lines, file: str) -> list[Problem]:
    """Everything wrong with a flow whose shape is right."""
    return _Linter(flow, known, lines, file).run()


class _Linter:
    def __init__(self, flow: FlowFile, known: Known, lines: Lines, file: str) -> None:
        self._flow, self._known, self._lines, self._file = flow, known, lines, file
        self._problems: list[Problem] = []
        self._variables: set[str] = set()

    def run(self) -> list[Problem]:
        self._variables = {name for _, step in self._steps() for name in step.save}
        self._intents()
        for name, slot in self._flow.slots.items():
            self._slot(name, slot)
        for path, step in self._steps():
            self._step(path, step)
        self._tasks()
        self._texts()
        return self._problems

    def _add(self, path: Path_, message: str, remedy: str = "") -> None:
        self._problems.append(Problem(self._file, line_of(self._lines, path), message, remedy))

    def _steps(self) -> Iterator[tuple[Path_, Step]]:
        for name, task in self._flow.tasks.items():
            yield from _walk(("tasks", name, "steps"), task.steps)

    def _intents(self) -> None:
        seen: dict[str, str] = {}
        for name, intent in self._flow.intents.items():
            path: Path_ = ("intents", name)
            if intent.task is not None and intent.task not in self._known.tasks:
                self._add((*path, "task"), f"unknown task {intent.task!r}", _did_you_mean(self._known.tasks))
            if intent.task is not None and len(set(intent.examples)) < MIN_EXAMPLES:
                self._add((*path, "examples"), f"{name}: too few examples ({len(set(intent.examples))})",
                          f"write at least {MIN_EXAMPLES}, in callers' own words")  # fmt: skip
            for i, example in enumerate(intent.examples):
                words = example.lower().strip(" .?!")
                other = seen.setdefault(words, name)
                if other != name:
                    self._add(
                        (*path, "examples", i), f"{example!r} is an example of {other!r} too", "keep one of the two"
                    )

    def _slot(self, name: str, slot: Slot) -> None:
        path: Path_ = ("slots", name)
        for key, types in _ONLY.items():
            if getattr(slot, key) and slot.type not in types:
                self._add((*path, key), f"{name}: {key!r} does not belong to a slot of type {slot.type}", "remove it")
        if slot.type == "choice" and not slot.choices:
            self._add(path, f"{name}: a choice without choices", "add `choices`")
        self._hints(path, name, slot)
        self._listening((*path, "listen"), name, slot.listen, slot)
        if slot.sure is not None and slot.kind == "free":
            self._add((*path, "sure"), f"{name}: how surely a {slot.type} was heard is not known",
                      "remove it, or use `confirm`")  # fmt: skip
        if slot.sure is not None and (slot.secret or slot.confirm != "auto"):
            self._add((*path, "sure"), f"{name}: this slot is {'never' if slot.confirm != 'always' else 'always'} read"
                      " back", "remove `sure`, or use `confirm: auto`")  # fmt: skip
        if slot.secret and slot.confirm == "always":
            self._add((*path, "confirm"), f"{name}: a secret must not be read back", "use `confirm: never`")
        self._ladder((*path, "reprompts"), name, [*slot.reprompts], slot.prompt)
        self._ladder((*path, "no_input"), name, [*slot.no_input], slot.prompt)
        self._limits(path, slot)
        self._template((*path, "prompt"), slot.prompt)
        if slot.confirm_prompt:
            self._template((*path, "confirm_prompt"), slot.confirm_prompt, extra={"value"})
            if "value" not in {f.name for f in _fields(slot.confirm_prompt)}:
                self._add((*path, "confirm_prompt"), f"{name}: does not read back the value", "put {value} into it")
        if not any(step.ask == name for _, step in self._steps()):
            self._add(path, f"slot {name!r} is never asked for", "ask for it in a task or remove it")
        if any(name in place for place in (self._variables, CALLER, self._flow.from_call, ("value",))):
            self._add(path, f"{name!r} is the name of a variable too", "give one of them another name")

    def _listening(self, path: Path_, name: str, listen: ListenOptions, slot: Slot | None = None) -> None:
        if listen.end_silence_s and listen.no_input_s and listen.end_silence_s >= listen.no_input_s:
            self._add((*path, "end_silence_s"), f"{name}: an answer must end before it counts as none",
                      "make end_silence_s shorter than no_input_s")  # fmt: skip
        if listen.end_silence_s and slot is not None and slot.type == "yesno":
            self._add((*path, "end_silence_s"), f"{name}: yes and no are answered at once", "remove it")

    def _step_listening(self, path: Path_, verb: str, listen: StepListenOptions, slot: Slot | None) -> None:
        given = listen.model_dump(exclude_unset=True)
        if verb == "say":
            for key in sorted(given.keys() - {"barge_in"}):
                self._add((*path, key), f"nothing is asked here that {key!r} could be of use to",
                          "move it to the `ask` or `confirm`")  # fmt: skip
        if not given:
            self._add(path, "`listen` says nothing", "give end_silence_s, no_input_s, barge_in or boost, or remove it")
        both = (slot.listen.model_dump(exclude_unset=True) if slot is not None else {}) | given
        self._listening(path, verb, StepListenOptions(**both), slot)

    def _hints(self, path: Path_, name: str, slot: Slot) -> None:
        if slot.pattern and slot.lengths:
            self._add((*path, "lengths"), f"{name}: the pattern says how long it is", "remove `lengths`")
        if slot.type == "digits" and any(set(pattern) - set("0123456789") for pattern in slot.pattern):
            self._add((*path, "pattern"), f"{name}: digits have no letters", "use 9 for any digit, or `type: alnum`")
        if len({" ".join(person.lower().split()) for person in slot.names}) < len(slot.names):
            self._add((*path, "names"), f"{name}: a name is listed twice", "keep one of them")
        if slot.lookup is None:
            return
        if slot.secret:
            self._add((*path, "lookup"), f"{name}: a secret must not be looked up", "let an action check it")
        try:
            existing(slot, Path(self._file).parent)
        except ListError as error:
            self._add((*path, "lookup", "file"), str(error), "give a CSV file in UTF-8 with a line of column names")

    def _limits(self, path: Path_, slot: Slot) -> None:
        for key in ("earliest", "latest"):
            value = getattr(slot, key)
            try:
                if value and slot.type in ("date", "datetime"):
                    day_limit(value, None)
                elif value and slot.type == "time":
                    time_limit(value)
            except LimitError as error:
                self._add((*path, key), str(error), "write today, +3 days, 2026-01-31, or 09:00 for a time")

    def _ladder(self, path: Path_, name: str, ladder: list[str], first: str) -> None:
        key = path[-1]
        if len(ladder) < MIN_LADDER:
            self._add(
                path, f"{name}: {key} has {len(ladder)} texts", f"write at least {MIN_LADDER}, each in other words"
            )
        heard = [_bare(text) for text in [first, *ladder]]
        for i, text in enumerate(heard[1:]):
            if text in heard[: i + 1]:
                self._add(
                    (*path, i),
                    f"{name}: {key} says the same words again",
                    "a caller who was not understood needs others",
                )
        for i, text in enumerate(ladder):
            self._template((*path, i), text)

    def _step(self, path: Path_, step: Step) -> None:
        task = str(path[1])
        asked = {s.ask for _, s in _walk((), self._flow.tasks[task].steps) if s.ask}
        if step.ask is not None and step.ask not in self._known.slots:
            self._add((*path, "ask"), f"unknown slot {step.ask!r}", _did_you_mean(self._known.slots))
        if step.retry is not None and step.retry not in asked:
            self._add((*path, "retry"), f"slot {step.retry!r} is not asked for in this task", _did_you_mean(asked))
        if step.go is not None and step.go not in self._known.tasks:
            self._add((*path, "go"), f"unknown task {step.go!r}", _did_you_mean(self._known.tasks))
        for i, name in enumerate(step.change):
            if name not in asked:
                self._add((*path, "change", i), f"slot {name!r} is not asked for in this task", _did_you_mean(asked))
        for key in ("say", "confirm", "handover", "end", "done"):
            if getattr(step, key) is not None:
                self._template((*path, key), getattr(step, key))
        if step.listen is not None:
            asked_slot = self._flow.slots.get(step.ask or "")
            self._step_listening((*path, "listen"), step.verb, step.listen, asked_slot)
        if step.when is not None:
            self._condition((*path, "when"), step.when)
        self._data(path, step)

    def _data(self, path: Path_, step: Step) -> None:
        for name, value in step.args.items():
            if isinstance(value, str):
                self._template((*path, "with", name), value, spoken=False)
        for name, field in step.save.items():
            if not _FIELD_PATH.match(field):
                self._add(
                    (*path, "save", name), f"{field!r} is not a field of an answer", "write name, or items.0.name"
                )
        for kind in step.on:
            if not _KIND.match(kind):
                remedy = "use timeout, refused, unreachable, bad-answer, status-404 …, or error for any other"
                self._add((*path, "on", kind), f"unknown kind of error {kind!r}", remedy)
        for slot, text in step.use.items():
            if slot not in self._known.slots:
                self._add((*path, "use", slot), f"unknown slot {slot!r}", _did_you_mean(self._known.slots))
            self._template((*path, "use", slot), text, spoken=False)

    def _tasks(self) -> None:
        reached = {i.task for i in self._flow.intents.values()} | {step.go for _, step in self._steps()}
        for name, task in self._flow.tasks.items():
            if name not in reached:
                self._add(("tasks", name), f"task {name!r} is never reached", "give it an intent, or `go` to it")
            if not any(s.done or s.go or s.handover or s.end for _, s in _walk((), task.steps)):
                self._add(("tasks", name), f"task {name!r} never says what came of it", "end it with `done`")

    def _texts(self) -> None:
        flow = self._flow
        if not _MACHINE.search(flow.disclosure):
            self._add(("disclosure",), "the disclosure does not say that a machine is speaking",
                      'for example "You are speaking with our automated assistant."')  # fmt: skip
        self._listening(("listen",), "opening", flow.listen)
        self._listening(("after", "listen"), "after", flow.after.listen)
        self._ladder(("fallbacks", "no_match"), "fallbacks", flow.fallbacks.no_match, flow.opening)
        self._ladder(("fallbacks", "no_input"), "fallbacks", flow.fallbacks.no_input, flow.opening)
        for key in ("disclosure", "opening", "help"):
            self._template((key,), getattr(flow, key), plain=True)
        for part in ("after", "handover"):
            for key, text in getattr(flow, part):
                if key not in ("target", "listen"):
                    self._template((part, key), text, plain=True)

    def _template(
        self, path: Path_, text: str, *, spoken: bool = True, plain: bool = False, extra: Collection[str] = ()
    ) -> None:
        try:
            fields = templates.fields(text)
        except templates.TemplateError as error:
            self._add(path, str(error), "a text can only name slots and saved variables")
            return
        if spoken:
            try:
                markup.parse(text)
            except markup.MarkupError as error:
                remedy = "write [pause 400ms], [spell: AB12], [slow] … [/slow] or [lang es] … [/lang]"
                self._add(path, str(error), remedy)
        for field in fields:
            self._name(path, field.name, extra)
            if plain and field.name not in CALLER and field.name not in self._flow.from_call:
                self._add(path, f"{{{field.name}}} is not known yet when this is said", "remove it")
            slot = self._flow.slots.get(field.name)
            if spoken and slot is not None and slot.secret:
                self._add(path, f"{{{field.name}}} is secret and must not be spoken", "remove it from the text")

    def _condition(self, path: Path_, text: str) -> None:
        try:
            node = conditions.parse(text)
        except conditions.ConditionError as error:
            self._add(path, f"{text!r}: {error}", 'write for example: state == "shipped" and not late')
            return
        for name in sorted(conditions.names(node)):
            self._name(path, name)

    def _name(self, path: Path_, name: str, extra: Collection[str] = ()) -> None:
        if not any(
            name in place for place in (self._known.slots, self._variables, CALLER, self._flow.from_call, extra)
        ):
            known = {*self._known.slots, *self._variables, *CALLER, *self._flow.from_call}
            self._add(path, f"unknown slot or variable {name!r}", _did_you_mean(known))


def _walk(path: Path_, steps: list[Step]) -> Iterator[tuple[Path_, Step]]:
    for i, step in enumerate(steps):
        here = (*path, i)
        yield here, step
        for key, block in (("unknown", step.unknown), ("then", step.then), ("else", step.otherwise), ("no", step.no)):
            yield from _walk((*here, key), block or [])
        for kind, block in step.on.items():
            yield from _walk((*here, "on", kind), block)


def _fields(text: str) -> list[templates.Field]:
    try:
        return templates.fields(text)
    except templates.TemplateError:
        return []


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9{}]+", text.lower()))


def _did_you_mean(names: Collection[str]) -> str:
    return f"known here: {', '.join(sorted(names))}" if names else ""
