"""Word graphs read character by character."""

import numpy as np

from voicebot.asr.decoding_graph import Grammar, TokenTrie, WordGraph


def digits(count: int, price: float = 0.0) -> WordGraph:
    graph = WordGraph()
    node = graph.maybe(0, ["it's"], price)
    for _ in range(count):
        node = graph.words(node, ["four", "forty two", "4", "2"])
    graph.finals.add(node)
    return graph


def trie(*pieces: str) -> TokenTrie:
    return TokenTrie.build(enumerate(pieces))


def test_accepts_any_spelling_of_a_sentence() -> None:
    grammar = Grammar(digits(3), trie())
    for text in (" four, four 4", "4 4 four", "It's four-four-four.", " forty-two four 4", "442"):
        assert grammar.accepts(text), text


def test_refuses_what_is_shorter_longer_or_glued() -> None:
    grammar = Grammar(digits(2), trie())
    for text in ("four", "4 4 4", "fourfour", "four4", "five five", "four,   four", ""):
        assert not grammar.accepts(text), text


def test_step_allows_exactly_the_tokens_that_can_follow() -> None:
    pieces = (" four", " fo", "ur", " five", "4", " for", "ty", "42")
    step = Grammar(digits(2), trie(*pieces)).step(0)
    assert [pieces[t] for t in step.tokens] == [" four", " fo", "4", " for", "42"]
    assert step.final == np.inf


def test_a_price_is_charged_once_where_the_word_begins() -> None:
    grammar = Grammar(digits(1, price=2.0), trie(" it's", " 4", "s", " it'"))
    step = grammar.step(0)
    assert dict(zip(step.tokens.tolist(), step.prices.tolist(), strict=True)) == {0: 2.0, 1: 0.0, 3: 2.0}
    inside = grammar.step(int(step.states[2]))
    assert inside.prices.tolist() == [0.0]


def test_a_place_where_callers_pause_is_no_end() -> None:
    graph = digits(2)
    graph.partials.add(2)
    grammar = Grammar(graph, trie(" four"))
    half = int(grammar.step(0).states[0])
    whole = int(grammar.step(half).states[0])
    assert grammar.step(half).final == np.inf
    assert grammar.step(half).partial == 0.0
    assert grammar.step(whole).final == 0.0


def test_tokens_with_other_characters_are_never_allowed() -> None:
    assert trie("日本", "<s>", "é").kids == {}
