"""How long a silence must be depends on what was said."""

import pytest

from voicebot.asr.recogniser import Transcript
from voicebot.listening import endpointing
from voicebot.listening.turn_timing import TurnTiming
from voicebot.messages import Expect

T = TurnTiming()
FOUR = Expect("digits", (4,))
BIRTHDAY, APPOINTMENT = Expect("date", year=True), Expect("date", year=False)
READ_BACK = Expect("yesno", also=(FOUR,))


@pytest.mark.parametrize(
    ("transcript", "expect", "needed_s"),
    [
        (Transcript("Where is my order?", 0.9), Expect(), T.free_s),
        (Transcript("I want to book an", 0.9), Expect(), T.unfinished_s),
        (Transcript("Well, um.", 0.9), Expect(), T.unfinished_s),
        (Transcript("Hello.", 0.9), Expect(), T.may_go_on_s),
        (Transcript("Yes, they were.", 0.9), Expect(), T.may_go_on_s),
        (Transcript("Yes, they were", 0.9), Expect(), T.unfinished_s),
        (Transcript("Last week,", 0.9), Expect(), T.unfinished_s),
        (Transcript("Where is my order", 0.9), Expect(), T.doubtful_s),
        (Transcript("Where is my order?", 0.3), Expect(), T.doubtful_s),
        (Transcript("", 0.0), Expect(), T.no_words_s),
        (Transcript("4711", 0.9, expected="four seven one one"), FOUR, T.complete_s),
        (Transcript("47", 0.9, partial=True), FOUR, T.digits_missing_s),
        (Transcript("471", 0.9, expected="four seven one one", partial=True, lead=3.0), FOUR, T.digits_missing_s),
        (
            Transcript("471", 0.9, expected="four seven one one", evidence={"agree": 0.0, "length": 1.0}),
            FOUR,
            T.may_go_on_s,
        ),
        (
            Transcript("471", 0.9, expected="four seven one one", evidence={"agree": 0.0, "length": 9.0}),
            FOUR,
            T.complete_s,
        ),
        (
            Transcript("4711", 0.9, expected="four seven one one", evidence={"agree": 1.0, "length": 1.0}),
            FOUR,
            T.complete_s,
        ),
        (Transcript("Trees.", 0.9), FOUR, T.digits_missing_s),
        (Transcript("I want to speak to a person.", 0.9), FOUR, T.free_s),
        (Transcript("I want to speak to one person.", 0.9), FOUR, T.digits_missing_s),
        (Transcript("I want to speak to a person.", 0.6), FOUR, T.digits_missing_s),
        (Transcript("4711", 0.9, expected="four seven one one"), Expect("digits", (4, 6)), T.digits_may_follow_s),
        (Transcript("4711", 0.9, expected="four seven one one"), Expect("digits"), T.digits_may_follow_s),
        (Transcript("My number is", 0.9), FOUR, T.digits_missing_s),
        (Transcript("Yes", 0.4, expected="yes"), Expect("yesno"), T.complete_s),
        (Transcript("No", 0.4, expected="no"), Expect("yesno"), T.complete_s),
        (Transcript("Yes", 0.4, expected="yes"), READ_BACK, T.complete_s),
        (Transcript("No", 0.4, expected="no"), READ_BACK, T.doubtful_s),
        (Transcript("No, 47", 0.4, partial=True, begun="no four seven"), READ_BACK, T.digits_missing_s),
        (Transcript("No, 4711.", 0.4, expected="no four seven one one"), READ_BACK, T.free_s),
        (Transcript("Ten thirty.", 0.9, expected="ten thirty"), Expect("time"), T.may_go_on_s),
        (Transcript("10", 0.9, expected="10"), Expect("time"), T.may_go_on_s),
        (Transcript("At two thousand", 0.9, expected="two thousand"), Expect("amount"), T.unfinished_s),
        (Transcript("May twenty.", 0.9, expected="may twenty"), Expect("date"), T.unfinished_s),
        (Transcript("May.", 0.9), Expect("date"), T.unfinished_s),
        (Transcript("May fifth.", 0.9, expected="may fifth"), Expect("date"), T.year_may_follow_s),
        (Transcript("May fifth.", 0.9, expected="may fifth"), BIRTHDAY, T.digits_missing_s),
        (Transcript("May five.", 0.9, expected="may five"), BIRTHDAY, T.digits_missing_s),
        (Transcript("The fifth of May.", 0.9, expected="the fifth of may"), BIRTHDAY, T.digits_missing_s),
        (Transcript("May fifth, nineteen.", 0.9), BIRTHDAY, T.digits_missing_s),
        (
            Transcript("May fifth, nineteen seventy.", 0.9, expected="may fifth nineteen seventy"),
            BIRTHDAY,
            T.unfinished_s,
        ),
        (Transcript("May fifth, 1975.", 0.9, expected="may fifth nineteen seventy five"), BIRTHDAY, T.complete_s),
        (Transcript("May fifth, 2003.", 0.9, expected="may fifth two thousand three"), BIRTHDAY, T.complete_s),
        (Transcript("May fifth.", 0.9, expected="may fifth"), APPOINTMENT, T.complete_s),
        (Transcript("May twenty.", 0.9, expected="may twenty"), APPOINTMENT, T.unfinished_s),
        (Transcript("The fifth of May.", 0.9, expected="the fifth of may"), APPOINTMENT, T.complete_s),
        (Transcript("The fifth.", 0.9, expected="the fifth"), APPOINTMENT, T.year_may_follow_s),
        (Transcript("Next tuesday.", 0.9, expected="next tuesday"), APPOINTMENT, T.free_s),
        (Transcript("I want to speak to a person.", 0.9), BIRTHDAY, T.free_s),
        (Transcript("Tomorrow.", 0.9, expected="tomorrow"), Expect("date"), T.free_s),
        (Transcript("Seven hundred.", 0.9, expected="seven hundred"), Expect("amount"), T.unfinished_s),
        (Transcript("Ten dollars.", 0.9, expected="ten dollars"), Expect("amount"), T.free_s),
        (Transcript("Friday.", 0.9, expected="friday"), Expect("datetime"), T.may_go_on_s),
        (Transcript("Friday at ten am.", 0.9, expected="friday at ten am"), Expect("datetime"), T.free_s),
        (Transcript("Sales.", 0.9, expected="sales"), Expect("phrases", phrases=("sales",)), T.free_s),
    ],
)
def test_silence_that_ends_a_turn(transcript: Transcript, expect: Expect, needed_s: float) -> None:
    assert endpointing.silence_needed(transcript, expect, T) == needed_s


def test_who_tells_a_story_may_pause_longer_between_sentences() -> None:
    said = Transcript("I bought a lamp.", 0.9)
    assert endpointing.silence_needed(said, Expect(), T, voiced_s=6.0) == T.story_s
    assert endpointing.silence_needed(said, Expect(), T, voiced_s=1.0) == T.free_s


def test_who_has_paused_in_a_turn_may_pause_again() -> None:
    said = Transcript("A lamp is broken.", 0.9)
    assert endpointing.silence_needed(said, Expect(), T, paused_s=0.4) == pytest.approx(T.paused * 0.4)
    assert endpointing.silence_needed(said, Expect(), T, paused_s=3.0) == T.unfinished_s
    assert endpointing.silence_needed(said, Expect(), T, paused_s=0.22) == T.free_s
    assert (
        endpointing.silence_needed(Transcript("4711", 0.9, expected="four seven one one"), FOUR, T, paused_s=1.0)
        == T.complete_s
    )


def test_long_speech_of_which_nothing_is_understood_yet_may_go_on() -> None:
    assert endpointing.silence_needed(Transcript("", 0.0), Expect(), T, voiced_s=3.0) == T.may_go_on_s
    assert endpointing.silence_needed(Transcript("", 0.0), FOUR, T, voiced_s=3.0) == T.digits_missing_s
    assert endpointing.silence_needed(Transcript("", 0.0), FOUR, T, voiced_s=0.4) == T.no_words_s


def test_a_prompt_may_say_how_long_an_answer_that_is_not_whole_may_pause() -> None:
    patient = Expect("digits", (4,), end_silence_s=2.5)
    assert endpointing.silence_needed(Transcript("47", 0.9, partial=True), patient, T) == 2.5
    assert (
        endpointing.silence_needed(Transcript("4711", 0.9, expected="four seven one one"), patient, T) == T.complete_s
    )


@pytest.mark.parametrize(
    ("said", "characters"),
    [
        ("four seven one one", 4),
        ("forty two sixteen", 4),
        ("double five triple nine", 5),
        ("four hundred", 3),
        ("twenty twenty one", 4),
        ("b four k", 3),
    ],
)
def test_counting_what_was_dictated(said: str, characters: int) -> None:
    assert endpointing.count_characters(said) == characters


def test_who_pauses_between_digits_is_given_that_pause_where_the_length_is_in_doubt() -> None:
    doubtful = Transcript("471", 0.9, expected="four seven one one", evidence={"agree": 0.0, "length": 1.0})
    assert endpointing.silence_needed(doubtful, FOUR, T, paused_s=0.6) == pytest.approx(0.9)
    assert endpointing.silence_needed(doubtful, FOUR, T, paused_s=9.0) == T.digits_missing_s


def test_the_rest_of_a_number_takes_at_least_half_the_time_of_its_beginning() -> None:
    begun = Transcript("4, 7,", 0.9, partial=True, begun="four seven")
    assert endpointing.least_more_s(begun, Expect("digits", (10,)), 1.0) == pytest.approx(0.5 * 8 / 2)
    assert endpointing.least_more_s(begun, Expect(), 1.0) == 0.0
    whole = Transcript("4711", 0.9, expected="four seven one one")
    assert endpointing.least_more_s(whole, FOUR, 1.0) == 0.0
