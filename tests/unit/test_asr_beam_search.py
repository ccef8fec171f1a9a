"""Searching inside a grammar: which readings the beam holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicebot.asr.beam_search import decode_in_grammar
from voicebot.asr.decoding_graph import Grammar, TokenTrie, WordGraph
from voicebot.asr.moonshine_vocabulary import EOS

PIECES = ["", "", "", " four", " two", "4", "2", ","]
FOUR, TWO, GLYPH_FOUR, GLYPH_TWO, COMMA = range(3, 8)


def grammar() -> Grammar:
    """Two digits, each four or two."""
    graph = WordGraph()
    graph.figures = {"4": "four", "2": "two"}
    middle = graph.words(0, ("four", "two", "4", "2"))
    graph.finals.add(graph.words(middle, ("four", "two", "4", "2")))
    return Grammar(graph, TokenTrie.build(enumerate(PIECES)))


class Same:
    """A decoder with the same log-probabilities after every text; counts the rows it was asked for."""

    def __init__(self, probabilities: dict[int, float]) -> None:
        self.seconds = 3.0
        self.rows = 0
        self._row = np.full(len(PIECES), -50.0, np.float32)
        for token, probability in probabilities.items():
            self._row[token] = np.log(probability)
        self.first: tuple[NDArray[np.float32], Any] = self._row[None], None

    def step(self, tokens: list[int], rows: list[int], cache: Any) -> tuple[NDArray[np.float32], Any]:
        self.rows += len(tokens)
        return np.repeat(self._row[None], len(tokens), 0), cache


def never() -> bool:
    return False


def test_the_same_digits_in_figures_and_words_are_searched_once() -> None:
    forms = Same({FOUR: 0.4, GLYPH_FOUR: 0.39, COMMA: 0.01, EOS: 0.2})
    found = decode_in_grammar(forms, grammar(), never)
    assert found is not None
    assert found[0].tokens == (FOUR, FOUR)
    assert forms.rows <= 4, "a second form would double the rows"


def test_other_digits_stay_in_the_search() -> None:
    found = decode_in_grammar(Same({FOUR: 0.5, TWO: 0.3, EOS: 0.2}), grammar(), never)
    assert found is not None
    assert {h.tokens for h in found} >= {(FOUR, FOUR), (FOUR, TWO), (TWO, FOUR)}
    assert not found[0].greedy, "without the grammar it would not have ended there"


def test_readings_far_behind_are_given_up() -> None:
    clear = Same({FOUR: 0.79, TWO: 0.001, EOS: 0.2})
    found = decode_in_grammar(clear, grammar(), never)
    assert found is not None
    assert {h.tokens for h in found} == {(FOUR, FOUR)}
