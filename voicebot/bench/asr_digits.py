"""``voicebot bench asr --train-digits``: learns the digit layer (`voicebot.ears.asr.digits`) from recordings.

Single digits are cut into quarters to begin with; then the layer aligns all recordings itself, and is learnt again.
Each recording counts as it is and with noises of the folder. Other speech teaches it what is no digit.

A layer knows the speakers that it was learnt from too well. ``--unheard`` makes one for each speaker of digits without
that speaker, and with every second recording of other speech, so that figures and confidences can be had from ears that
have not heard what they are asked about.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from voicebot.bench.asr_cases import seed
from voicebot.bench.asr_line import Detector, Line, Recording, load, read_noises, received
from voicebot.ears.asr import digits
from voicebot.ears.asr.digits import OTHER, PARTS, SILENCE, STATES, WORDS, DigitLayer
from voicebot.ears.asr.moonshine import FRAME, Moonshine, prepare
from voicebot.ears.audio import for_engine
from voicebot.paths import models_dir

_DIGITS = ("digit", "digits4", "digits6", "digits10", "digits_real")
LEFT_OUT = ("digit", "digits4", "digits6", "digits10")
"""Tasks whose speakers get layers that have not heard them."""
_OTHER = ("sentence", "request", "long", "coffee", "letter", "nato", "dateword", "number", "ordinal")
_SNRS_DB = (None, 15.0, 8.0)
_OTHER_EACH = 40
"""Frames of other speech taken of a recording."""
_PENALTY, _STEPS = 0.03, 60
_LOUD = 10**-2.5
"""Of a single digit, frames at most so far (power) below the loudest are the word."""


@dataclass(frozen=True, slots=True)
class Example:
    """One recording as the encoder hears it."""

    recording: Recording
    frames: digits.Scores
    words: tuple[int, ...]
    """Indices of `WORDS`; empty for other speech."""
    spoken: tuple[int, int]
    """First frame above `_LOUD` and the one after the last."""
    noisy: bool


def examples(recordings: Iterable[Recording], folder: Path, engine: Moonshine) -> list[Example]:
    """Encode what the layer learns from. Raises VoicebotError: a recording cannot be read."""
    noises, detector, found = read_noises(folder), Detector(), []
    for recording in recordings:
        words = _words(recording)
        if not words and recording.task not in _OTHER:
            continue
        for snr_db in _SNRS_DB if words else (None,):
            line = Line(snr_db, 0.0, noises if snr_db else {})
            pcm = received(load(folder / recording.path), line, seed(f"{recording.path} {snr_db}"))
            for start, end in detector.turns(pcm)[:1]:
                audio = for_engine(pcm[start:end])
                frames = engine.frames(prepare(audio))[0]
                lead = (len(frames) * FRAME - audio.size) / 2 / FRAME
                power = np.square(audio[: audio.size // FRAME * FRAME].reshape(-1, FRAME)).mean(1)
                loud = np.flatnonzero(power > power.max() * _LOUD) + lead
                found.append(Example(recording, frames, words, (int(loud[0]), int(loud[-1]) + 2), snr_db is not None))
    return found


def _words(recording: Recording) -> tuple[int, ...]:
    said = recording.transcript.split()
    if recording.task == "letter" and said == ["o"]:
        return (WORDS.index("oh"),)
    if recording.task == "digit" and "_oh" in recording.path:
        said = ["oh"]
    return tuple(WORDS.index(w) for w in said) if recording.task in _DIGITS else ()


def learn(known: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Matrix (features, states), bias and log-priors (states,)."""
    labels = [_quarters(e) if len(e.words) == 1 else None if e.words else _other(e) for e in known]
    weights = _fit(known, labels)
    for _ in range(1):
        layer = _layer(*weights)
        labels = [digits.aligned(layer.scores(e.frames), e.words) if e.words else _other(e) for e in known]
        weights = _fit(known, labels)
    return weights


def _layer(matrix: digits.Scores, bias: digits.Scores, prior: digits.Scores) -> DigitLayer:
    layer = DigitLayer.__new__(DigitLayer)
    layer._matrix, layer._bias, layer._prior = matrix, bias, prior
    return layer


def _quarters(example: Example) -> NDArray[np.int64]:
    begin, end = example.spoken
    states = np.full(len(example.frames), SILENCE)
    states[begin:end] = example.words[0] * PARTS + np.arange(end - begin) * PARTS // (end - begin)
    return states


def _other(example: Example) -> NDArray[np.int64]:
    """A few frames; the rest (-1) are left out."""
    begin, end = example.spoken
    states = np.full(len(example.frames), -1)
    states[np.linspace(begin, end - 1, min(_OTHER_EACH, end - begin)).astype(int)] = OTHER
    return states


def _fit(
    known: Sequence[Example], labels: Sequence[NDArray[np.int64] | None]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Multinomial logistic regression with an L2 penalty, on features of unit variance."""
    used = [(e.frames, state) for e, state in zip(known, labels, strict=True) if state is not None]
    x, y = np.concatenate([f for f, _ in used]), np.concatenate([s for _, s in used])
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
    return matrix, (w[-1] - mean @ matrix).astype(np.float32), np.log(counts / counts.sum()).astype(np.float32)


def train(recordings: Sequence[Recording], folder: Path, engine: Moonshine, path: Path | None = None) -> None:
    """Learn of all recordings and write the weights, by default where the ears look for them. Raises OSError."""
    path = models_dir() / digits.WEIGHTS if path is None else path
    path.parent.mkdir(parents=True, exist_ok=True)
    known = examples(recordings, folder, engine)
    _write(path, learn(known))
    print(f"{path}: learnt from {len(known)} recordings", file=sys.stderr)


def unheard(recordings: Sequence[Recording], folder: Path, engine: Moonshine, out: Path) -> None:
    """Write a layer for each speaker of digits to `out`, unless they are there. Raises OSError."""
    speakers = sorted({r.speaker for r in recordings if r.task in LEFT_OUT})
    if all(layer_of(out, name).is_file() for name in speakers):
        return
    out.mkdir(parents=True, exist_ok=True)
    known = examples(recordings, folder, engine)
    heard = {r.path for r in other_speech(recordings)[::2]}
    for name in speakers:
        kept = [e for e in known if (e.recording.speaker != name if e.words else e.recording.path in heard)]
        _write(layer_of(out, name), learn(kept))
        print(f"{layer_of(out, name)}: has not heard {name}", file=sys.stderr, flush=True)


def layer_of(folder: Path, speaker: str) -> Path:
    """Where the layer lies that has not heard a speaker."""
    return folder / f"{speaker}.npz"


def other_speech(recordings: Iterable[Recording]) -> list[Recording]:
    """What is no digit; layers that have not heard everything have heard every second one."""
    return [r for r in recordings if r.task in _OTHER and not _words(r)]


def _write(path: Path, weights: tuple[digits.Scores, digits.Scores, digits.Scores]) -> None:
    matrix, bias, prior = weights
    np.savez_compressed(path, matrix=matrix.astype(np.float16), bias=bias, prior=prior)
