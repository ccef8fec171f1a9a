"""Callers who say secrets, through whole calls with real sinks: nothing of the secret can be read afterwards.

``VOICEBOT_SECRETS=FILE`` plays another file of cases; `tests.secrets_trial` prints each that fails.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests import secrets_trial
from tests.secrets_trial import Case, read_cases, trial

FOLDER = Path(__file__).parents[1] / "secrets"
FILES = [Path(os.environ["VOICEBOT_SECRETS"])] if "VOICEBOT_SECRETS" in os.environ else sorted(FOLDER.glob("*.jsonl"))
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_secret_can_be_read_anywhere_and_the_rest_stays_readable(file: Path, tmp_path: Path) -> None:
    wrong = {case.id: found for case in read_cases(file) if (found := trial(case, tmp_path / case.id))}
    assert wrong == {}


def pin_case(rng: random.Random, number: int) -> Case:
    """A call through the secret step: said, keyed, in a sentence, in parts, wrong first."""
    pin = "".join(rng.choice("0123456789") for _ in range(rng.choice((4, 5, 6))))
    while len(set(pin)) < 3:
        pin = "".join(rng.choice("0123456789") for _ in range(5))
    said = " ".join(WORDS[int(digit)] for digit in pin)
    turn = rng.choice([
        {"at": "pin", "keyed": f"{pin}#"}, {"at": "pin", "said": said}, {"at": "pin", "said": f"it's {said} thank you"},
        {"at": "pin", "said": pin}, {"at": "pin", "said": f"my pin should be {said} if I remember it right"},
    ])  # fmt: skip
    return Case(f"p{number}", pin, "open", (turn,), ())


def test_in_a_hundred_calls_through_a_secret_step_no_digit_of_it_is_written(tmp_path: Path) -> None:
    rng = random.Random(32)
    cases = [pin_case(rng, number) for number in range(100)]
    wrong = {f"{case.turns}": found for case in cases if (found := trial(case, tmp_path / case.id))}
    assert wrong == {}


def test_the_search_finds_digits_however_they_are_written() -> None:
    for text in (
        "8265",
        "eight two six five",
        "82 and 65",
        "eighty two, sixty five",
        "8 ... two? 6 [number 2 #bcdfg]5",
    ):
        found = "8265" in secrets_trial.digits_of(text)
        assert found == ("#" not in text), text
