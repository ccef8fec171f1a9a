"""A caller with a mind of his own: listens to each question and answers it, as people do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

from telephony.codecs import RATE_HZ, Pcm
from voicebot.bench.turns import Listen, Step

MAX_TURNS = 14
TAIL_S = 6.0
"""Of a prompt: its question is at its end."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What to say when a question sounds like this."""

    pattern: re.Pattern[str]
    says: tuple[Step, ...]
    """The first time, the second time …; the last one again after that."""


@dataclass(slots=True)
class Persona:
    """A `Plan`: rules tried in order on what was heard last; where none fits, the last thing is said again."""

    rules: list[Rule]
    recognise: Callable[[Pcm], Awaitable[str]]
    turns: int = 0
    last: Step | None = None
    heard: list[str] = field(default_factory=list)
    """The end of each thing the other side said, the greeting first."""
    _used: dict[int, int] = field(default_factory=dict)
    done: ClassVar[re.Pattern[str]] = re.compile(r"good ?bye|for calling|connect you|transfer", re.I)
    """After this there is nothing more to say."""

    async def next(self, listen: Listen) -> Step | None:
        """See `Plan`."""
        pcm = await listen()
        if pcm is None or self.turns == MAX_TURNS:
            return None
        self.heard.append(await self.recognise(pcm[-int(TAIL_S * RATE_HZ) :]))
        self.turns += 1
        self.last = self.choose(self.heard[-1])
        return self.last

    @property
    def answers(self) -> list[str]:
        """What was heard after each turn; shorter than the turns when the call ended in the middle."""
        return self.heard[1:]

    def choose(self, heard: str) -> Step | None:
        """The step for what was heard."""
        for i, rule in enumerate(self.rules):
            if rule.pattern.search(heard):
                count = self._used.get(i, 0)
                self._used[i] = count + 1
                return rule.says[min(count, len(rule.says) - 1)]
        if self.done.search(heard):
            return None
        return self.last or self.rules[-1].says[0]
