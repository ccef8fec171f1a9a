"""What is wrong in a YAML file, in words for the person who writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a YAML file."""

    file: str
    line: int
    """1-based; 0 when the file as a whole is meant."""
    message: str
    remedy: str = ""
    warning: bool = False
    """It can be used like this, but is probably not meant so."""

    def __str__(self) -> str:
        tail = f" — {self.remedy}" if self.remedy else ""
        return f"{self.file}:{self.line}: {'warning: ' if self.warning else ''}{self.message}{tail}"


class SourceError(Exception):
    """A YAML file that cannot be used, refused as a whole with everything wrong in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems
