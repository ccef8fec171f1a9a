"""A caller for tests of the mind: talks to a conversation on a virtual clock and answers for the backend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from voicebot.asr.grammar_match import GrammarMatcher
from voicebot.conversation.engine import Conversation
from voicebot.flows.flow import Flow
from voicebot.messages import Act, Do, Expect, Heard, Listen, Result, Say
from voicebot.nlu.intents import Understanding

NOW = datetime(2026, 11, 21, 10, 0)
"""A Saturday."""
ORDER = "471102"
READINGS = GrammarMatcher()
Answer = Callable[[dict[str, Any]], Any]


def luhn_ok(body: str) -> str:
    """`body` with its check digit."""
    total = sum(
        int(c) * (1 if i % 2 else 2) - (9 if not i % 2 and int(c) > 4 else 0) for i, c in enumerate(reversed(body))
    )
    return body + str(-total % 10)


GOOD = luhn_ok("47110")
SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spoken(digits: str) -> str:
    return " ".join(SPOKEN[int(c)] for c in digits)


def understood(text: str, expect: Expect) -> Heard:
    """What recognition makes of words that it hears without a fault."""
    read = READINGS.read(text, expect)
    inside = read.content if read is not None and not read.partial else ""
    return Heard(text, 1.0, inside, 1.0 if inside else 0.0, (inside,) if inside else ())


class Caller:
    """Talks to a conversation and answers for the backend."""

    def __init__(self, flow: Flow, understanding: Understanding, caller: dict[str, str] | None = None) -> None:
        self.talk = Conversation(flow, understanding, now=lambda: NOW, caller=caller or {})
        self.done: list[Do] = []
        self.answers: dict[str, Answer | str] = {
            "known_orders": lambda a: {"numbers": a["numbers"].split(",")},
            "find_order": lambda a: {"state": "shipped", "item": "a desk lamp", "eta": "2026-11-24"},
            "find_slot": lambda a: {"free": True, "alternative_date": None, "alternative_time": None},
            "book_appointment": lambda a: {"reference": "AB12"},
            "check_identity": lambda a: {
                "ok": a["pin"] == "8265",
                "locked": False,
                "name": "Anne",
                "phone_end": "4567",
            },
            "reset_password": lambda a: {"reset_id": "r1"},
        }
        self.acts = self._run(self.talk.start())

    def _run(self, acts: list[Act]) -> list[Act]:
        said: list[Act] = []
        while isinstance(acts[-1], Do):
            said += acts[:-1]
            do = acts[-1]
            self.done.append(do)
            answer = self.answers[do.action]
            result = (
                Result(do.token, False, error=answer)
                if isinstance(answer, str)
                else Result(do.token, True, answer(do.args))
            )
            acts = self.talk.result(result)
        return said + acts

    def says(self, text: str) -> str:
        """Speak and be heard without a fault, inside the grammar of the answer if it is one; returns what is said."""
        expect = self.last.expect if isinstance(self.last, Listen) else Expect()
        return self.hears(understood(text, expect))

    def hears(self, heard: Heard) -> str:
        self.acts = self._run(self.talk.hear(heard))
        return self.said

    def keys(self, keys: str) -> str:
        return self.hears(Heard(keys, source="keys"))

    def is_silent(self) -> str:
        self.acts = self._run(self.talk.silence())
        return self.said

    @property
    def said(self) -> str:
        return " ".join(a.text for a in self.acts if isinstance(a, Say))

    @property
    def last(self) -> Act:
        return self.acts[-1]

    @property
    def step(self) -> str:
        return self.talk.snapshot.step

    @property
    def slots(self) -> dict[str, str]:
        return self.talk.snapshot.slots

    def did(self, action: str) -> list[dict[str, Any]]:
        return [d.args for d in self.done if d.action == action]
