"""A dialog, loaded and checked: refused as a whole, with the line and remedy of everything that is wrong in it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from telephony import yamlfile
from voicebot.errors import Problem, SourceError
from voicebot.flows import templates
from voicebot.flows.instructions import Check, Human, Program, RunAction, Stop, Tell, compile_task
from voicebot.flows.lint import Known, lint
from voicebot.flows.schema import FlowFile
from voicebot.flows.value_lists import existing
from voicebot.flows.vocabulary import vocabulary
from voicebot.nlu.specs import Intent, Slot


class Flow:
    """A dialog that may be run.

    Args:
        model: the file's content, linted.
        folder: where it lies; files that it names are there.
        hash: of its text.

    Raises:
        ListError: a file of existing values cannot be used.
    """

    def __init__(self, model: FlowFile, folder: Path, hash: str = "") -> None:
        self.model = model
        self.name = model.flow
        self.hash = hash
        """SHA-256 of its text: which version of the flow this is."""
        self.intents: dict[str, Intent] = dict(model.intents)
        self.slots: dict[str, Slot] = dict(model.slots)
        self.existing = {name: found for name, s in self.slots.items() if (found := existing(s, folder)) is not None}
        """Slot → its only values, where a file lists them."""
        self.vocabulary = vocabulary(model)
        self.programs: dict[str, Program] = {name: compile_task(name, task) for name, task in model.tasks.items()}

    @classmethod
    def load(cls, path: Path) -> Flow:
        """Read a flow file.

        Raises:
            SourceError: it cannot be read, or anything in it is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError([Problem(str(path), 0, f"cannot be read: {error}")]) from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, file: str = "flow") -> Flow:
        """Read a flow from its text; `file` is its name in messages. Raises SourceError."""
        data, lines = yamlfile.parse(text, file)
        known = Known(_keys(data, "intents"), _keys(data, "slots"), _keys(data, "tasks"))
        problems: list[Problem] = []
        try:
            model: FlowFile | None = yamlfile.build(FlowFile, data, lines, file)
        except SourceError as error:
            problems = list(error.problems)
            model = _sound_part(data)
        if model is not None:
            problems += lint(model, known, lines, file)
        if problems or model is None:
            raise SourceError(sorted(set(problems), key=lambda p: (p.line, p.message)))
        return cls(model, Path(file).parent, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())

    def prompts(self) -> list[tuple[str, str]]:
        """Name and text of every prompt that never changes, for speaking it before the first caller comes."""
        return [(name, text) for name, text in self.texts() if not templates.fields(text)]

    def texts(self) -> list[tuple[str, str]]:
        """Name and text of every prompt, those with ``{fields}`` among them."""
        model = self.model
        found: list[tuple[str, str]] = [
            ("disclosure", model.disclosure), ("opening", model.opening), ("help", model.help),
            ("after.ask", model.after.ask), ("after.go_on", model.after.go_on), ("after.goodbye", model.after.goodbye),
            *_numbered("fallbacks.no_match", model.fallbacks.no_match),
            *_numbered("fallbacks.no_input", model.fallbacks.no_input),
            *((f"handover.{key}", text) for key, text in model.handover if key != "target"),
        ]  # fmt: skip
        for name, slot in self.slots.items():
            found.append((f"slots.{name}.prompt", slot.prompt))
            found += _numbered(f"slots.{name}.reprompts", slot.reprompts)
            found += _numbered(f"slots.{name}.no_input", slot.no_input)
            found += _numbered(f"slots.{name}.invalid", slot.invalid)
            found += [(f"slots.{name}.help", slot.help)] if slot.help else []
        for program in self.programs.values():
            found += [(i.name, i.text) for i in program.code if isinstance(i, (Tell, Check, Human, Stop))]
        return found

    def languages_used(self) -> frozenset[str]:
        """Other languages in which parts of its texts are spoken."""
        return frozenset(re.findall(r"\[lang ([A-Za-z-]+)\]", self.model.model_dump_json()))

    def actions_used(self) -> dict[str, frozenset[str]]:
        """Action → names of the arguments that the flow gives it, over all its uses."""
        used: dict[str, frozenset[str]] = {}
        for program in self.programs.values():
            for step in program.code:
                if isinstance(step, RunAction):
                    used[step.action] = used.get(step.action, frozenset()) | frozenset(step.args)
        for slot in self.slots.values():
            if slot.lookup is not None and slot.lookup.do is not None:
                used[slot.lookup.do] = used.get(slot.lookup.do, frozenset()) | {slot.lookup.argument}
        return used


def _keys(data: Any, part: str) -> list[str]:
    found = data.get(part) if isinstance(data, dict) else None
    return [str(key) for key in found] if isinstance(found, dict) else []


def _numbered(name: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(f"{name}.{i}", text) for i, text in enumerate(texts)]


_STAND_IN: dict[str, Any] = {
    "flow": "flow", "disclosure": "An automated assistant.", "opening": "What can I do for you?", "intents": {},
    "slots": {},
    "tasks": {}, "fallbacks": {"no_match": ["One.", "Two."], "no_input": ["Three.", "Four."]},
    "handover": {"target": "human", "say": "One moment."},
}  # fmt: skip


def _sound_part(data: Any) -> FlowFile | None:
    """The flow without what the schema refused, so that the rest can be linted too; None when too little is left."""
    if not isinstance(data, dict):
        return None
    data = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for _ in range(3):
        try:
            return FlowFile.model_validate(data)
        except ValidationError as error:
            for problem in error.errors():
                _cut(data, problem["loc"])
    return None


def _cut(data: dict[str, Any], where: tuple[str | int, ...]) -> None:
    part = str(where[0]) if where else ""
    entries = data.get(part)
    if part in ("intents", "slots", "tasks") and isinstance(entries, dict) and len(where) > 1:
        entries.pop(str(where[1]), None)
    elif part in _STAND_IN:
        data[part] = _STAND_IN[part]
    else:
        data.pop(part, None)
