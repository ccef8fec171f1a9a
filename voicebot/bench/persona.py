"""A caller with a mind of his own: listens to each question and answers it, as people do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.call_plan import CallerStep, HearBot

MAX_TURNS = 14
TAIL_S = 6.0
"""Of a prompt: its question is at its end."""
ALIKE = 60.0
"""A question is taken for one of a rule's from this likeness on (0 to 100); telephone speech is misheard."""


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """What to say when a question sounds like one of these."""

    questions: tuple[str, ...]
    """In small letters, without punctuation."""
    says: tuple[CallerStep, ...] = ()
    """The first time, the second time …; the last one again after that. Empty: nothing more, hang up."""
    after_action: bool = False
    """Who asks this has just had to wait for a backend."""


@dataclass(slots=True)
class Persona:
    """A `CallerPlan`: answers the question that comes closest to what was heard, or says the last thing again."""

    rules: list[ReplyRule]
    recognise: Callable[[Pcm], Awaitable[str]]
    heard: list[str] = field(default_factory=list)
    """The end of each thing the other side said, the greeting first."""
    waited: list[bool] = field(default_factory=list)
    """For each of `heard`, whether it had to wait for a backend."""
    _last: CallerStep | None = None
    _used: dict[int, int] = field(default_factory=dict)

    async def next(self, listen: HearBot) -> CallerStep | None:
        """See `CallerPlan`."""
        pcm = await listen()
        if pcm is None:
            return None
        heard = await self.recognise(pcm[-int(TAIL_S * RATE_HZ) :])
        self.heard.append(heard)
        chosen = self.choose(heard)
        self.waited.append(chosen is not None and self.rules[chosen].after_action)
        if len(self.heard) > MAX_TURNS:
            return None
        if chosen is not None:
            says, count = self.rules[chosen].says, self._used.get(chosen, 0)
            self._used[chosen] = count + 1
            self._last = says[min(count, len(says) - 1)] if says else None
        elif self._last is None:
            self._last = self.rules[0].says[0]
        return self._last

    def choose(self, heard: str) -> int | None:
        """The rule whose questions come closest; None when none is near. A later rule wins a draw."""
        text = "".join(c for c in heard.lower() if c.isalpha() or c == " ")
        scores = [max(fuzz.partial_ratio(q, text) for q in rule.questions) if text else 0 for rule in self.rules]
        best = max(range(len(scores)), key=lambda i: (scores[i], i))
        return best if scores[best] >= ALIKE else None
