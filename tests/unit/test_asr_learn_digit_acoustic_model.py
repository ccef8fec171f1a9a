"""Synthetic callers, their lines, and what is learnt from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicebot.asr.digit_acoustic_model import WEIGHTS, DigitAcousticModel, dictated
from voicebot.asr.learn import digit_acoustic_model, synthetic_callers
from voicebot.asr.learn.augmentation import through_telephone
from voicebot.asr.moonshine import Moonshine
from voicebot.languages.en.digit_training import ACCENTS, DIGIT_WORDS, SENTENCES
from voicebot.paths import models_dir

LEARNT_FROM, ASKED = 150, 30


def test_callers_differ_and_come_again() -> None:
    callers = synthetic_callers.SyntheticCallers()
    drawn = [callers.draw(np.random.default_rng(number), accented=0.5) for number in range(20)]
    assert len({caller.voice for caller in drawn}) > 15
    assert drawn == [callers.draw(np.random.default_rng(number), accented=0.5) for number in range(20)]


def test_every_accent_has_every_word() -> None:
    assert {len(words.split()) for words in ACCENTS.values()} == {len(DIGIT_WORDS)}


def test_no_sentence_of_other_speech_holds_a_digit() -> None:
    assert not set(DIGIT_WORDS).intersection(word for said in SENTENCES for word in said.lower().split())


def test_longer_numbers_take_longer() -> None:
    caller = synthetic_callers.SyntheticCallers().draw(np.random.default_rng(1))
    one, five = (
        synthetic_callers.dictated(caller, words, np.random.default_rng(2)) for words in ([3], [3, 7, 1, 8, 6])
    )
    assert 3 * one.size < five.size


@pytest.mark.parametrize("seed", range(6))
def test_a_line_says_where_the_voice_is(seed: int) -> None:
    chance = np.random.default_rng(seed)
    voice = (np.sin(np.arange(22050) * 2 * np.pi * 440 / 22050) * 8000).astype(np.float32)
    pcm, first, last = through_telephone(voice, 22050, chance)
    assert pcm.dtype == np.int16
    assert 0 < first < last < len(pcm)
    inside, before = (np.square(part.astype(float)).mean() for part in (pcm[first:last], pcm[:first]))
    assert inside > 3 * before


@pytest.mark.models
def test_digits_of_voices_that_were_not_learnt_are_heard() -> None:
    """A layer of a tenth of the usual utterances; others of them are asked."""
    engine = Moonshine(models_dir() / "moonshine-tiny-en")
    found = list(digit_acoustic_model.examples(engine, LEARNT_FROM + ASKED))
    layer = DigitAcousticModel.of(digit_acoustic_model.learn(found[:-ASKED]))
    asked = [one for one in found[-ASKED:] if one.words]
    heard = [dictated(layer.scores(one.frames), [len(one.words)])[0].digits for one in asked]
    said = ["".join(str(word % 10) for word in one.words) for one in asked]
    assert np.mean([h == s for h, s in zip(heard, said, strict=True)]) > 0.7


@pytest.mark.models
def test_what_is_here_is_not_learnt_again(tmp_path: Path) -> None:
    said: list[str] = []
    assert digit_acoustic_model.learn_digits(models_dir(), said.append) == models_dir() / WEIGHTS
    assert not said
    assert digit_acoustic_model.learnt(models_dir())
    assert not digit_acoustic_model.learnt(tmp_path)
