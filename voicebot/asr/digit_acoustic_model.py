"""A second opinion on dictated digits: a linear layer on the recogniser's encoder, and a hidden Markov model over it.

The decoder is a language model as much as an ear: of an accent that it does not know it makes words ("be heaven-tree"),
and what the beam has lost is lost. This layer knows digits only. Every frame of the encoder gets a probability for each
quarter of each digit word, silence and other speech; the best string of the allowed lengths is found by Viterbi's
algorithm, and every place in it keeps the scores of the other digits. Frame probabilities over priors stand for
likelihoods (Bourlard and Morgan, "Connectionist Speech Recognition", 1994, chapter 7).

The weights (14 000 numbers) are learnt from synthetic voices by ``voicebot models pull``
(`voicebot.asr.learn.digit_acoustic_model`), into the folder of models; without them the decoder decides alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import ModelMissing
from voicebot.languages.en.digit_training import DIGIT_WORDS

PARTS = 4
"""States of a word, at least a frame (24 ms) each."""
SILENCE = len(DIGIT_WORDS) * PARTS
OTHER = SILENCE + 1
"""Speech that is no digit."""
STATES = OTHER + 1
WEIGHTS = Path("digit-layer") / "digits.npz"
"""Below the folder of models."""
_PRIOR_SHARE = 0.6
_LEAST = -12.0
_NEVER = -1e9
_TINY = 1e-20
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DigitString:
    """The best string of one length."""

    digits: str
    score: float
    """Log-likelihood of the whole utterance."""
    places: Scores
    """(length, 10): log-likelihood of each digit at each place, the best one there 0."""
    strange: float
    """How much likelier other speech is than these digits where they were heard: mean of log-ratios, per frame."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The weights."""

    matrix: Scores
    """(features, `STATES`)."""
    bias: Scores
    """(`STATES`,)."""
    prior: Scores
    """(`STATES`,): logarithms of how frequent the states were."""
    recipe: int = 0
    """Of `voicebot.asr.learn.digit_acoustic_model`, that made them."""


class DigitAcousticModel:
    """The layer at work. Shared by threads.

    Raises:
        ModelMissing: the file is not there or damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path) as file:
                matrix, bias, prior = (file[name].astype(np.float32) for name in ("matrix", "bias", "prior"))
                self._layer = LayerWeights(matrix, bias, prior, int(file["recipe"]))
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            remedy = "delete it, then: voicebot models pull"
            raise ModelMissing(f"{path} is damaged: {error}", remedy) from error

    @classmethod
    def of(cls, layer: LayerWeights) -> DigitAcousticModel:
        """One that lies in no file."""
        made = cls.__new__(cls)
        made._layer = layer
        return made

    @property
    def recipe(self) -> int:
        """See `LayerWeights.recipe`."""
        return self._layer.recipe

    @classmethod
    def find(cls, models: Path) -> DigitAcousticModel | None:
        """The one in the folder of models; None when there is none. Raises ModelMissing."""
        path = models / WEIGHTS
        return cls(path) if path.is_file() else None

    def scores(self, frames: Scores) -> Scores:
        """(T, features) of the encoder → (T, `STATES`) log-likelihoods, up to a constant for each frame.

        `OTHER` takes nothing from the digits: an accent makes them stranger, not less likely than each other.
        """
        logits = frames @ self._layer.matrix + self._layer.bias
        logits -= logits.max(1, keepdims=True)
        logits -= np.log(np.exp(logits[:, :OTHER]).sum(1, keepdims=True) + _TINY)
        return np.asarray(np.maximum(logits, _LEAST) - _PRIOR_SHARE * self._layer.prior, np.float32)


def dictated(scores: Scores, lengths: Sequence[int]) -> list[DigitString]:
    """The best string of each of `lengths` (1 and more) that fits in, likeliest first."""
    search = ViterbiSearch(scores, max(lengths))
    found = [search.best(length) for length in sorted(set(lengths))]
    return sorted((d for d in found if d is not None), key=lambda d: -d.score)


class ViterbiSearch:
    """Viterbi over (digits so far, word, part) and the silences between; all lengths up to `longest` at once."""

    def __init__(self, scores: Scores, longest: int) -> None:
        self._scores, size = scores, len(scores)
        self._words = scores[:, :SILENCE].reshape(size, len(DIGIT_WORDS), PARTS)
        silence = scores[:, SILENCE]
        inside = np.full((longest, len(DIGIT_WORDS), PARTS), _NEVER, np.float32)
        between = np.full(longest + 1, _NEVER, np.float32)
        inside[0, :, 0], between[0] = self._words[0, :, 0], silence[0]
        self._moved = np.zeros((size, longest, len(DIGIT_WORDS), PARTS), bool)
        self._ended = np.zeros((size, longest), np.int8)
        """The word that ends best at each place."""
        self._touching = np.zeros((size, longest), bool)
        """A word begun here follows the one before without silence."""
        self._paused = np.zeros((size, longest + 1), bool)
        for t in range(1, size):
            last = inside[:, :, -1]
            ended = last.argmax(1)
            end = last[np.arange(longest), ended]
            self._ended[t] = ended
            entry = between[:-1].copy()
            self._touching[t, 1:] = end[:-1] > entry[1:]
            entry[1:] = np.maximum(entry[1:], end[:-1])
            before = np.concatenate([np.broadcast_to(entry[:, None, None], (longest, len(DIGIT_WORDS), 1)), inside], 2)
            self._moved[t] = before[:, :, :-1] > inside
            inside = np.maximum(before[:, :, :-1], inside) + self._words[t]
            self._paused[t, 1:] = end > between[1:]
            between[1:] = np.maximum(end, between[1:])
            between += silence[t]
        self._inside, self._between = inside, between

    def score(self, length: int) -> float | None:
        """Log-likelihood of the best string of so many digits; None when they do not fit in."""
        score = max(float(self._between[length]), float(self._inside[length - 1, :, -1].max()))
        return score if score > _NEVER / 2 else None

    def best(self, length: int) -> DigitString | None:
        """The best string of so many digits (1 to `longest`)."""
        score = self.score(length)
        if score is None:
            return None
        last = self._inside[length - 1, :, -1]
        word = int(last.argmax())
        spans = self._trace(length, None if self._between[length] >= last[word] else word)
        places = np.array([_digits(self._fits(begin, end)) for begin, end, _ in spans], np.float32)
        heard = np.concatenate([np.arange(begin, end) for begin, end, _ in spans])
        strange = self._scores[heard, OTHER] - self._words[heard].reshape(len(heard), -1).max(1)
        digits = "".join(str(word % 10) for _, _, word in spans)
        return DigitString(digits, score, places - places.max(1, keepdims=True), float(strange.mean()))

    def _trace(self, length: int, word: int | None) -> list[tuple[int, int, int]]:
        """(first frame, frame after, word) of each place, back from the last frame."""
        spans: list[tuple[int, int, int]] = []
        t, place, part, end = len(self._scores) - 1, length, PARTS - 1, len(self._scores)
        while True:
            if word is None:  # in the silence after `place` words
                if t == 0 or place == 0:
                    return spans[::-1]
                if self._paused[t, place]:
                    word, part, end = int(self._ended[t, place - 1]), PARTS - 1, t
                t -= 1
                continue
            if t == 0:
                return [(0, end, word), *spans[::-1]]
            if not self._moved[t, place - 1, word, part]:
                t -= 1
                continue
            if part:
                part, t = part - 1, t - 1
                continue
            spans.append((t, end, word))
            place -= 1
            word, part, end = (
                (int(self._ended[t, place - 1]), PARTS - 1, t) if self._touching[t, place] else (None, 0, 0)
            )
            t -= 1

    def _fits(self, begin: int, end: int) -> Scores:
        """(words,): log-likelihood of each word in these frames."""
        row = np.full((len(DIGIT_WORDS), PARTS), _NEVER, np.float32)
        row[:, 0] = self._words[begin, :, 0]
        for t in range(begin + 1, end):
            row[:, 1:] = np.maximum(row[:, 1:], row[:, :-1])
            row += self._words[t]
        return np.asarray(row[:, -1], np.float32)


def _digits(words: Scores) -> Scores:
    """Words → digits: zero has two."""
    found = words[:10].copy()
    found[0] = max(found[0], words[10])
    return found


def aligned(scores: Scores, words: Sequence[int]) -> NDArray[np.int64]:
    """The state of each frame when exactly these words (indices of `DIGIT_WORDS`) were said; for training."""
    states = [SILENCE]
    for word in words:
        states += [*range(word * PARTS, (word + 1) * PARTS), SILENCE]
    order = np.array(states)
    may_skip = np.concatenate([[False, False], order[1:-1] == SILENCE])
    emitted, row = scores[:, order], np.full(len(order), _NEVER)
    row[:2] = emitted[0, :2]
    back = np.zeros((len(scores), len(order)), np.int64)
    for t in range(1, len(scores)):
        skipped = np.where(may_skip, np.concatenate([[_NEVER, _NEVER], row[:-2]]), _NEVER)
        ways = np.stack([row, np.concatenate([[_NEVER], row[:-1]]), skipped])
        back[t] = ways.argmax(0)
        row = ways.max(0) + emitted[t]
    at = len(order) - 1 if row[-1] >= row[-2] else len(order) - 2
    path = [at]
    for t in range(len(scores) - 1, 0, -1):
        path.append(path[-1] - int(back[t, path[-1]]))
    return np.asarray(order[path[::-1]], np.int64)
