"""The conditions of a rule, asked of one call; each answers with words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from .call_facts import CallFacts
from .identity import CallerIdentity
from .model import HeaderTest, Route, When
from .opening_hours import Hours
from .patterns import MAX_SUBJECT_CHARS, compile_pattern
from .phone_numbers import Number, NumberTest

NO_TRUNK = "none"
"""How rules name calls without a trunk."""


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route, ready to be asked."""

    route: Route
    line: int
    to: tuple[NumberTest, ...]
    from_: tuple[NumberTest, ...]


class CallMatcher:
    """A call against which rules are tested."""

    def __init__(
        self, call: CallFacts, called: Number, identity: CallerIdentity, now: datetime, hours: Mapping[str, Hours]
    ) -> None:
        self.call = call
        self.called = called
        self.identity = identity
        self._now = now
        self._hours = hours
        self._open: dict[str, tuple[bool, str]] = {}

    def test(self, rule: CompiledRoute) -> tuple[str, list[str]]:
        """The condition that does not hold (empty: all do), and those before it that do, in words."""
        when = rule.route.when
        held: list[str] = []
        checks: list[Callable[[], tuple[bool, str] | None]] = [
            lambda: self._number("to", self.called, rule.to),
            lambda: self._number("from", self.identity.number, rule.from_),
            lambda: self._trunk(when),
            lambda: self._caller(when),
            *(partial(self._header, name, test) for name, test in when.headers.items()),
            lambda: self._times(when),
        ]
        for check in checks:
            outcome = check()
            if outcome is not None:
                holds, words = outcome
                if not holds:
                    return words, held
                held.append(words)
        return "", held

    @staticmethod
    def _number(key: str, number: Number, tests: tuple[NumberTest, ...]) -> tuple[bool, str] | None:
        if not tests:
            return None
        shown = str(number) or "(withheld)"
        for test in tests:
            if number.raw and test.matches(number):
                return True, f"{key} {shown} is {test.text}" if shown != test.text else f"{key} is {shown}"
        return False, f"{key} {shown} is not {_one_of([test.text for test in tests])}"

    def _trunk(self, when: When) -> tuple[bool, str] | None:
        if not when.trunk:
            return None
        name = self.call.trunk or NO_TRUNK
        if name in when.trunk:
            return True, f"trunk is {name}"
        return False, f"trunk {name} is not {_one_of(when.trunk)}"

    def _caller(self, when: When) -> tuple[bool, str] | None:
        seen = self.identity
        words = []
        if when.private is not None:
            words.append(f"the caller {'withholds' if seen.private else 'shows'} his number")
            if seen.private != when.private:
                return False, words[-1]
        if when.verified is not None:
            words.append(f"the number is {'' if seen.verification.verified else 'not '}verified"
                         f" ({seen.verification.words})")  # fmt: skip
            if seen.verification.verified != when.verified:
                return False, words[-1]
        if when.attestation:
            level = seen.verification.attestation
            if level not in when.attestation:
                return False, f"attestation {level} is not {_one_of(when.attestation)}"
            words.append(f"attestation is {level}")
        return (True, "; ".join(words)) if words else None

    def _header(self, name: str, test: HeaderTest) -> tuple[bool, str]:
        if not self.call.trusted:
            return False, f"header {name} is not believed: the call came over no trusted trunk"
        values = [value.strip()[:MAX_SUBJECT_CHARS] for value in self.call.values(name)]
        if test.present is not None:
            return bool(values) == test.present, f"header {name} is {'there' if values else 'not there'}"
        if not values:
            return False, f"header {name} is not there"
        holds = any(_meets(test, value) for value in values)
        return holds, f"header {name} {'meets' if holds else 'does not meet'}: {_wanted(test)}"

    def _times(self, when: When) -> tuple[bool, str] | None:
        words = []
        if when.during:
            found = [self._open_at(name) for name in when.during]
            hit = next((f"{n}: {why}" for n, (inside, why) in zip(when.during, found, strict=True) if inside), None)
            if hit is None:
                return False, "; ".join(f"{n}: {why}" for n, (_, why) in zip(when.during, found, strict=True))
            words.append(hit)
        for name in when.outside:
            inside, why = self._open_at(name)
            if inside:
                return False, f"{name}: {why}"
            words.append(f"{name}: {why}")
        return (True, "; ".join(words)) if words else None

    def _open_at(self, name: str) -> tuple[bool, str]:
        if name not in self._open:
            self._open[name] = self._hours[name].open_at(self._now)
        return self._open[name]


def _meets(test: HeaderTest, value: str) -> bool:
    """Patterns were checked when the file was read; `re` keeps them compiled."""
    if test.equals is not None:
        return value.casefold() == test.equals.casefold()
    if test.contains is not None:
        return test.contains.casefold() in value.casefold()
    return compile_pattern(test.pattern or "").fullmatch(value) is not None


def _wanted(test: HeaderTest) -> str:
    for word in ("equals", "contains", "pattern"):
        if getattr(test, word) is not None:
            return f"{word} “{getattr(test, word)}”"
    return "present"


def _one_of(texts: Collection[str], limit: int = 4) -> str:
    shown = list(texts)[:limit]
    more = len(texts) - len(shown)
    return " or ".join(shown) + (f" or one of {more} more" if more else "")
