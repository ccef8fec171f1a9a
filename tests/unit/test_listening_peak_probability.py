"""How surely a turn was a voice, from windows to its end."""

from __future__ import annotations

import pytest

from tests.unit.test_listening_turn_machine import MUTE, play
from voicebot.listening.turn_machine import TurnEnded, TurnMachine


def peak_probability(*parts: tuple[float, float]) -> float:
    """Of a turn of (probability, seconds)."""
    machine = TurnMachine()
    play(machine, MUTE, 0.64)
    for probability, seconds in parts:
        play(machine, probability, seconds)
    decisions = play(machine, MUTE, 0.096)
    decisions += machine.recognised(0.3)
    decisions += play(machine, MUTE, 0.4)
    (ended,) = [d for d in decisions if isinstance(d, TurnEnded)]
    return ended.peak_probability


def test_one_sure_vowel_makes_a_voice_whatever_is_around_it() -> None:
    assert peak_probability((0.6, 0.48), (0.98, 0.256), (0.6, 0.48)) == pytest.approx(0.98)


def test_what_never_was_sure_for_a_fifth_of_a_second_stays_unsure() -> None:
    assert peak_probability((0.6, 1.28)) == pytest.approx(0.6)
    assert peak_probability((0.6, 0.32), (0.98, 0.064), (0.6, 0.32)) < 0.8


def test_a_turn_before_does_not_count() -> None:
    machine = TurnMachine()
    play(machine, 0.99, 0.64)
    play(machine, MUTE, 0.096)
    machine.recognised(0.2)
    play(machine, MUTE, 0.64)
    play(machine, 0.6, 0.64)
    assert machine.barge_in.peak_probability == pytest.approx(0.6, abs=0.1)
