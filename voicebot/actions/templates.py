"""``{arg}`` in URLs and bodies, ``${NAME}`` from the environment. Templates name arguments and nothing else: no
attributes, indexes, conversions or formats, so a template can reach only what the flow passes."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from voicebot.actions.failure import TryFailed

MAX_VALUE_CHARS = 2000
Scalar = str | int | float | bool | None

_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Fill in ``${NAME}`` and ``${NAME:-default}``.

    Raises:
        ValueError: a variable that is neither set nor has a default.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = environment.get(name) or default
        if found is None:
            raise ValueError(f"environment variable {name} is not set")
        return found

    return _ENVIRONMENT.sub(value, text)


@dataclass(frozen=True, slots=True)
class ArgumentTemplate:
    """Text with places for arguments: pairs of literal text and the argument after it (None at the end)."""

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> ArgumentTemplate:
        """Read a template; ``{{`` and ``}}`` stand for braces. Raises ValueError with what is wrong."""
        parts: list[tuple[str, str | None]] = []
        try:
            for literal, name, form, conversion in string.Formatter().parse(text):
                if name is not None and (form or conversion or not _IDENTIFIER.match(name)):
                    raise ValueError(f"{{{name}}} must be the plain name of an argument")
                parts.append((literal, name))
        except ValueError as error:
            raise ValueError(f"template {text!r}: {error}") from None
        return cls(tuple(parts))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self.parts if name is not None)

    @property
    def only(self) -> str | None:
        """The argument's name when the template is nothing but that argument."""
        return self.parts[0][1] if len(self.parts) == 1 and not self.parts[0][0] else None

    def fill(self, args: Mapping[str, Scalar], encode: Callable[[str], str] = str) -> str:
        """The text with every argument put in, each through `encode`."""
        return "".join(lit + ("" if name is None else encode(as_text(args[name]))) for lit, name in self.parts)


def as_text(value: Scalar) -> str:
    """An argument as backends expect it in text: ``true``, ``12``, ``2026-11-24``; null is empty."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def checked(args: Mapping[str, Any], names: frozenset[str]) -> dict[str, Scalar]:
    """The arguments of one action, each a bounded scalar.

    Raises:
        TryFailed: ``refused``; one missing, one too many, or one that is not plain text or a number.
    """
    if set(args) != names:
        odd = ", ".join(sorted(set(args) ^ names))
        raise TryFailed("refused", f"arguments given and arguments expected differ: {odd}")
    for name, value in args.items():
        if not isinstance(value, (str, int, float, bool, type(None))):
            raise TryFailed("refused", f"argument {name} is a {type(value).__name__}, not text or a number")
        text = str(value)
        if len(text) > MAX_VALUE_CHARS or _CONTROL.search(text):
            raise TryFailed("refused", f"argument {name} is too long or holds control characters")
        if isinstance(value, float) and not math.isfinite(value):
            raise TryFailed("refused", f"argument {name} is not a number")
    return dict(args)


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """``scheme://host:port`` that never changes, and a path with arguments, each kept inside its own segment."""

    origin: str
    path: ArgumentTemplate

    def fill(self, args: Mapping[str, Scalar]) -> str:
        """The whole URL, percent-encoded.

        Raises:
            TryFailed: ``refused``; an argument is empty or would step to another folder (``..``).
        """
        if any(not as_text(args[name]) for name in self.path.names):
            raise TryFailed("refused", "an argument of the URL is empty")
        target = self.path.fill(args, lambda value: quote(value, safe=""))
        if any(segment in (".", "..") for segment in target.partition("?")[0].split("/")):
            raise TryFailed("refused", "an argument would change the folder of the URL")
        return self.origin + target


def json_names(body: Any) -> frozenset[str]:
    """Arguments named anywhere in a JSON template. Raises ValueError for a bad template."""
    if isinstance(body, str):
        return ArgumentTemplate.parse(body).names
    items = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return frozenset[str]().union(*map(json_names, items))


def fill_json(body: Any, args: Mapping[str, Scalar]) -> Any:
    """A JSON template with the arguments put in; a string that is one argument keeps that argument's type."""
    if isinstance(body, str):
        template = ArgumentTemplate.parse(body)
        return args[template.only] if template.only else template.fill(args)
    if isinstance(body, dict):
        return {key: fill_json(value, args) for key, value in body.items()}
    return [fill_json(value, args) for value in body] if isinstance(body, list) else body
