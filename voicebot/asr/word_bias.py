"""Words that are likelier here than elsewhere: shallow fusion of a word list with free decoding.

Each character of a listed word earns a hypothesis `PER_CHARACTER` nats while the word is being written; what was earned
is taken back when another word comes of it. So "operator" is favoured as a whole, and "opera" gains nothing.

Source: Zhao et al., "Shallow-Fusion End-to-End Contextual Biasing", Interspeech 2019, section 2 (the bonus on every
sub-word unit, and the failure arcs that return it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PER_CHARACTER = 0.45
"""Nats. Intents understood of 112 synthetic requests through a µ-law line and words wrong in 30 recordings that have
nothing to do with the list: without bias .848 and .140, at 0.4 .946 and .117, at 0.45 .964 and .136, at 0.7 .964 and
.162."""
_SEPARATORS = frozenset(" ,.-!?:;")
_OUTSIDE, _START = 0, 1


class WordBias:
    """A word list as a trie of characters. States are small integers; `START` is before the text. Never changed.

    Args:
        words: listed words, any case; phrases count as their words.
        pieces: text of each token of the model.
    """

    START = _START

    def __init__(self, words: Iterable[str], pieces: Sequence[str]) -> None:
        self._pieces = pieces
        self._kids: list[dict[str, int]] = [{}, {}]
        self._earned: list[float] = [0.0, 0.0]
        self._whole: list[bool] = [False, False]
        for phrase in words:
            for word in phrase.lower().split():
                self._add(word)

    def after(self, state: int, token: int) -> tuple[int, float]:
        """State after one more token, and what it earns or loses (nats)."""
        gain = 0.0
        for char in self._pieces[token].lower():
            if char in _SEPARATORS:
                gain += self.end(state)
                state = _START
            elif state != _OUTSIDE:
                kid = self._kids[state].get(char, _OUTSIDE)
                gain += self._earned[kid] - self._earned[state]
                state = kid
        return state, gain

    def end(self, state: int) -> float:
        """What ending a word here loses (nats, zero or less)."""
        return 0.0 if self._whole[state] else -self._earned[state]

    def _add(self, word: str) -> None:
        node = _START
        for char in word:
            kid = self._kids[node].get(char)
            if kid is None:
                kid = self._kids[node][char] = len(self._kids)
                self._kids.append({})
                self._whole.append(False)
                self._earned.append(self._earned[node] + PER_CHARACTER)
            node = kid
        self._whole[node] = node != _START
