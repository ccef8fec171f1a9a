"""Conditions of ``when``: names, texts, numbers, comparisons, ``in``, ``and``, ``or``, ``not``, brackets. No calls.

``state == "shipped"``, ``not free``, ``count >= 2 and item``, ``service in ("repair", "advice")``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from voicebot.flows.templates import Value

MAX_DEPTH = 10
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<op>==|!=|<=|>=|<|>|\(|\)|,)|(?P<word>[A-Za-z_][A-Za-z0-9_]*))"""
)
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None, "null": None, "yes": True, "no": False}
_COMPARE = ("==", "!=", "<=", ">=", "<", ">", "in")


class ConditionError(ValueError):
    """A condition that cannot be read."""


@dataclass(frozen=True, slots=True)
class Node:
    kind: str
    """``name``, ``value``, ``list``, ``not``, ``and``, ``or`` or a comparison."""
    value: Value = None
    parts: tuple[Node, ...] = ()


def parse(text: str) -> Node:
    """Read a condition.

    Raises:
        ConditionError: with what was not understood.
    """
    reader = _Reader(_tokens(text))
    node = reader.either(0)
    if reader.here is not None:
        raise ConditionError(f"{reader.here[1]!r} was not expected there")
    return node


def names(node: Node) -> set[str]:
    """The slots and variables that a condition looks at."""
    if node.kind == "name":
        return {str(node.value)}
    return set().union(*(names(part) for part in node.parts)) if node.parts else set()


def holds(node: Node, values: Mapping[str, Value]) -> bool:
    """Whether a condition is true; comparing what cannot be compared is false."""
    return _true(_value(node, values))


def _tokens(text: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"cannot read {text[at:]!r}")
        out.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return out


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def here(self) -> tuple[str, str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *texts: str) -> str | None:
        if self.here is not None and self.here[0] in ("op", "word") and self.here[1] in texts:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def either(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ConditionError("nested too deeply")
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Node("or", parts=tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._inverted(depth)]
        while self._take("and"):
            parts.append(self._inverted(depth))
        return parts[0] if len(parts) == 1 else Node("and", parts=tuple(parts))

    def _inverted(self, depth: int) -> Node:
        turns = 0
        while self._take("not"):
            turns += 1
        node = self._comparison(depth)
        return Node("not", parts=(node,)) if turns % 2 else node

    def _comparison(self, depth: int) -> Node:
        left = self._operand(depth)
        sign = self._take(*_COMPARE)
        return Node(sign, parts=(left, self._operand(depth))) if sign else left

    def _operand(self, depth: int) -> Node:
        if self.here is None:
            raise ConditionError("it ends too early")
        kind, text = self.here
        if self._take("("):
            parts = [self.either(depth + 1)]
            while self._take(","):
                parts.append(self.either(depth + 1))
            if not self._take(")"):
                raise ConditionError("a bracket is not closed")
            return parts[0] if len(parts) == 1 else Node("list", parts=tuple(parts))
        self._at += 1
        if kind == "text":
            return Node("value", text[1:-1])
        if kind == "number":
            return Node("value", float(text))
        if kind == "word" and text.lower() in _CONSTANTS:
            return Node("value", _CONSTANTS[text.lower()])
        if kind == "word" and text not in ("and", "or", "not", "in"):
            return Node("name", text)
        raise ConditionError(f"{text!r} was not expected there")


def _value(node: Node, values: Mapping[str, Value]) -> object:
    match node.kind:
        case "name":
            return values.get(str(node.value))
        case "value":
            return node.value
        case "list":
            return tuple(_value(part, values) for part in node.parts)
        case "not":
            return not _true(_value(node.parts[0], values))
        case "and":
            return all(_true(_value(part, values)) for part in node.parts)
        case "or":
            return any(_true(_value(part, values)) for part in node.parts)
    return _compare(node.kind, _value(node.parts[0], values), _value(node.parts[1], values))


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _same(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return _yesno(left) is _yesno(right) is not None
    if left is None or right is None:
        return left is right
    one, two = _number(left), _number(right)
    return one == two if one is not None and two is not None else str(left) == str(right)


def _yesno(value: object) -> bool | None:
    return (
        {"yes": True, "no": False}.get(value)
        if isinstance(value, str)
        else (value if isinstance(value, bool) else None)
    )


def _true(value: object) -> bool:
    """A yes/no slot holds text, and ``no`` is false."""
    return False if value == "no" else bool(value)


def _compare(sign: str, left: object, right: object) -> bool:
    if sign in ("==", "!="):
        return _same(left, right) is (sign == "==")
    if sign == "in":
        if isinstance(right, str):
            return left is not None and str(left) in right
        return any(_same(left, item) for item in right) if isinstance(right, tuple) else False
    one, two = _number(left), _number(right)
    if one is not None and two is not None:
        return {"<": one < two, ">": one > two, "<=": one <= two, ">=": one >= two}[sign]
    if isinstance(left, str) and isinstance(right, str):  # ISO dates and times sort as text
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[sign]
    return False
