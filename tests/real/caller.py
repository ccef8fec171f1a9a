"""What a person says to a bot's question: what it asks for, or his wish once more where it did not understand him.

Recognition mishears now and then, and the bot then asks again, or reads back a wrong number. A test whose claim is not
how well it hears answers that as a person would.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Said = TypeVar("Said")
"""A text to be spoken, a recording of it, or keys."""


@dataclass(frozen=True)
class Person(Generic[Said]):
    """Somebody who calls for one thing."""

    wish: Said
    """What he wants, said to every question that he has no answer to."""
    no: Said
    """Said to a number read back that is none of his."""
    answers: Mapping[str, Said] = field(default_factory=dict)
    """Words of a question → the answer; the first that are in it count."""
    numbers: tuple[str, ...] = ()

    def answer(self, question: str) -> Said:
        """What to say now."""
        read_back = re.search(r"\bI have ([\d ,]+)\. Is that right\?", question)
        if read_back and re.sub(r"\D", "", read_back[1]) not in self.numbers:
            return self.no
        return next((answer for words, answer in self.answers.items() if words in question), self.wish)
