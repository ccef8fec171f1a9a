"""Passwords in trunk files: written out, or taken from the environment or a file, and never shown again."""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path
from typing import Any

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_BYTES = 4096
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def wrong(message: str, remedy: str = "") -> PydanticCustomError:
    """A complaint about one value, for `yamlfile.build` to turn into a line; the value itself is not repeated."""
    return PydanticCustomError("trunk", "{message}", {"message": message, "remedy": remedy})


class Secret:
    """A password. Equal secrets compare equal; neither `repr` nor `str` nor a validation error shows it.

    In YAML: the text itself, ``${NAME}`` for an environment variable, or ``file:PATH`` for the first line of a file
    (relative to the YAML file's folder).
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The password itself, for a digest and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._read)

    @classmethod
    def _read(cls, value: Any, info: core_schema.ValidationInfo) -> Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str) or isinstance(value, bool):
            raise wrong("a password must be text", "put it in quotes, so that 0815 and 1e3 stay as they are")
        folder = (info.context or {}).get("folder", Path())
        text = _looked_up(value, folder)
        if not text or any(ord(ch) < 32 for ch in text):
            raise wrong("the password is empty or has control characters", "write it out, or name where it is")
        return cls(text)


def _looked_up(value: str, folder: Path) -> str:
    variable = _VARIABLE.fullmatch(value)
    if variable is not None:
        found = os.environ.get(variable[1])
        if found is None:
            raise wrong(f"environment variable {variable[1]} is not set", f"set {variable[1]} for the server's process")
        return found
    if value.startswith("file:"):
        path = folder / value.removeprefix("file:")
        try:
            with path.open(encoding="utf-8") as file:
                return file.read(MAX_BYTES).partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise wrong(f"{path} cannot be read: {reason}", "make it readable for the server's user") from None
    return value
