"""Grammars accept what callers say and cut the answer out of it."""

import pytest

from voicebot.asr.decoding_graph import TokenTrie
from voicebot.asr.grammars import MAX_PHRASES, CompiledGrammar, GrammarCache
from voicebot.messages import Expect

CACHE = GrammarCache(TokenTrie.build([]))


def compiled(expect: Expect) -> CompiledGrammar:
    found = CACHE.get(expect)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("expect", "said", "answer"),
    [
        (Expect("digits", (4,)), "Four, seven, one, one.", "four seven one one"),
        (Expect("digits", (4,)), "4711", "four seven one one"),
        (Expect("digits", (4,)), "Um, my order number is 47 one one, please.", "four seven one one"),
        (Expect("digits", (4,)), "It's forty-two sixteen.", "forty two sixteen"),
        (Expect("digits", (4, 6)), "double five oh triple nine", "double five oh triple nine"),
        (Expect("digits"), "one two three", "one two three"),
        (Expect("alnum", (3,)), "B as in bravo, four, K.", "b four k"),
        (Expect("alnum", (3,)), "B for boy 4 kilo", "b four k"),
        (Expect("alnum", (2,)), "X-ray, 7", "x seven"),
        (Expect("yesno"), "Yes, please.", "yes please"),
        (Expect("yesno"), "Um, no, that's wrong.", "um no that's wrong"),
        (Expect("yesno"), "That's correct.", "that's correct"),
        (Expect("date"), "December 2nd, 1975", "december second nineteen seventy five"),
        (Expect("date"), "on the twenty-first of May", "the twenty first of may"),
        (Expect("yesno"), "Yes, that works for me.", "yes that works for me"),
        (Expect("yesno"), "Yes, please go ahead.", "yes please go ahead"),
        (Expect("phrases", phrases=("repair", "advice")), "It's for a repair.", "repair"),
        (Expect("phrases", phrases=("repair", "advice")), "Some advice, please.", "advice"),
        (Expect("phrases", phrases=("for a repair", "advice")), "It's for a repair.", "for a repair"),
        (Expect("date"), "I'd like next Tuesday, please.", "next tuesday"),
        (Expect("date"), "Wednesday the second of December.", "wednesday the second of december"),
        (Expect("date"), "Wednesday next week.", "wednesday next week"),
        (Expect("date"), "A week from Monday.", "a week from monday"),
        (Expect("time"), "At half past three in the afternoon.", "half past three in the afternoon"),
        (Expect("time"), "10:30 AM", "ten thirty am"),
        (Expect("datetime"), "Tomorrow at three p.m.", "tomorrow at three pm"),
        (Expect("datetime"), "How about Friday at 10:15?", "friday at ten fifteen"),
        (Expect("amount"), "$3,796", "three thousand seven hundred ninety six dollars"),
        (Expect("amount"), "Forty-nine dollars and fifty cents", "forty nine dollars and fifty cents"),
        (Expect("amount"), "fifteen hundred", "fifteen hundred"),
        (Expect("phrases", phrases=("Sales", "Technical support")), "Technical support, please.", "technical support"),
        (Expect("name", phrases=("Anna O'Neill",)), "It's Anna O'Neill.", "anna o'neill"),
    ],
)
def test_answer_is_cut_out_of_what_was_said(expect: Expect, said: str, answer: str) -> None:
    found = compiled(expect)
    assert found.grammar.accepts(said)
    assert found.content(said) == answer


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (Expect("digits", (4,)), "four seven one"),
        (Expect("digits", (4,)), "four seven one one two"),
        (Expect("digits", (4,)), "I want to talk to a person"),
        (Expect("digits", (3,)), "forty two sixteen"),
        (Expect("yesno"), "maybe tomorrow"),
        (Expect("date"), "may fortieth"),
        (Expect("time"), "thirteen o'clock"),
        (Expect("phrases", phrases=("sales",)), "support"),
    ],
)
def test_other_speech_is_outside(expect: Expect, said: str) -> None:
    assert not compiled(expect).grammar.accepts(said)


def test_free_speech_and_empty_lists_have_no_grammar() -> None:
    assert CACHE.get(Expect()) is None
    assert CACHE.get(Expect("phrases", phrases=("…", ""))) is None


def test_a_grammar_is_compiled_once() -> None:
    assert CACHE.get(Expect("digits", (4,))) is CACHE.get(Expect("digits", (4,), no_input_s=3))


def test_absurd_lengths_and_lists_are_bounded() -> None:
    assert compiled(Expect("digits", (0, -1, 10**9))).grammar.accepts("one two")
    long_list = Expect("phrases", phrases=tuple(f"p{n}" for n in range(MAX_PHRASES + 1)))
    assert not compiled(long_list).grammar.accepts(f"p{MAX_PHRASES}")


CORRECTED = Expect("yesno", also=(Expect("digits", (6,)), Expect("date"), Expect("phrases", phrases=("a repair",))))


@pytest.mark.parametrize(
    ("said", "answer", "max_gap"),
    [
        ("Yes, please.", "yes please", 3.0),
        ("No.", "no", 3.0),
        ("No, it's four seven one one oh three.", "no four seven one one oh three", 8.0),
        ("471103", "four seven one one zero three", 8.0),
        ("No, I said 4 7 double one oh three, please.", "no four seven double one oh three", 8.0),
        ("No, make it next Thursday.", "no next thursday", 6.0),
        ("Sorry, a repair.", "no a repair", 4.0),
    ],
)
def test_the_right_value_may_come_with_a_no(said: str, answer: str, max_gap: float) -> None:
    found = compiled(CORRECTED)
    assert found.grammar.accepts(said)
    assert found.content(said) == answer
    assert found.gap_of is not None
    assert found.gap_of(said) == max_gap


def test_half_of_the_right_value_is_the_beginning_of_an_answer() -> None:
    found = compiled(CORRECTED)
    assert not found.grammar.accepts("No, four seven")
    assert found.content("No, four seven") == "no four seven"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("K D 4 7 bravo 9", "k d four seven b nine"),
        ("Kilo, Delta, forty-seven, B as in boy, oh.", "k d forty seven b oh"),
        ("my code is kay dee four seven b c", "k d four seven b c"),
        ("B D 4 7 bravo 9", None),
        ("K D 4 bravo 9 1", None),
        ("K D 4 7 bravo", None),
    ],
)
def test_a_code_has_the_shape_of_its_pattern(said: str, answer: str | None) -> None:
    found = compiled(Expect("alnum", (6,), patterns=("kd99A*",)))
    assert found.grammar.accepts(said) == (answer is not None)
    assert answer is None or found.content(said) == answer
