"""The ordered rules: which one takes a call, and why the others did not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates

from telephony import yamlfile
from telephony.yaml_problems import Problem, SourceError

from .call_facts import CallFacts
from .conditions import CallMatcher, CompiledRoute
from .identity import Variables, identify, variables
from .model import Route, RoutesFile, RouteTarget
from .opening_hours import Hours, make_hours
from .phone_numbers import NumberTest, normalise

ELSE = "else"


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What came of one rule for one call."""

    rule: str
    line: int
    matched: bool
    words: str
    """Why: the first condition that does not hold, or all that do."""

    def __str__(self) -> str:
        return f"{'✓' if self.matched else '·'} {self.rule} (line {self.line}): {self.words}"


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Where a call goes."""

    rule: str
    """Name of the rule, ``else`` when none matched."""
    target: RouteTarget
    variables: Variables
    """What the dialog sees."""
    why: tuple[RuleOutcome, ...]
    """Of each rule that was tried, in order."""


class Router:
    """The rules of one file. Immutable: a reload makes another one.

    Args:
        model: the file's content.
        file: its name, for messages.
        lines: of its values.
        certificates: see `verstat.verify`.

    Raises:
        SourceError: numbers that cannot be read, hours or calendars that are not defined.
    """

    def __init__(
        self,
        model: RoutesFile,
        file: str = "routes",
        lines: yamlfile.Lines | None = None,
        certificates: Sequence[Certificate] = (),
    ) -> None:
        self.model = model
        self.file = file
        self.lines = lines or {}
        self.certificates = certificates
        problems: list[Problem] = []
        self.rules = [self._rule(index, route, problems) for index, route in enumerate(model.routes)]
        self.hours = self._hours(problems)
        if problems:
            raise SourceError(sorted(problems, key=lambda problem: problem.line))

    @classmethod
    def load(cls, path: Path) -> Router:
        """Read a file. Raises SourceError."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError([Problem(str(path), 0, f"cannot be read: {error}")]) from None
        return cls.parse(text, str(path), path.parent)

    @classmethod
    def parse(cls, text: str, file: str = "routes", folder: Path = Path()) -> Router:
        """Read the rules from a text. Raises SourceError.

        Args:
            text: YAML.
            file: its name in messages.
            folder: what paths in it are relative to.
        """
        data, lines = yamlfile.parse(text, file)
        model = yamlfile.build(RoutesFile, data, lines, file)
        certificates: list[Certificate] = []
        if model.certificates is not None:
            try:
                certificates = load_pem_x509_certificates((folder / model.certificates).read_bytes())
            except (OSError, ValueError) as error:
                words = error.strerror if isinstance(error, OSError) else "no PEM certificate in it"
                line = yamlfile.line_of(lines, ("certificates",))
                message = f"certificates: {model.certificates}: {words}"
                raise SourceError([Problem(file, line, message, "correct the path, or remove it")]) from None
        return cls(model, file, lines, certificates)

    @classmethod
    def always(cls, flow: str) -> Router:
        """Every call goes to one dialog."""
        return cls(RoutesFile.model_validate({"else": {"flow": flow}}))

    def line(self, *path: str | int) -> int:
        """Where a value stands in the file."""
        return yamlfile.line_of(self.lines, path)

    def decide(self, call: CallFacts, now: datetime) -> RouteDecision:
        """Find the rule for a call.

        Args:
            call: what is known of it.
            now: with time zone.
        """
        country = self.model.countries.get(call.trunk, self.model.country)
        called = normalise(call.to, country)
        identity = identify(call, country, now.timestamp(), self.certificates)
        seen = CallMatcher(call, called, identity, now, self.hours)
        why: list[RuleOutcome] = []
        for rule in self.rules:
            failed, held = seen.test(rule)
            why.append(RuleOutcome(rule.route.name, rule.line, not failed, failed or "; ".join(held) or "no condition"))
            if not failed:
                return self._decision(rule.route.name, rule.route, seen, why)
        words = "no rule matched" if self.rules else "there are no rules"
        why.append(RuleOutcome(ELSE, self.line("else"), True, words))
        return self._decision(ELSE, self.model.else_, seen, why)

    def _decision(self, name: str, target: RouteTarget, seen: CallMatcher, why: list[RuleOutcome]) -> RouteDecision:
        mapping = {**self.model.variables, **target.variables}
        values = variables(seen.call, seen.identity, seen.called, mapping)
        return RouteDecision(name, target, {**values, **target.set_}, tuple(why))

    def _rule(self, index: int, route: Route, problems: list[Problem]) -> CompiledRoute:
        return CompiledRoute(
            route,
            self.line("routes", index),
            self._tests(route.when.to, ("routes", index, "when", "to"), problems),
            self._tests(route.when.from_, ("routes", index, "when", "from"), problems),
        )

    def _tests(
        self, texts: Collection[str], path: tuple[str | int, ...], problems: list[Problem]
    ) -> tuple[NumberTest, ...]:
        found = []
        for index, text in enumerate(texts):
            try:
                found.append(NumberTest.parse(text, self.model.country))
            except ValueError as error:
                problems.append(Problem(self.file, self.line(*path, index), f"{path[-1]}: {error}"))
        return tuple(found)

    def _hours(self, problems: list[Problem]) -> dict[str, Hours]:
        model, found = self.model, {}
        for name, entry in model.hours.items():
            for calendar in entry.special:
                if calendar not in model.calendars:
                    line = self.line("hours", name, "special", calendar)
                    problems.append(_unknown(self.file, line, "calendar", calendar, model.calendars))
            found[name] = make_hours(entry.zone or model.zone, entry.open, entry.special, model.calendars)
        for index, route in enumerate(model.routes):
            for key in ("during", "outside"):
                for name in getattr(route.when, key):
                    if name not in found:
                        line = self.line("routes", index, "when", key)
                        problems.append(_unknown(self.file, line, "hours", name, found))
        return found


def _unknown(file: str, line: int, what: str, name: str, known: Collection[str]) -> Problem:
    return Problem(file, line, f"{what} {name!r} are not defined", f"defined are: {', '.join(known) or 'none'}")
