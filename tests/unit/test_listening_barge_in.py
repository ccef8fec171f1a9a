"""Who may stop a prompt, one window of 32 ms after another, and with which words."""

import pytest

from voicebot.asr.recogniser import Transcript
from voicebot.listening.barge_in import SHORT_S, is_callers_turn
from voicebot.listening.turn_machine import ResumePrompt, TurnAction, TurnBegan, TurnEnded, TurnMachine
from voicebot.listening.vad import WINDOW, WINDOW_S
from voicebot.messages import Expect

MUTE = 0.02
SURE, HARDLY = 0.99, 0.85


def over_prompt(machine: TurnMachine) -> TurnMachine:
    machine.prompt_started(interruptible=True)
    play(machine, MUTE, 0.512)
    return machine


def play(machine: TurnMachine, probability: float, seconds: float) -> list[TurnAction]:
    return [d for _ in range(round(seconds / WINDOW_S)) for d in machine.window(probability)]


def kinds(decisions: list[TurnAction]) -> list[type]:
    return [type(d) for d in decisions]


def test_what_is_hardly_speech_does_not_interrupt_but_speech_does() -> None:
    assert kinds(play(over_prompt(TurnMachine()), HARDLY, 1.024)) == []
    assert kinds(play(over_prompt(TurnMachine()), SURE, 0.128)) == [TurnBegan]


def test_a_sound_that_turns_out_to_be_none_gives_the_prompt_back_and_speech_takes_it_again() -> None:
    machine = over_prompt(TurnMachine())
    assert kinds(play(machine, SURE, 0.096)) == [TurnBegan]
    assert kinds(play(machine, 0.6, 0.608)) == [ResumePrompt]
    assert kinds(play(machine, SURE, 0.32)) == [TurnBegan]
    assert not machine.barge_in.doubted


def test_each_false_alarm_asks_for_more_until_the_caller_is_heard() -> None:
    machine = over_prompt(TurnMachine())
    machine.barge_in.false_alarms = 1
    assert play(machine, SURE, 0.096) == []
    assert kinds(play(machine, SURE, 0.032)) == [TurnBegan]


def test_after_however_many_false_alarms_a_caller_is_heard_within_a_third_of_a_second() -> None:
    machine = over_prompt(TurnMachine())
    machine.barge_in.false_alarms = 50
    assert kinds(play(machine, SURE, 0.288)) == [TurnBegan]


def test_somebody_far_under_the_callers_level_does_not_interrupt() -> None:
    machine = over_prompt(TurnMachine())
    machine.barge_in.caller_db = -20.0
    assert [d for _ in range(20) for d in machine.window(SURE, -35.0)] == []
    assert kinds([d for _ in range(2) for d in machine.window(SURE, -25.0)]) == [TurnBegan]


def test_a_voice_that_was_sure_in_its_vowels_is_none_to_doubt_for_its_consonants() -> None:
    machine = over_prompt(TurnMachine())
    found = play(machine, SURE, 0.288)
    for _ in range(10):
        found += [*play(machine, 0.8, 0.032), *play(machine, SURE, 0.064)]
    assert kinds(found) == [TurnBegan]
    assert not machine.barge_in.doubted


def test_sure_windows_that_never_follow_each_other_for_long_are_no_voice() -> None:
    machine = over_prompt(TurnMachine())
    found = play(machine, SURE, 0.096)
    for _ in range(12):
        found += [*play(machine, 0.7, 0.064), *play(machine, SURE, 0.064)]
    assert kinds(found) == [TurnBegan, ResumePrompt]


def test_what_looked_like_speech_for_seconds_before_is_no_part_of_the_turn() -> None:
    machine = over_prompt(TurnMachine())
    assert play(machine, HARDLY, 1.6) == []
    (began,) = play(machine, SURE, 0.064)
    assert isinstance(began, TurnBegan)
    assert began.onset == machine.now - 2 * WINDOW
    play(machine, SURE, 0.32)
    play(machine, MUTE, 0.096)
    (ended,) = machine.recognised(0.096)
    assert isinstance(ended, TurnEnded)
    assert ended.voiced_s == pytest.approx(0.384)


MENU = Expect(boost=("billing", "order", "agent", "that", "like"))
FOUR = Expect("digits", (4,))
DAYS = Expect("phrases", phrases=("monday", "friday"))


def heard(text: str, confidence: float = 0.7, **more: object) -> Transcript:
    return Transcript(text, confidence, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "expect"),
    [
        (heard("Billing."), MENU),
        (heard("No."), MENU),
        (heard("Stop."), MENU),
        (heard("Whatever.", 0.95), MENU),
        (heard("Yeah.", 0.7, expected="yeah", expected_confidence=0.99), Expect("yesno")),
        (heard("Good eye.", 0.6, expected="friday", expected_confidence=0.9, gap=1.7), DAYS),
        (heard("Four, eight.", 0.6, partial=True, begun="four eight", gap=20.0, lead=19.5), FOUR),
    ],
)
def test_short_words_stop_a_prompt_when_they_are_listened_for_or_surely_understood(
    said: Transcript, expect: Expect
) -> None:
    assert is_callers_turn(said, expect, 0.4, doubted=False)


@pytest.mark.parametrize(
    ("said", "expect"),
    [
        (heard("", 0.0), MENU),
        (heard("Okay.", 0.95), MENU),
        (heard("Um, yeah, right."), MENU),
        (heard("I see."), MENU),
        (heard("It's actually."), MENU),
        (heard("I'd like that."), MENU),
        (heard("Yeah.", 0.92, expected="zero", expected_confidence=0.98, gap=13.0), Expect("digits", (1,))),
        (heard("It was.", 0.6, expected="friday", expected_confidence=0.4), DAYS),
        (heard("Do you?", 0.4, partial=True, begun="two five", gap=18.4, lead=16.4), FOUR),
        (heard("Uh.", 0.6, partial=True, begun="uh", gap=20.0, lead=19.5), FOUR),
    ],
)
def test_other_short_words_do_not(said: Transcript, expect: Expect) -> None:
    assert not is_callers_turn(said, expect, 0.4, doubted=False)


def test_longer_speech_is_a_turn_unless_it_hardly_seemed_to_be_speech() -> None:
    said = heard("What is all this about?")
    assert is_callers_turn(said, MENU, SHORT_S, doubted=False)
    assert not is_callers_turn(said, MENU, 2.0, doubted=True)
    assert is_callers_turn(heard("What is all this about?", 0.95), MENU, 2.0, doubted=True)
    assert not is_callers_turn(heard("Thank you."), MENU, 1.0, doubted=False), "however long it is drawn"
