"""Who may stop a prompt, one window of 32 ms after another."""

from voicebot.ears.turn import Began, Decision, Doubt, TurnMachine
from voicebot.ears.vad import WINDOW_S

MUTE = 0.02
SURE, HARDLY = 0.99, 0.85


def over_prompt(machine: TurnMachine) -> TurnMachine:
    machine.prompt_started(interruptible=True)
    play(machine, MUTE, 0.512)
    return machine


def play(machine: TurnMachine, probability: float, seconds: float) -> list[Decision]:
    return [d for _ in range(round(seconds / WINDOW_S)) for d in machine.window(probability)]


def kinds(decisions: list[Decision]) -> list[type]:
    return [type(d) for d in decisions]


def test_what_is_hardly_speech_does_not_interrupt_but_speech_does() -> None:
    assert kinds(play(over_prompt(TurnMachine()), HARDLY, 1.024)) == []
    assert kinds(play(over_prompt(TurnMachine()), SURE, 0.128)) == [Began]


def test_a_sound_that_turns_out_to_be_none_gives_the_prompt_back_and_speech_takes_it_again() -> None:
    machine = over_prompt(TurnMachine())
    assert kinds(play(machine, SURE, 0.096)) == [Began]
    assert kinds(play(machine, 0.6, 0.32)) == [Doubt]
    assert kinds(play(machine, SURE, 0.32)) == [Began]
    assert not machine.interruption.doubted


def test_each_false_alarm_asks_for_more_until_the_caller_is_heard() -> None:
    machine = over_prompt(TurnMachine())
    machine.interruption.alarms = 1
    assert play(machine, SURE, 0.16) == []
    assert kinds(play(machine, SURE, 0.032)) == [Began]


def test_somebody_far_under_the_callers_level_does_not_interrupt() -> None:
    machine = over_prompt(TurnMachine())
    machine.interruption.caller_db = -20.0
    assert [d for _ in range(20) for d in machine.window(SURE, -35.0)] == []
    assert kinds([d for _ in range(2) for d in machine.window(SURE, -25.0)]) == [Began]
