"""Learns `voicebot.asr.digit_acoustic_model` from synthetic callers; part of ``voicebot models pull``.

Single digits are cut into quarters to begin with; then the layer aligns all utterances itself, and is learnt again.
Other speech teaches it what is no digit. The same numbers come out on every machine, but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from voicebot.asr import digit_acoustic_model
from voicebot.asr.digit_acoustic_model import OTHER, PARTS, SILENCE, STATES, WEIGHTS, DigitAcousticModel, LayerWeights
from voicebot.asr.learn import synthetic_callers
from voicebot.asr.learn.augmentation import through_telephone
from voicebot.asr.moonshine import FRAME, Moonshine, prepare
from voicebot.errors import ModelMissing
from voicebot.languages.en.digit_training import DIGIT_WORDS
from voicebot.listening.audio import for_engine

RECIPE = 1
"""Of these files; a layer learnt by another one is learnt again."""
UTTERANCES = 1600
"""By trials by hand with 800, 1200 and 1800, of which the last two were equally good."""
SINGLE, STRING = 0.42, 0.43
"""Shares of single digits and of strings of two to five; the rest is other speech."""
_SHORTEST = 1000
"""Samples; less is a word that the voice cannot say."""
_OTHER_EACH = 25
"""Frames of other speech taken of an utterance."""
_SILENCE_EVERY = 3
"""Of silence, every so manieth frame is learnt from."""
_PENALTY, _STEPS = 0.03, 30
_THREADS = 2


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One utterance as the encoder hears it."""

    frames: digit_acoustic_model.Scores
    words: tuple[int, ...]
    """Indices of `DIGIT_WORDS`; empty for other speech."""
    spoken: tuple[int, int]
    """First frame of the voice and the one after the last."""


def learnt(models: Path) -> bool:
    """Whether a layer of this recipe is there."""
    try:
        return DigitAcousticModel(models / WEIGHTS).recipe == RECIPE
    except ModelMissing:
        return False


def learn_digits(models: Path, say: Callable[[str], None]) -> Path:
    """Learn the layer into the folder of models, unless it is there. About half a minute of two cores.

    Raises:
        ModelMissing: Moonshine is not there.
        EngineFailed: espeak-ng does not work.
        OSError: the folder cannot be written.
    """
    path = models / WEIGHTS
    if learnt(models):
        return path
    say("  digits: learning from synthetic voices, about half a minute")
    found = []
    for example in examples(Moonshine(models / "moonshine-tiny-en"), UTTERANCES):
        found.append(example)
        if len(found) % (UTTERANCES // 4) == 0:
            say(f"  digits: {100 * len(found) // UTTERANCES:3d} % of {UTTERANCES} utterances")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    layer = learn(found)
    np.savez_compressed(
        part, matrix=layer.matrix.astype(np.float16), bias=layer.bias, prior=layer.prior, recipe=np.int64(RECIPE)
    )
    os.replace(part, path)
    return path


def examples(engine: Moonshine, count: int) -> Iterator[TrainingExample]:
    """So many utterances, encoded."""
    callers = synthetic_callers.SyntheticCallers()

    def encoded(spoken: tuple[tuple[int, ...], NDArray[np.int16], int, int]) -> TrainingExample:
        words, pcm, first, last = spoken
        audio = for_engine(pcm)
        frames = engine.frames(prepare(audio))[0]
        lead = (len(frames) * FRAME - audio.size) / 2 / FRAME
        return TrainingExample(
            frames, words, (int(first * 2 / FRAME + lead), min(len(frames), int(last * 2 / FRAME + lead) + 1))
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        for begin in range(0, count, 100):
            said = [one for i in range(begin, min(count, begin + 100)) if (one := _utterance(callers, i)) is not None]
            yield from pool.map(encoded, said)


def _utterance(
    callers: synthetic_callers.SyntheticCallers, number: int
) -> tuple[tuple[int, ...], NDArray[np.int16], int, int] | None:
    """Words, audio at 8000 Hz, first sample of the voice and the one after its last."""
    chance = np.random.default_rng(number)
    kind = chance.random()
    size = 1 if kind < SINGLE else int(chance.integers(2, 6)) if kind < SINGLE + STRING else 0
    words = tuple(int(word) for word in chance.integers(0, len(DIGIT_WORDS), size))
    caller = callers.draw(chance, synthetic_callers.ACCENTED if words else 0.0)
    sound = (
        synthetic_callers.dictated(caller, words, chance) if words else synthetic_callers.other_speech(caller, chance)
    )
    return (words, *through_telephone(sound, caller.rate_hz, chance)) if sound.size >= _SHORTEST else None


def learn(known: Sequence[TrainingExample]) -> LayerWeights:
    """The weights."""
    layer = _fit(known, [_quarters(e) if len(e.words) == 1 else None if e.words else _other(e) for e in known])
    aligner = DigitAcousticModel.of(layer)
    return _fit(
        known,
        [digit_acoustic_model.aligned(aligner.scores(e.frames), e.words) if e.words else _other(e) for e in known],
    )


def _quarters(example: TrainingExample) -> NDArray[np.int64]:
    begin, end = example.spoken
    states = np.full(len(example.frames), SILENCE)
    states[begin:end] = example.words[0] * PARTS + np.arange(end - begin) * PARTS // (end - begin)
    return states


def _other(example: TrainingExample) -> NDArray[np.int64]:
    """A few frames; the rest (-1) are left out."""
    begin, end = example.spoken
    states = np.full(len(example.frames), -1)
    states[np.linspace(begin, end - 1, min(_OTHER_EACH, end - begin)).astype(int)] = OTHER
    return states


def _fit(known: Sequence[TrainingExample], labels: Sequence[NDArray[np.int64] | None]) -> LayerWeights:
    """Multinomial logistic regression with an L2 penalty, on features of unit variance."""
    used = [(e.frames, states) for e, states in zip(known, labels, strict=True) if states is not None]
    x, y = np.concatenate([f for f, _ in used]), np.concatenate([s for _, s in used])
    silent = np.flatnonzero(y == SILENCE)
    y[silent[np.arange(len(silent)) % _SILENCE_EVERY != 0]] = -1
    x, y = x[y >= 0], y[y >= 0]
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x = np.concatenate([(x - mean) / scale, np.ones((len(x), 1))], 1).astype(np.float32)
    wanted = np.eye(STATES, dtype=np.float32)[y]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(x.shape[1], STATES).astype(np.float32)
        z = x @ w
        z -= z.max(1, keepdims=True)
        z -= np.log(np.exp(z).sum(1, keepdims=True))
        penalised = w.copy()
        penalised[-1] = 0
        slope = x.T @ (np.exp(z) - wanted) / len(x) + _PENALTY * penalised
        value = -float((z * wanted).sum()) / len(x) + _PENALTY / 2 * float(np.square(penalised).sum())
        return value, slope.astype(np.float64).ravel()

    start = np.zeros(x.shape[1] * STATES)
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    w = solved.x.reshape(x.shape[1], STATES)
    counts = np.bincount(y, minlength=STATES) + 1.0
    matrix = (w[:-1] / scale[:, None]).astype(np.float32)
    return LayerWeights(
        matrix, (w[-1] - mean @ matrix).astype(np.float32), np.log(counts / counts.sum()).astype(np.float32)
    )
