"""What a dialog decides is worded for the ear: one apology at a time, references once more slowly."""

from __future__ import annotations

import pytest

from voicebot.languages.en.apologies import apologises, apologises_once
from voicebot.messages import Say
from voicebot.tts import markup
from voicebot.tts.phrasing import split
from voicebot.tts.wording import SaidBefore, worded


def texts(says: list[Say]) -> list[str]:
    return [say.text for say in says]


def test_the_second_of_two_prompts_does_not_apologise_again() -> None:
    said, _ = worded([Say("I'm sorry about that."), Say("Sorry, which day was it?", name="day")], SaidBefore())
    assert said == [Say("I'm sorry about that."), Say("Which day was it?", name="day")]


def test_nor_does_the_prompt_of_the_next_turn_and_the_one_after_it_may() -> None:
    first, before = worded([Say("Sorry, I didn't get that. What was it?")], SaidBefore())
    second, before = worded([Say("I'm sorry, your order is late.")], before)
    third, _ = worded([Say("Sorry, which is it?")], before)
    assert texts([*first, *second, *third]) == [
        "Sorry, I didn't get that. What was it?", "Your order is late.", "Sorry, which is it?"
    ]  # fmt: skip


def test_a_turn_in_which_nothing_is_said_does_not_part_two_apologies() -> None:
    _, before = worded([Say("Sorry?")], SaidBefore())
    _, before = worded([], before)
    assert texts(worded([Say("Sorry, nothing is free.")], before)[0]) == ["Nothing is free."]


def test_a_prompt_that_is_nothing_but_an_apology_is_left_out_unless_it_is_all_there_is() -> None:
    before = SaidBefore(apologised=True)
    assert texts(worded([Say("I'm so sorry."), Say("What now?")], before)[0]) == ["What now?"]
    assert texts(worded([Say("I'm so sorry.")], before)[0]) == ["I'm so sorry."]


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("I am very sorry, but that day is taken.", "That day is taken."),
        ("We're sorry that the parcel is late. It comes on Monday.", "The parcel is late. It comes on Monday."),
        ("Sorry for the wait, your table is ready.", "Your table is ready."),
        ("I'm sorry to hear that. Let me look.", "Let me look."),
        ("Our apologies: the line was bad.", "The line was bad."),
        ("I apologize for the delay. Where were we?", "Where were we?"),
        ("I didn't catch that, sorry.", "I didn't catch that."),
        ("Oh, sorry – which one?", "Which one?"),
        ("I'm sorry this is taking so long. Please hold.", "This is taking so long. Please hold."),
        ("The sorry state of it. You are not sorry, are you?", "The sorry state of it. You are not sorry, are you?"),
    ],
)
def test_what_is_left_without_an_apology(text: str, without: str) -> None:
    assert apologises_once(text, already=True) == without
    assert not apologises(without)


def test_only_the_first_apology_of_a_text_is_kept() -> None:
    text = "Sorry, that went wrong. I'm sorry, please say it again."
    assert apologises_once(text, already=False) == "Sorry, that went wrong. Please say it again."


def test_a_reference_that_is_said_again_is_slower_in_groups_and_its_letters_have_words() -> None:
    say = Say("Your reference is KD47B. Is that right?", name="ref")
    first, before = worded([say], SaidBefore())
    assert first == [say]
    again, _ = worded([say], before)
    assert again[0].text == say.text and again[0].name == "ref"
    assert again[0].marked == (
        "Your reference is [slow]K as in Kilo[/slow] [pause 350ms] [slow]D as in Delta[/slow] [pause 350ms] "
        "[slow]four seven[/slow] [pause 350ms] [slow]B as in Bravo.[/slow] Is that right?"
    )


def test_digits_of_a_reference_are_said_again_group_by_group() -> None:
    say = Say("I have 4 7 1 1 0 2.")
    [again], _ = worded([say], SaidBefore(frozenset({say.text})))
    assert [(p.text, p.slow) for p in split(again.marked)] == [
        ("I have", False), ("four seven one", True), ("one zero two.", True)
    ]  # fmt: skip


def test_a_prompt_without_a_reference_is_said_again_as_it_was() -> None:
    say = Say("It is $45.20 on 2026-12-24 at 10:30 in room 12.")
    assert worded([say], SaidBefore(frozenset({say.text})))[0] == [say]


def test_markup_of_a_prompt_that_is_said_again_is_kept() -> None:
    marked = "[lang es]Hola 471102.[/lang] [slow]It's 471102[/slow] [pause 1s] and 88 1 2 3."
    say = Say(markup.plain(marked), marked=marked)
    [again], _ = worded([say], SaidBefore(frozenset({say.text})))
    parts = markup.parse(again.marked)
    assert parts[0] == markup.MarkupPart("Hola 471102.", language="es")
    assert [p.text for p in parts if p.slow] == ["It's", "four seven one", "one zero two"]
    assert markup.MarkupPart("", pause_ms=1000) in parts


def test_a_secret_stays_one() -> None:
    say = Say("Your code is Kx7Qm2.", secret=True, barge_in=False)
    [again], _ = worded([say], SaidBefore(frozenset({say.text})))
    assert again.secret and not again.barge_in and "capital K as in Kilo" in again.marked
