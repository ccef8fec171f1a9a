"""Keys become entries by what the dialog waits for."""

from __future__ import annotations

import pytest

from voicebot.calls.dtmf_entry import ENDING_S, GAP_S, MAX_KEYS, KeyPad
from voicebot.messages import Expect


def pad(expect: Expect) -> KeyPad:
    keypad = KeyPad()
    keypad.expect(expect)
    return keypad


def press(keypad: KeyPad, keys: str, now: float = 0.0) -> list[str | None]:
    return [keypad.press(key, now) for key in keys]


def test_where_no_number_is_expected_each_key_is_an_entry() -> None:
    assert press(pad(Expect()), "0*1") == ["0", "*", "1"]


def test_a_number_is_complete_at_its_longest_length() -> None:
    assert press(pad(Expect("digits", lengths=(4, 6))), "471102")[-1] == "471102"


def test_hash_ends_a_number_early_and_is_not_part_of_it() -> None:
    assert press(pad(Expect("digits", lengths=(4, 6))), "4711#")[-1] == "4711"


def test_a_pause_ends_a_number_of_unknown_length() -> None:
    keypad = pad(Expect("digits"))
    assert press(keypad, "47", now=10.0) == [None, None]
    assert keypad.deadline == 10.0 + GAP_S
    assert keypad.expire(10.0 + GAP_S - 0.1) is None
    assert keypad.expire(10.0 + GAP_S) == "47"
    assert keypad.deadline is None


def test_star_before_the_first_digit_is_a_command() -> None:
    assert press(pad(Expect("digits", lengths=(6,))), "*") == ["*"]


def test_a_new_step_forgets_what_was_keyed_before() -> None:
    keypad = pad(Expect("digits", lengths=(4,)))
    press(keypad, "47")
    keypad.expect(Expect("digits", lengths=(4,)))
    assert press(keypad, "1102")[-1] == "1102"


@pytest.mark.parametrize("lengths", [(), (1000,)])
def test_endless_keys_end_an_entry(lengths: tuple[int, ...]) -> None:
    entries = press(pad(Expect("digits", lengths=lengths)), "1" * MAX_KEYS)
    assert entries[-1] == "1" * MAX_KEYS


def test_a_hash_out_of_habit_after_a_number_that_was_complete_means_nothing_at_any_next_question() -> None:
    for then in (Expect(), Expect("yesno"), Expect("digits", lengths=(4,))):
        keypad = pad(Expect("digits", lengths=(6,)))
        assert press(keypad, "471102", now=5.0)[-1] == "471102"
        keypad.expect(then)
        assert keypad.press("#", 6.0) is None
        assert keypad.press("1", 6.5) == (None if then.lengths else "1")


def test_a_hash_is_an_entry_when_it_comes_late_or_for_itself() -> None:
    keypad = pad(Expect("digits", lengths=(6,)))
    press(keypad, "471102", now=5.0)
    keypad.expect(Expect())
    assert keypad.press("#", 5.0 + ENDING_S) == "#"
    assert press(pad(Expect("digits", lengths=(6,))), "#") == ["#"]
