"""A key that comes in RTP and by INFO is one key."""

from __future__ import annotations

import pytest

from telephony.call.dialog.dtmf_dedup import TWICE_S, DtmfDedup, DtmfPath


def pressed(*reports: tuple[float, str, DtmfPath]) -> str:
    keypad = DtmfDedup()
    return "".join(key for at_s, key, way in reports if keypad.is_new(key, way, at_s))


@pytest.mark.parametrize("ways", [("media", "info"), ("info", "media")])
def test_one_key_reported_both_ways_within_300_ms_is_pressed_once(ways: tuple[DtmfPath, DtmfPath]) -> None:
    first, second = ways
    assert pressed((0.0, "5", first), (TWICE_S - 0.01, "5", second)) == "5"
    assert pressed((0.0, "5", first), (TWICE_S + 0.01, "5", second)) == "55"


def test_the_same_key_twice_by_one_way_is_pressed_twice() -> None:
    assert pressed((0.0, "5", "media"), (0.1, "5", "media")) == "55"
    assert pressed((0.0, "5", "info"), (0.1, "5", "info")) == "55"


def test_two_quick_presses_reported_both_ways_are_two() -> None:
    both: list[tuple[float, str, DtmfPath]] = [(0.0, "5", "media"), (0.02, "5", "info"), (0.15, "5", "media")]
    assert pressed(*both, (0.17, "5", "info")) == "55"
    assert pressed((0.0, "5", "media"), (0.1, "5", "media"), (0.2, "5", "info"), (0.25, "5", "info")) == "55"


def test_a_report_at_the_end_of_a_long_press_is_of_that_press() -> None:
    """Events come when the key goes down, INFO when it is let go, with its duration."""
    for held_s in (0.5, 2.0, 9.0):
        keypad = DtmfDedup()
        assert keypad.is_new("5", "media", 0.0)
        assert not keypad.is_new("5", "info", held_s + 0.2, held_s)
        assert keypad.is_new("5", "info", held_s + 0.3, held_s)
        assert keypad.is_new("5", "media", 20.0)
        assert keypad.is_new("5", "info", 40.0, 1e9)


def test_two_long_presses_reported_both_ways_are_two() -> None:
    keypad = DtmfDedup()
    for at_s in (0.0, 1.2):
        assert keypad.is_new("7", "media", at_s)
        assert not keypad.is_new("7", "info", at_s + 1.0, 1.0)


def test_other_keys_are_other_keys() -> None:
    assert pressed((0.0, "5", "media"), (0.01, "6", "info"), (0.02, "6", "media"), (0.03, "5", "info")) == "56"


def test_reports_of_one_way_alone_do_not_pile_up() -> None:
    keypad = DtmfDedup()
    assert all(keypad.is_new("1", "info", 0.0) for _ in range(10_000))
    assert len(keypad._open) <= 32
