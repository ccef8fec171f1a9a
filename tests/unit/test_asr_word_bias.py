"""Listed words are favoured as a whole, and only as a whole."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.asr.beam_search import decode_biased, decode_freely
from voicebot.asr.moonshine_vocabulary import EOS
from voicebot.asr.word_bias import PER_CHARACTER, WordBias

PIECES = ["", "", "", " oper", "ator", "a", " open", " the", "."]
OPER, ATOR, A, OPEN, THE, STOP = range(3, 9)
BOOST = WordBias(("Operator", "open"), PIECES)


def earned(*tokens: int) -> float:
    """What a text of these tokens has earned when it ends."""
    state, total = WordBias.START, 0.0
    for token in tokens:
        state, gain = BOOST.after(state, token)
        total += gain
    return total + BOOST.end(state)


def test_a_listed_word_earns_by_its_length() -> None:
    assert earned(OPER, ATOR) == pytest.approx(8 * PER_CHARACTER)
    assert earned(OPEN) == pytest.approx(4 * PER_CHARACTER)
    assert earned(THE, OPER, ATOR, STOP) == earned(OPER, ATOR)
    assert earned(OPEN, OPEN) == 2 * earned(OPEN)


@pytest.mark.parametrize(
    "text", [(), (OPER,), (OPER, A), (THE,), (OPER, STOP), (OPEN, A), (OPER, ATOR, A), (OPEN, ATOR)]
)
def test_other_words_keep_nothing(text: tuple[int, ...]) -> None:
    assert earned(*text) == pytest.approx(0.0)


class Tree:
    """A decoder that gives fixed log-probabilities after each text; the cache holds the texts."""

    def __init__(self, likely: dict[tuple[int, ...], dict[int, float]]) -> None:
        self.seconds = 2.0
        self._likely = likely
        self.first: tuple[NDArray[np.float32], Any] = self._logs([()]), [()]

    def _logs(self, texts: list[tuple[int, ...]]) -> NDArray[np.float32]:
        logs = np.full((len(texts), len(PIECES)), -50.0, np.float32)
        for row, text in enumerate(texts):
            for token, probability in self._likely.get(text, {EOS: 1.0}).items():
                logs[row, token] = np.log(probability)
        return logs

    def step(self, tokens: list[int], rows: list[int], cache: Any) -> tuple[NDArray[np.float32], Any]:
        texts = [(*cache[row], token) for row, token in zip(rows, tokens, strict=True)]
        return self._logs(texts), texts


def never() -> bool:
    return False


def test_the_listed_word_wins_over_a_slightly_likelier_one() -> None:
    tree = Tree({(): {OPER: 0.4, THE: 0.6}, (OPER,): {ATOR: 0.5, A: 0.5}})
    greedy, leaning = decode_freely(tree, never), decode_biased(tree, BOOST, never)
    assert greedy is not None and leaning is not None
    assert greedy.tokens == (THE,)
    assert leaning.tokens == (OPER, ATOR)
    assert leaning.score == pytest.approx(np.log(0.4 * 0.5), abs=1e-5), "the bonus is not in the score"


def test_clear_speech_is_not_bent_to_the_list() -> None:
    found = decode_biased(Tree({(): {THE: 0.995, OPER: 0.005}, (OPER,): {A: 0.97, ATOR: 0.03}}), BOOST, never)
    assert found is not None
    assert found.tokens == (THE,)


def test_the_beginning_of_a_listed_word_does_not_win() -> None:
    found = decode_biased(Tree({(): {THE: 0.6, OPER: 0.4}, (OPER,): {A: 1.0}}), BOOST, never)
    assert found is not None
    assert found.tokens == (THE,)


def test_searching_stops_when_nobody_wants_it() -> None:
    assert decode_biased(Tree({(): {THE: 1.0}}), BOOST, lambda: True) is None


@pytest.mark.parametrize("circle", [(THE,), (THE, A), (THE, A, STOP)])
def test_a_decoder_that_goes_in_circles_is_stopped(circle: tuple[int, ...]) -> None:
    text = tuple(circle[i % len(circle)] for i in range(100))
    tree = Tree({text[:i]: {text[i]: 1.0} for i in range(100)})
    tree.seconds = 25.0
    for found in (decode_freely(tree, never), decode_biased(tree, BOOST, never)):
        assert found is not None
        assert len(found.tokens) <= 7 * len(circle)
