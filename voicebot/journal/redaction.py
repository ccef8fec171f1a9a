"""Takes out what must never leave: secret values, and payment card numbers wherever they are said or keyed.

What one text or value shows by itself is masked here; what only the whole call shows, a number in pieces over several
turns, a PIN that was said before it was asked, is known to `call_secrets`.
"""

from __future__ import annotations

import dataclasses
import hmac
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from voicebot.journal import digit_reader
from voicebot.journal.card_numbers import SHORTEST, Link, cards
from voicebot.journal.digit_reader import Digits, read, runs
from voicebot.journal.entry import Event

NOT_SAID = "a number that I won't repeat"
MASK = "[card number]"
SECRET = "•••"
AnyEvent = TypeVar("AnyEvent", bound=Event)
Span = tuple[int, int, str]
"""Where something stands in a text, and the digits or words that it is."""

_LETTERS = "bcdfghjklmnpqrstvwxz"
_MASKED = re.compile(r"\[[a-z -]+(?: [0-9]+ #[a-z]{5})?\]")
_PHONE = re.compile(r"(?:(?:sips?|tel):)?\+?[0-9]{1,15}(?![0-9])")  # E.164: at most 15 digits


def card_spans(text: str) -> list[Span]:
    """Where card numbers stand in a text, in order and apart, each with the digits of its span."""
    return list(_card_spans(text))


def forget_texts() -> None:
    """Keep none of the texts that were looked at: a call is over."""
    _card_spans.cache_clear()
    digit_reader.forget()


@lru_cache(512)
def _card_spans(text: str) -> tuple[Span, ...]:
    found: list[Span] = []
    for run in runs(read(text)):
        if sum(len(one.digits) for one in run) >= SHORTEST:
            taken = sorted({place for _, places in cards(links(run)) for place in places})
            found += [(run[i].start, run[i].end, run[i].digits) for i in taken]
    return tuple(joined(text, found))


def links(run: list[Digits]) -> list[Link]:
    """The digits of one run as a chain: a number begins and ends where the run does, or a written group of it."""
    return [
        Link(
            one.digits,
            begins=place == 0 or (one.figures and len(one.digits) > 1),
            ends=place == len(run) - 1 or (one.figures and len(one.digits) > 1),
            optional=one.doubtful,
        )
        for place, one in enumerate(run)
    ]


def joined(text: str, spans: list[Span]) -> list[Span]:
    """Spans in order, those between which no other word stands as one."""
    merged: list[Span] = []
    for start, end, digits in sorted(spans):
        if merged and start < merged[-1][1]:
            continue
        if merged and not read(text[merged[-1][1] : start]) and _nothing(text[merged[-1][1] : start]):
            merged[-1] = (merged[-1][0], end, merged[-1][2] + digits)
        else:
            merged.append((start, end, digits))
    return merged


def _nothing(gap: str) -> bool:
    probe = runs(read(f"1{gap}1"))
    return len(probe) == 1


class Masked(NamedTuple):
    """An event as sinks get it."""

    event: Event
    live: Event
    """For sinks that cannot take anything back."""


class Redactor:
    """The one place where what must never leave is taken out: of texts, of plain data, of events.

    What is masked keeps its type, its length and a token that is the same for the same value under the same key, so
    that a reader sees that it was given twice: ``[card number 16 #bkdzt]``, ``[digits 4 #rnqpw]``.

    Args:
        key: of the tokens; a call has a random one that is never stored. None writes ``[card number]`` alone.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key

    def text(self, text: str) -> str:
        """The text with each card number in it masked."""
        return self.replaced(text, [(*span, "card number") for span in card_spans(text)])

    def aloud(self, text: str) -> str:
        """The text as it may be spoken: secrets are not read back."""
        return _MASKED.sub(NOT_SAID, self.text(text))

    def replaced(self, text: str, spans: list[tuple[int, int, str, str]]) -> str:
        """The text with masks at places: start, end, what stood there, and its kind."""
        out, at = [], 0
        for start, end, what, kind in sorted(spans):
            if start >= at:
                out += [text[at:start], self.mask(kind, what)]
                at = end
        return "".join([*out, text[at:]])

    def value(self, value: Any) -> Any:
        """Plain data (dicts, lists, text, numbers) with card numbers masked in everything in it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None or isinstance(value, float):
            return value
        if isinstance(value, int):
            shown = self.text(str(value))
            return value if shown == str(value) else shown
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        if isinstance(value, (list, set, frozenset)):
            return [self.value(item) for item in value]
        return self.text(str(value))

    def party(self, text: str) -> str:
        """A caller's or called party's address: a telephone number stays whole, the rest is as any text."""
        phone = _PHONE.match(text)
        return text[: phone.end()] + self.text(text[phone.end() :]) if phone else self.text(text)

    def secret(self, value: object, kind: str = "text") -> str:
        """What stands for a secret value.

        Args:
            kind: what it is: the type of a slot, ``speech``, ``keys`` …
        """
        return self.mask(kind, str(value)) if self.key else SECRET

    def accept(self, values: Iterable[str]) -> None:
        """These values answered a question; a redactor of no call makes no difference."""

    def take(self, number: int, event: Event) -> list[Masked]:
        """What is written for an event whose number is this one, if nothing has to be written before it."""
        shown = self.event(event)
        return [Masked(shown, shown)]

    def event(self, event: AnyEvent) -> AnyEvent:
        """The event without what must not leave: all of its words where it is secret, card numbers everywhere."""
        secret, changes = getattr(event, "secret", False), dict[str, Any]()
        for f in dataclasses.fields(event):  # type: ignore[arg-type]
            old = getattr(event, f.name)
            new = self._field(event.marks().get(f.name, ""), old, secret, str(getattr(event, "source", "prompt")))
            if new != old:
                changes[f.name] = new
        if "text" in changes and hasattr(event, "words"):
            changes["words"] = ()
        return dataclasses.replace(event, **changes) if changes else event  # type: ignore[type-var]

    def _field(self, mark: str, value: Any, secret: bool, kind: str) -> Any:
        if mark == "plain":
            return value
        if mark == "party":
            return self.party(value)
        if secret and mark == "said":
            if isinstance(value, tuple):
                return ()
            return self.secret(value, kind) if value else value
        return self.value(value)

    def mask(self, kind: str, value: str) -> str:
        """What stands for a value, with letters that make no number word: masking again changes nothing."""
        if self.key is None:
            return f"[{kind}]"
        number = int.from_bytes(hmac.digest(self.key, value.encode("utf-8", "replace"), "sha256")[:8], "big")
        token = "".join(_LETTERS[number // 20**place % 20] for place in range(5))
        return f"[{kind} {len(value)} #{token}]"


def redact(text: str) -> str:
    """The text with each card number in it replaced by ``[card number]``: for what belongs to no call."""
    return _OUTSIDE_CALLS.text(text)


def redact_value(value: Any) -> Any:
    """The same for plain data."""
    return _OUTSIDE_CALLS.value(value)


_OUTSIDE_CALLS = Redactor()
