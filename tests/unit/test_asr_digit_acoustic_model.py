"""Two judges of digits, on made-up frame scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from voicebot.asr.confidence import LIMITS, REJECTED, confidence
from voicebot.asr.digit_acoustic_model import (
    OTHER,
    PARTS,
    SILENCE,
    STATES,
    WEIGHTS,
    DigitAcousticModel,
    Scores,
    aligned,
    dictated,
)
from voicebot.asr.digit_fusion import fuse_digits, too_few_digits
from voicebot.errors import ModelMissing
from voicebot.languages.en.digit_training import DIGIT_WORDS

FRAMES = 3
"""Of each part of a word."""


def said(words: Sequence[int], pause: int = 4, sure: float = 6.0) -> Scores:
    """Scores of an utterance in which each part of each word, and silence around them, is `sure` nats ahead."""
    states = [SILENCE] * pause
    for word in words:
        states += [word * PARTS + part for part in range(PARTS) for _ in range(FRAMES)] + [SILENCE] * pause
    scores = np.full((len(states), STATES), -sure, np.float32)
    scores[np.arange(len(states)), states] = 0
    return scores


class Fixed(DigitAcousticModel):
    """A layer whose scores are the frames themselves."""

    def __init__(self) -> None: ...

    def scores(self, frames: Scores) -> Scores:
        return frames


def anything(words: str) -> bool:
    return True


@pytest.mark.parametrize("pause", [0, 1, 5])
@pytest.mark.parametrize("digits", ["7", "0429", "1122334455"])
def test_the_best_string_is_found_with_and_without_pauses(digits: str, pause: int) -> None:
    scores = said([int(d) for d in digits], max(pause, 1))
    if pause == 0:
        scores = np.delete(scores, np.flatnonzero(scores[:, SILENCE] == 0)[1:-1], axis=0)
    assert dictated(scores, [len(digits)])[0].digits == digits


def test_of_several_lengths_the_likeliest_comes_first() -> None:
    assert next(len(d.digits) for d in dictated(said([4, 7, 1, 1]), [3, 4, 5])) == 4


def test_too_few_digits_are_told_by_the_layer_alone() -> None:
    assert too_few_digits(Fixed(), said([4, 7, 1]), (6,)) == "four seven one"
    assert too_few_digits(Fixed(), said([4, 7, 1]), (4, 6)) == "four seven one"


@pytest.mark.parametrize("lengths", [(3,), (2, 3), (1, 6), ()])
def test_what_may_be_a_whole_number_is_left_to_the_decoder(lengths: tuple[int, ...]) -> None:
    assert too_few_digits(Fixed(), said([4, 7, 1]), lengths) == ""


def test_other_speech_and_a_doubtful_count_are_left_to_the_decoder() -> None:
    other = said([4, 7, 1])
    other[:, OTHER] = 3.0
    assert too_few_digits(Fixed(), other, (6,)) == ""
    assert too_few_digits(Fixed(), said([4, 7, 1], sure=0.1), (4,)) == ""


def test_oh_is_zero() -> None:
    assert dictated(said([DIGIT_WORDS.index("oh"), 5]), [2])[0].digits == "05"


def test_more_digits_than_fit_in_are_not_found() -> None:
    assert dictated(said([3]), [8]) == []


def test_each_place_keeps_the_scores_of_the_other_digits() -> None:
    scores = said([4, 7])
    scores[:, 9 * PARTS : 10 * PARTS] += 3 * (scores[:, 7 * PARTS : 8 * PARTS] == 0)  # nine is near seven
    found = dictated(scores, [2])[0]
    assert found.places.shape == (2, 10)
    assert found.places[1, 7] == 0
    assert np.argsort(-found.places[1])[1] == 9


def test_other_speech_is_strange() -> None:
    digits, other = said([4, 7]), said([4, 7])
    other[:, OTHER] = 2
    assert dictated(digits, [2])[0].strange < 0 < dictated(other, [2])[0].strange


def test_training_aligns_words_in_order() -> None:
    scores = said([4, 7], pause=2)
    assert aligned(scores, [4, 7]).tolist() == scores.argmax(1).tolist()


def test_a_string_that_the_beam_lost_is_found_by_the_layer() -> None:
    found = fuse_digits(Fixed(), said([4, 2, 7, 3]), {"zero eight seven three": -9.2}, (4,), 0.0, anything)
    assert found is not None
    assert next(iter(found.shares)) == "four two seven three"
    assert found.evidence["agree"] == 0


def test_where_the_layer_doubts_the_decoder_decides() -> None:
    unsure = said([5], sure=0.1)
    found = fuse_digits(Fixed(), unsure, {"nine": -0.5, "five": -40.0}, (1,), 0.0, anything)
    assert found is not None
    assert next(iter(found.shares)) == "nine"


def test_only_strings_inside_the_grammar_are_added() -> None:
    found = fuse_digits(Fixed(), said([4, 2]), {"one one": -1.0}, (2,), 0.0, lambda words: words.startswith("one"))
    assert found is not None
    assert all(words.startswith("one") for words in found.shares)


def test_a_number_that_is_still_too_short_is_known() -> None:
    found = fuse_digits(Fixed(), said([4, 2, 7]), {"four two seven seven": -20.0}, (4,), 0.0, anything)
    assert found is not None
    assert found.shorter
    assert found.evidence["length"] < 0


def test_shares_add_up_to_one() -> None:
    found = fuse_digits(Fixed(), said([4]), {"four": -0.1, "five": -3.0}, (1,), 0.0, anything)
    assert found is not None
    assert sum(found.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["digits", "alnum", "date"])
def test_confidence_falls_with_the_gap_and_rises_with_the_share(kind: str) -> None:
    evidence = {"sure": 5.0, "gap": 0.0, "token": -0.1, "strange": -4.0, "agree": 1.0, "place": 15.0, "length": 15.0}
    sure = confidence(kind, evidence)
    assert sure > 0.8
    assert confidence(kind, evidence | {"gap": LIMITS["gap"][1]}) < sure
    assert confidence(kind, evidence | {"sure": -3.0}) < sure
    assert confidence(kind, evidence | {"gap": 1e9}) >= 0


def test_speech_that_is_no_number_is_rejected() -> None:
    strange = {"sure": 0.0, "gap": 20.0, "token": -3.0, "strange": 2.0, "agree": 0.0, "place": 1.0, "length": -5.0}
    assert confidence("digits", strange) < REJECTED


def test_a_layer_is_found_where_one_was_learnt(tmp_path: Path) -> None:
    assert DigitAcousticModel.find(tmp_path) is None
    path = tmp_path / WEIGHTS
    path.parent.mkdir()
    rng = np.random.default_rng(1)
    numbers = {"matrix": rng.normal(size=(288, STATES)), "bias": np.zeros(STATES), "prior": np.zeros(STATES)}
    np.savez_compressed(path, **numbers)
    with pytest.raises(ModelMissing, match="recipe"):
        DigitAcousticModel.find(tmp_path)
    np.savez_compressed(path, recipe=3, **numbers)
    layer = DigitAcousticModel.find(tmp_path)
    assert layer is not None
    assert layer.recipe == 3
    assert layer.scores(np.zeros((5, 288), np.float32)).shape == (5, STATES)
    path.write_bytes(b"no archive")
    with pytest.raises(ModelMissing, match="damaged"):
        DigitAcousticModel.find(tmp_path)
