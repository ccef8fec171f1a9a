"""Texts of engines that cannot be led through a grammar: which of them are sentences of it."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.asr import grammars
from voicebot.asr.decoding_graph import TokenTrie
from voicebot.languages.en import yes_no
from voicebot.messages import Expect


@dataclass(frozen=True, slots=True)
class GrammarMatch:
    """A text inside a grammar."""

    content: str
    """The answer in it, its carrier phrase cut off."""
    partial: bool
    """The grammar allows a pause there, no end."""


class GrammarMatcher:
    """Reads texts in the grammar of what is expected. Used by several threads."""

    def __init__(self) -> None:
        self._grammars = grammars.GrammarCache(TokenTrie())

    def expected(self, expect: Expect) -> bool:
        """Whether there is a grammar at all."""
        return self._grammars.get(expect) is not None

    def max_gap(self, text: str, expect: Expect) -> float:
        """A reading like `text` that is so far (nats) below the free one is something else."""
        compiled = self._grammars.get(expect)
        if compiled is None:
            return 0.0
        return compiled.max_gap if compiled.gap_of is None else compiled.gap_of(text)

    def read(self, text: str, expect: Expect) -> GrammarMatch | None:
        """`text` as an answer; None when it is none, or anything may be said."""
        compiled = self._grammars.get(expect)
        plain = text.strip().strip(".,!?")
        if compiled is None or not plain:
            return None
        if compiled.grammar.accepts(plain):
            content = compiled.content(plain)
            return GrammarMatch(content, partial=False) if content else None
        return GrammarMatch(compiled.content(plain), partial=True) if compiled.grammar.pauses(plain) else None

    @staticmethod
    def sentences(expect: Expect) -> tuple[str, ...]:
        """The answers themselves, where they can be listed."""
        if expect.kind == "yesno":
            return (*yes_no.YES, *yes_no.NO)
        return expect.phrases if expect.kind in ("phrases", "name") else ()
