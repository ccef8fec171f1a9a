"""YAML read safely, with the line of every value, into a typed model that is refused as a whole when wrong.

Plain YAML 1.2 core scalars only: `yes`, `no`, `on`, `10:30` and `2024-01-02` stay text, as designers expect. Tags,
anchors that expand without end and duplicate keys are errors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from telephony.yaml_problems import Problem, SourceError

MAX_BYTES = 2_000_000
MAX_DEPTH = 40
FEW_KEYS = 16
"""So many keys of a file are listed to whoever wrote one that there is not."""
Path_ = tuple[str | int, ...]
Lines = dict[Path_, int]
"""Path of keys and indexes from the root → 1-based line of that value."""

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """Base of all sections of our YAML files: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None,
}  # fmt: skip


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style is not None:  # quoted or block: always text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text) and (text.lstrip("+-") == "0" or not text.lstrip("+-").startswith("0")):
        return int(text)
    if _FLOAT.match(text) and "." in text:
        return float(text)
    return text


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: Lines = {}
        self.problems: list[Problem] = []

    def _add(self, node: yaml.Node, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, message, remedy))

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > MAX_DEPTH:
            self._add(node, "nested too deeply", f"at most {MAX_DEPTH} levels")
            return None
        if node.tag and not node.tag.startswith("tag:yaml.org,2002:"):
            self._add(node, f"tag {node.tag} is not allowed", "remove it: flows hold plain values only")
            return None
        if node.tag.startswith("tag:yaml.org,2002:python"):
            self._add(node, "Python tags are not allowed", "remove the tag: flows hold plain values only")
            return None
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(key_node, "a key must be plain text")
                continue
            key = key_node.value
            if key in out:
                self._add(key_node, f"{key!r} is given twice", "keep one of the two")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            out[key] = self.value(value_node, (*path, key))
        return out


def parse(text: str, file: str) -> tuple[Any, Lines]:
    """Read one YAML document.

    Args:
        text: the document.
        file: its name, for messages.

    Returns:
        Plain Python data and the line of each value.

    Raises:
        SourceError: not YAML, or something in it that is not allowed.
    """
    if len(text.encode()) > MAX_BYTES:
        raise SourceError([Problem(file, 0, "file is larger than 2 MB", "split it")])
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise SourceError([Problem(file, line, "aliases are not allowed", "write the value out")])
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        words = " ".join(filter(None, (error.context, error.problem))) or "not YAML"
        line = where.line + 1 if where else 0
        raise SourceError([Problem(file, line, words, "check quotes, colons and indentation here")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError([Problem(file, 0, f"not YAML: {error}")]) from None
    if node is None:
        raise SourceError([Problem(file, 0, "file is empty")])
    reader = _Reader(file)
    try:
        data = reader.value(node, ())
    except RecursionError:
        raise SourceError([Problem(file, 0, "nested too deeply")]) from None
    if reader.problems:
        raise SourceError(reader.problems)
    return data, reader.lines


def line_of(lines: Lines, path: Path_) -> int:
    """The line of a path, or of its nearest parent that is in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def build(model: type[Model], data: Any, lines: Lines, file: str, context: Any = None) -> Model:
    """Check data against a pydantic model, turning each complaint into a line and words.

    `context` goes to the model's validators. One that raises PydanticCustomError may give a ``remedy`` in its context;
    the value it complains about is then not shown, so it may be a password.

    Raises:
        SourceError: with every problem found.
    """
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        raise SourceError([_problem(e, lines, file, tuple(model.model_fields)) for e in error.errors()]) from None


def _problem(error: Any, lines: Lines, file: str, known: tuple[str, ...]) -> Problem:
    path: Path_ = tuple(error["loc"])
    name = ".".join(str(p) for p in path)
    kind, message = error["type"], error["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        listed = len(path) == 1 and len(known) <= FEW_KEYS
        remedy = f"take one of {', '.join(known)}" if listed else "check its spelling or remove it"
        return Problem(file, line_of(lines, path), f"{name}: unknown key", remedy)
    if kind == "missing":
        return Problem(file, line_of(lines, path[:-1]), f"{name}: is missing", f"add {path[-1]!r}")
    remedy = error.get("ctx", {}).get("remedy")
    if remedy is not None:
        return Problem(file, line_of(lines, path), f"{name}: {message}", remedy)
    shown = error.get("input")
    tail = f" (here: {shown!r})" if isinstance(shown, (str, int, float, bool)) else ""
    return Problem(file, line_of(lines, path), f"{name}: {message}{tail}")


def load(path: Path, model: type[Model]) -> Model:
    """Read and check one file. Raises SourceError, also when it cannot be opened."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError([Problem(str(path), 0, f"cannot be read: {error}")]) from None
    data, lines = parse(text, str(path))
    return build(model, data, lines, str(path))
