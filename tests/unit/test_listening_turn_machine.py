"""Turn-taking, one window of 32 ms after another."""

import random

import pytest

from voicebot.listening.levels import Voicing
from voicebot.listening.turn_machine import (
    LOUD_DB,
    TABLE,
    DiscardRecognition,
    NoInputTimeout,
    PrioritiseRecognition,
    StartRecognition,
    TurnAction,
    TurnBegan,
    TurnEnded,
    TurnMachine,
    TurnState,
)
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import WINDOW, WINDOW_S

LOUD, FAINT, MUTE = 0.95, 0.45, 0.02


def play(machine: TurnMachine, probability: float, seconds: float) -> list[TurnAction]:
    return [d for _ in range(round(seconds / WINDOW_S)) for d in machine.window(probability)]


def kinds(decisions: list[TurnAction]) -> list[type]:
    return [type(d) for d in decisions]


def speaking(machine: TurnMachine, seconds: float = 1.0) -> TurnMachine:
    play(machine, LOUD, seconds)
    assert machine.state is TurnState.SPEECH
    return machine


def test_every_state_has_a_row_for_every_sound() -> None:
    assert set(TABLE) == {(state, sound) for state in TurnState for sound in Voicing}


def test_speech_is_confirmed_after_a_tenth_of_a_second() -> None:
    machine = TurnMachine()
    play(machine, MUTE, 1.024)
    assert machine.window(LOUD) == machine.window(LOUD) == []
    assert machine.window(LOUD) == [TurnBegan(32 * WINDOW, over_prompt=False, interrupts=False)]


def test_a_click_is_no_speech_and_a_gap_inside_a_word_is_no_end() -> None:
    machine = TurnMachine()
    assert play(machine, LOUD, 0.064) + play(machine, MUTE, 0.16) == []
    assert machine.state is TurnState.QUIET
    assert kinds([*play(machine, LOUD, 0.064), *machine.window(MUTE), *machine.window(LOUD)]) == [TurnBegan]


def test_recognition_is_asked_for_early_with_pre_roll() -> None:
    machine = TurnMachine()
    play(machine, MUTE, 1.024)
    speaking(machine)
    asked = play(machine, MUTE, machine.timing.speculate_s)
    assert asked == [StartRecognition(32 * WINDOW - round(machine.timing.pre_roll_s * 8000), machine.now)]


def test_turn_ends_when_the_silence_its_text_needs_is_over() -> None:
    machine = speaking(TurnMachine())
    play(machine, MUTE, 0.096)
    assert machine.recognised(0.16) == []
    assert machine.window(MUTE) == []
    (ended,) = machine.window(MUTE)
    assert isinstance(ended, TurnEnded)
    assert (ended.voiced_end, ended.cut) == (31 * WINDOW, False)
    assert machine.state is TurnState.QUIET


def test_turn_does_not_end_before_it_was_recognised_but_hurries() -> None:
    machine = speaking(TurnMachine())
    assert kinds(play(machine, MUTE, 3.0)) == [StartRecognition, PrioritiseRecognition]
    assert kinds(machine.recognised(0.8)) == [TurnEnded]


def test_speech_going_on_throws_the_recognition_away() -> None:
    machine = speaking(TurnMachine())
    play(machine, MUTE, 0.16)
    machine.recognised(0.8)
    assert kinds(machine.window(LOUD)) == [DiscardRecognition]
    assert machine.recognised(0.0) == []
    assert machine.state is TurnState.SPEECH


def test_the_longest_pause_of_a_turn_is_remembered_until_it_ends() -> None:
    machine = speaking(TurnMachine())
    for pause_s in (0.096, 0.32, 0.064):
        play(machine, MUTE, pause_s)
        play(machine, LOUD, 0.32)
    assert machine.paused_s == pytest.approx(0.32)
    play(machine, MUTE, 0.064)
    machine.recognised(0.064)
    assert (machine.state, machine.paused_s) == (TurnState.QUIET, 0.0)


def test_breath_between_loud_and_silent_keeps_a_pause_a_pause() -> None:
    machine = speaking(TurnMachine())
    play(machine, MUTE, 0.096)
    machine.recognised(0.16)
    assert kinds(play(machine, FAINT, 0.064)) == [TurnEnded]


def test_half_a_number_is_not_recognised_at_every_breath() -> None:
    machine = TurnMachine()
    machine.least_voiced_s = 1.5
    speaking(machine, 0.6)
    assert play(machine, MUTE, 0.32) == []
    assert kinds(play(machine, MUTE, 0.096)) == [StartRecognition, PrioritiseRecognition]


def test_a_number_that_was_begun_is_not_recognised_at_each_pause_before_it_can_be_whole() -> None:
    machine = speaking(TurnMachine())
    machine.await_more(machine.voiced_s + 1.0)
    assert StartRecognition not in kinds(play(machine, MUTE, machine.timing.speculate_late_s - 0.032))
    assert StartRecognition in kinds(play(machine, MUTE, 0.064))
    machine = speaking(TurnMachine())
    machine.await_more(1.0)
    play(machine, LOUD, 1.0)
    assert StartRecognition in kinds(play(machine, MUTE, 0.096))


def test_what_is_known_of_a_number_in_outline_is_recognised_as_a_whole_before_the_turn_ends() -> None:
    machine = speaking(TurnMachine())
    timing = machine.timing
    (asked,) = [d for d in play(machine, MUTE, 0.096) if isinstance(d, StartRecognition)]
    assert not asked.whole
    assert machine.recognised(timing.digits_missing_s, begun_only=True) == []
    told = play(machine, MUTE, timing.digits_missing_s - 0.096)
    (asked,) = [d for d in told if isinstance(d, StartRecognition)]
    assert asked.whole
    assert TurnEnded not in kinds(told)
    assert kinds(machine.recognised(timing.complete_s)) == [TurnEnded]


@pytest.mark.parametrize("interruptible", [True, False])
def test_prompts_are_interrupted_only_where_they_may_be(interruptible: bool) -> None:
    machine = TurnMachine()
    machine.prompt_started(interruptible)
    (began,) = play(machine, LOUD, 0.128)
    assert isinstance(began, TurnBegan)
    assert (began.over_prompt, began.interrupts) == (True, interruptible)


def test_over_a_prompt_speech_must_be_clearer() -> None:
    machine = TurnMachine()
    machine.prompt_started(True)
    assert play(machine, 0.6, 1.0) == []
    machine.prompt_ended()
    assert kinds(play(machine, 0.6, 0.128)) == [TurnBegan]


def test_no_input_comes_once_after_the_prompt() -> None:
    machine = TurnMachine()
    machine.no_input_s = 2.0
    machine.prompt_started(True)
    assert play(machine, MUTE, 10) == []
    machine.prompt_ended()
    assert play(machine, MUTE, 1.9) == []
    assert kinds(play(machine, MUTE, 10)) == [NoInputTimeout]


def test_speech_and_keys_stop_the_no_input_timer() -> None:
    for stop in (lambda m: play(m, LOUD, 0.5), lambda m: m.void()):
        machine = TurnMachine()
        machine.prompt_ended()
        stop(machine)
        assert NoInputTimeout() not in play(machine, MUTE, 20)


def test_a_key_drops_the_spoken_turn() -> None:
    machine = speaking(TurnMachine())
    play(machine, MUTE, 0.096)
    assert machine.void() == [DiscardRecognition()]
    assert play(machine, MUTE, 3) == []


def test_endless_speech_is_cut_and_recognised_as_it_is() -> None:
    machine = TurnMachine(TurnTiming(longest_s=5.0))
    decisions = play(machine, LOUD, 8.0)
    assert kinds(decisions) == [TurnBegan, StartRecognition, PrioritiseRecognition]
    (ended,) = machine.recognised(0.8)
    assert isinstance(ended, TurnEnded)
    assert ended.cut
    assert kinds(play(machine, LOUD, 0.5)) == [TurnBegan]


def test_a_voice_that_falls_silent_is_silent_at_once_whatever_the_probability() -> None:
    machine = TurnMachine()
    for _ in range(30):
        machine.window(LOUD, -20.0)
    ended = machine.now
    asked = [d for _ in range(2) for d in machine.window(LOUD, -55.0)]
    assert kinds(asked) == [StartRecognition]
    machine.recognised(0.096)
    (done,) = machine.window(LOUD, -55.0)
    assert isinstance(done, TurnEnded)
    assert done.voiced_end == ended


def test_a_word_to_which_silero_is_deaf_is_heard_by_its_level() -> None:
    machine = TurnMachine()
    for _ in range(30):
        machine.window(LOUD, -25.0)
    for _ in range(12):
        machine.window(MUTE, -65.0)
    told = [machine.window(0.1, -30.0) for _ in range(3)]
    assert machine.state is TurnState.SPEECH
    assert kinds(told[-1]) == [DiscardRecognition]


@pytest.mark.parametrize(
    ("silence_db", "sound_db", "windows"), [(-65.0, -30.0, 2), (-65.0, -40.0, 6), (-40.0, -30.0, 6)]
)
def test_clicks_hums_and_rooms_that_are_never_quiet_are_no_such_word(
    silence_db: float, sound_db: float, windows: int
) -> None:
    machine = TurnMachine()
    for _ in range(30):
        machine.window(LOUD, -25.0)
    for _ in range(12):
        machine.window(MUTE, silence_db)
    for _ in range(windows):
        machine.window(0.1, sound_db)
    assert machine.state is TurnState.PAUSE


def test_voices_in_the_background_do_not_keep_a_turn_going() -> None:
    machine = TurnMachine()
    for _ in range(30):
        machine.window(LOUD, -25.0)
    said_s = machine.voiced_s
    told = [d for _ in range(25) for d in machine.window(LOUD, -43.0)]
    assert kinds(told)[0] is StartRecognition
    (ended,) = machine.recognised(machine.timing.free_s)
    assert isinstance(ended, TurnEnded)
    assert ended.voiced_end / 8000 == pytest.approx(said_s)


def test_a_soft_word_after_loud_ones_is_the_callers() -> None:
    machine = TurnMachine()
    for _ in range(30):
        machine.window(LOUD, -25.0)
    for _ in range(12):
        machine.window(LOUD, -43.0)
    assert machine.state is TurnState.SPEECH


def test_no_window_key_or_recognition_leads_anywhere_else_than_the_table_says() -> None:
    """Sounds of all kinds and lengths, with prompts, keys and recognitions in between."""
    chance, machine = random.Random(8000), TurnMachine(TurnTiming(longest_s=2.0))
    sounds = ((0.95, 1.0), (0.7, 1.0), (0.36, 0.49), (0.0, 0.3))
    seen: set[tuple[TurnState, TurnState]] = set()
    for _ in range(1500):
        if chance.random() < 0.25:
            machine.prompt_started(chance.random() < 0.9)
        elif chance.random() < 0.3:
            machine.prompt_ended()
        kind, level_db = chance.choice(sounds), chance.choice((LOUD_DB, LOUD_DB, LOUD_DB - 10))
        for _ in range(chance.choice((1, 2, 5, 20, 60))):
            before = machine.state
            machine.window(chance.uniform(*kind), level_db)
            may = {to for (state, _), row in TABLE.items() if state is before for to in row.leads_to}
            assert machine.state in may, (before, machine.state)
            seen.add((before, machine.state))
            if chance.random() < 0.1:
                before = machine.state
                machine.recognised(chance.choice((0.1, 0.3, 0.9)), chance.random() < 0.2)
                assert machine.state in (before, TurnState.QUIET)
        if chance.random() < 0.1:
            machine.void()
            assert machine.state is TurnState.QUIET
    assert seen == {(state, to) for (state, _), row in TABLE.items() for to in row.leads_to}
