"""What the doctor says: findings with their remedy, for people and for machines."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from telephony.yaml_problems import Problem

Level = Literal["ok", "warning", "problem"]
_SIGNS: dict[Level, str] = {"ok": "✓", "warning": "!", "problem": "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    """Short: ``dns``, ``tls``, ``port 5060``, or ``file:line``."""
    words: str
    remedy: str = ""
    seconds: float | None = None
    """How long the step took, when it is one that takes time."""

    def __str__(self) -> str:
        took = "" if self.seconds is None else f" ({self.seconds * 1000:.0f} ms)"
        lines = self.words.split("\n")
        text = f"{_SIGNS[self.level]} {self.subject}: {lines[0]}{took}"
        rest = [f"    {line}" for line in lines[1:]]
        return "\n".join([text, *rest, *([f"    → {self.remedy}"] if self.remedy else [])])


def of_problem(problem: Problem) -> Finding:
    """A complaint about a file."""
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return Finding("warning" if problem.warning else "problem", where, problem.message, problem.remedy)


def sound(findings: Iterable[Finding]) -> bool:
    """Whether nothing is wrong; warnings do not count."""
    return all(finding.level != "problem" for finding in findings)


def to_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Plain data for `json.dumps`."""
    return [
        {"level": f.level, "subject": f.subject, "words": f.words, "remedy": f.remedy, "seconds": f.seconds}
        for f in findings
    ]


class Stopwatch:
    """Measures a step: ``with``-less, because every step ends in a finding."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def finding(self, level: Level, subject: str, words: str, remedy: str = "") -> Finding:
        """What came of the step that began when this was made."""
        return Finding(level, subject, words, remedy, time.perf_counter() - self._began)
