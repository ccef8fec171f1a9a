"""Word graphs, and the automaton that says which tokens of a model may follow inside one.

A `WordGraph` is built of words (or phrases) between numbered nodes. `Grammar` reads it character by character, so that
any tokenisation of "forty two" or "4711" fits, and determinises it lazily: each state's token mask is computed once,
when decoding first reaches it, and kept. A compiled grammar is shared by all calls and threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SEPARATORS = frozenset(" ,.-!?'")
WRITTEN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789$:") | SEPARATORS
"""Characters that a token inside a grammar may have."""
_MAX_SEPARATORS = 2
_GLYPHS = frozenset("0123456789$:")
"""After one of these the next word may follow without a space ("4711", "$50", "10:30")."""


class WordGraph:
    """A word graph under construction. Node 0 is the start."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[str | None, int, float]]] = [[]]
        self.finals: set[int] = set()
        self.partials: set[int] = set()
        """Nodes where a caller may pause but is not done: three digits of four."""
        self.figures: dict[str, str] = {}
        """Glyphs that mean the same as a word of this graph."""

    def node(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def add(self, other: WordGraph, start: int) -> None:
        """All of another graph, its beginning at `start`; what may end or pause there may do so here."""
        moved = [start, *(self.node() for _ in other.edges[1:])]
        for node, edges in enumerate(other.edges):
            self.edges[moved[node]].extend((word, moved[target], price) for word, target, price in edges)
        self.finals |= {moved[node] for node in other.finals}
        self.partials |= {moved[node] for node in other.partials}
        self.figures |= other.figures

    def words(self, start: int, words: Iterable[str], end: int | None = None, price: float = 0.0) -> int:
        """Any of `words` (lower case; phrases have single spaces) leads from `start` to `end`. Returns `end`.

        `price` is taken off the log-probability of readings that go this way (nats).
        """
        end = self.node() if end is None else end
        self.edges[start].extend((word, end, price) for word in words)
        return end

    def skip(self, start: int, end: int) -> None:
        """What lies between may be left out."""
        self.edges[start].append((None, end, 0.0))

    def maybe(self, start: int, words: Iterable[str], price: float = 0.0) -> int:
        """As `words`, but they may be left out."""
        end = self.words(start, words, price=price)
        self.skip(start, end)
        return end

    def starts(self) -> list[dict[str, tuple[tuple[str, int, float], ...]]]:
        """For each node, the words that may start there by their first letter, skips followed."""
        found = []
        for node in range(len(self.edges)):
            words = [e for n in self.reach(node) for e in self.edges[n] if e[0] is not None]
            firsts = {e[0][0] for e in words if e[0]}
            found.append({c: tuple((w, t, p) for w, t, p in words if w and w[0] == c) for c in firsts})
        return found

    def reach(self, node: int) -> list[int]:
        """`node` and all that skips lead to from it."""
        seen, todo = {node}, [node]
        while todo:
            for word, target, _ in self.edges[todo.pop()]:
                if word is None and target not in seen:
                    seen.add(target)
                    todo.append(target)
        return sorted(seen)


@dataclass(slots=True)
class TokenTrie:
    """A model's vocabulary by characters, lower case."""

    kids: dict[str, TokenTrie] = field(default_factory=lambda: _NO_KIDS)
    tokens: tuple[int, ...] = ()
    """Tokens that end here; several where they differ in case only."""

    @classmethod
    def build(cls, vocabulary: Iterable[tuple[int, str]]) -> TokenTrie:
        """Of (token, text) pairs; those that cannot be inside a grammar are left out."""
        root = cls()
        for token, text in vocabulary:
            lower = text.lower()
            if lower and WRITTEN.issuperset(lower):
                node = root
                for char in lower:
                    kid = node.kids.get(char)
                    if kid is None:
                        if not node.kids:
                            node.kids = {}
                        kid = node.kids[char] = cls()
                    node = kid
                node.tokens += (token,)
        return root


_NO_KIDS: dict[str, TokenTrie] = {}
"""Of all leaves, which are most of the nodes; never written to."""


_Place = tuple[int, str, int, int, bool]
"""Where reading stands: (node, word or "", characters read of it, separators read, a new word may touch)."""
_State = frozenset[tuple[_Place, float]]
"""All places where reading may stand, each with what it costs more than the cheapest."""


@dataclass(frozen=True, slots=True)
class AllowedTokens:
    """What may follow in one state."""

    tokens: NDArray[np.int64]
    states: NDArray[np.int64]
    """State after each of `tokens`."""
    prices: NDArray[np.float32]
    """What to take off the log-probability of each of `tokens`."""
    texts: tuple[str, ...]
    """Each of `tokens` in lower case, separators as spaces, figures as the graph's `figures` has them: readings that
    differ in form only come to the same text."""
    final: float
    """Price of ending the text here; infinite where it may not end."""
    partial: float
    """Price of pausing here, unfinished; infinite where it may not."""


class Grammar:
    """A compiled word graph. States are small integers; 0 is the start.

    Args:
        graph: the word graph; not changed afterwards.
        trie: the model's vocabulary.
    """

    def __init__(self, graph: WordGraph, trie: TokenTrie) -> None:
        self._trie = trie
        self._starts = graph.starts()
        self._written = {
            **dict.fromkeys(SEPARATORS, " "),
            **{glyph: f" {word}" for glyph, word in graph.figures.items()},
        }
        reach = [set(graph.reach(i)) for i in range(len(graph.edges))]
        self._final = [bool(r & graph.finals) for r in reach]
        self._partial = [bool(r & graph.partials) for r in reach]
        start: _State = frozenset([((0, "", 0, 1, False), 0.0)])
        self._states: list[_State] = [start]
        self._ids: dict[_State, int] = {start: 0}
        self._next: dict[tuple[int, str], tuple[int, float]] = {}
        self._steps: dict[int, AllowedTokens] = {}
        self._lock = threading.Lock()

    def step(self, state: int) -> AllowedTokens:
        """Tokens that may follow in `state`, and where they lead."""
        step = self._steps.get(state)
        if step is None:
            with self._lock:
                step = self._steps[state] = self._compute(state)
        return step

    def accepts(self, text: str) -> bool:
        """Whether `text` is a whole sentence of the grammar."""
        return self._reads(text, self._final)

    def pauses(self, text: str) -> bool:
        """Whether `text` ends where a caller may pause but is not done."""
        return self._reads(text, self._partial)

    def _reads(self, text: str, ends: list[bool]) -> bool:
        with self._lock:
            state = 0
            for char in text.lower():
                state, _ = self._after(state, char)
                if state < 0:
                    return False
            return self._ends(state, ends) < math.inf

    def _compute(self, state: int) -> AllowedTokens:
        reached: dict[int, tuple[int, float, str]] = {}
        todo = [(self._trie, state, 0.0, "")]
        while todo:
            node, here, paid, text = todo.pop()
            for char, kid in node.kids.items():
                after, price = self._after(here, char)
                if after >= 0:
                    longer = text + self._written.get(char, char)
                    reached.update(dict.fromkeys(kid.tokens, (after, paid + price, longer)))
                    todo.append((kid, after, paid + price, longer))
        tokens = sorted(reached)
        states = np.array([reached[t][0] for t in tokens], np.int64)
        prices = np.array([reached[t][1] for t in tokens], np.float32)
        final, partial = self._ends(state, self._final), self._ends(state, self._partial)
        texts = tuple(reached[t][2] for t in tokens)
        return AllowedTokens(np.array(tokens, np.int64), states, prices, texts, final, partial)

    def _ends(self, state: int, nodes: list[bool]) -> float:
        return min(
            (more for (node, word, *_), more in self._states[state] if not word and nodes[node]), default=math.inf
        )

    def _after(self, state: int, char: str) -> tuple[int, float]:
        """State after one character and its price; -1 when it cannot follow."""
        key = (state, char)
        if key not in self._next:
            places: dict[_Place, float] = {}
            for place, more in self._states[state]:
                for moved, price in self._move(place, char):
                    places[moved] = min(more + price, places.get(moved, math.inf))
            self._next[key] = self._numbered(places)
        return self._next[key]

    def _numbered(self, places: dict[_Place, float]) -> tuple[int, float]:
        if not places:
            return -1, 0.0
        least = min(places.values())
        state = frozenset((place, round(price - least, 3)) for place, price in places.items())
        if state not in self._ids:
            self._ids[state] = len(self._states)
            self._states.append(state)
        return self._ids[state], least

    def _move(self, place: _Place, char: str) -> Iterable[tuple[_Place, float]]:
        node, word, read, gaps, touch = place
        if word:
            if word[read] == char or (word[read] == " " and char in SEPARATORS):
                yield _inside(node, word, read + 1), 0.0
            return
        if char in SEPARATORS and gaps < _MAX_SEPARATORS:
            yield (node, "", 0, gaps + 1, touch), 0.0
        elif gaps or (touch and char in _GLYPHS):
            for begun, target, price in self._starts[node].get(char, ()):
                yield _inside(target, begun, 1), price


def _inside(target: int, word: str, read: int) -> _Place:
    if read < len(word):
        return (target, word, read, 0, False)
    return (target, "", 0, 0, word[-1] in _GLYPHS)
