"""The classifier: logistic regression on sentence vectors and on word and letter n-grams, and how sure the two are.

0.6 of the first and 0.4 of the second (measured in ../shared/design.md, decision 7: vectors alone lose more under
recognition errors). The confidence is the chance that the best intent is right and in scope, learnt from held-out
examples, held-out intents and a bank of off-topic sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from voicebot.nlu import ngrams
from voicebot.nlu.encoder import Floats, SentenceEncoder
from voicebot.nlu.logistic import LogisticRegression
from voicebot.nlu.ngrams import NgramIndex

NGRAM_SHARE = 0.4
SHARPNESS = 2.0
"""Logits are multiplied with this before they are compared; regularised regression is too modest."""
OFF_TOPIC_SHARE = 0.2
"""Weight of off-topic sentences among all when the confidence is learnt."""
_FOLDS = 5
Array = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _under(name: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}


class _Base:
    """Both regressions, trained on one set of examples."""

    def __init__(
        self,
        vectors: Floats,
        labels: NDArray[np.int64],
        grams: tuple[NgramIndex, NgramIndex],
        on_vectors: LogisticRegression,
        on_grams: LogisticRegression,
    ) -> None:
        self.vectors, self.labels = vectors, labels
        self._grams, self._on_vectors, self._on_grams = grams, on_vectors, on_grams
        self.known = {gram for gram in grams[0].grams if " " not in gram}
        self.classes = np.unique(labels)
        centres = np.stack([vectors[labels == c].mean(axis=0) for c in self.classes])
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)

    @classmethod
    def trained(cls, texts: list[str], vectors: Floats, labels: NDArray[np.int64]) -> _Base:
        """Learn from examples."""
        grams = (NgramIndex.of(ngrams.words, texts), NgramIndex.of(ngrams.letters, texts))
        places = np.unique(labels, return_inverse=True)[1]
        on_vectors = LogisticRegression.fit(vectors.astype(np.float64), places, c=40.0, tolerance=1e-3, steps=300)
        rows = ngrams.side_by_side(grams, texts)
        on_grams = LogisticRegression.fit(rows, places, c=30.0, tolerance=1e-3, steps=200)
        return cls(vectors, labels, grams, on_vectors, on_grams)

    @classmethod
    def restored(cls, arrays: Arrays) -> _Base:
        """That of which `arrays` are."""
        grams = (
            NgramIndex.restored(ngrams.words, _under("words", arrays)),
            NgramIndex.restored(ngrams.letters, _under("letters", arrays)),
        )
        on_vectors, on_grams = (
            LogisticRegression(arrays[f"on_{what}.weights"], arrays[f"on_{what}.biases"])
            for what in ("vectors", "grams")
        )
        return cls(arrays["vectors"], arrays["labels"], grams, on_vectors, on_grams)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `restored` needs."""
        found: dict[str, NDArray[Any]] = {"vectors": self.vectors, "labels": self.labels}
        for name, index in zip(("words", "letters"), self._grams, strict=True):
            found |= {f"{name}.{key}": array for key, array in index.arrays().items()}
        for name, model in (("on_vectors", self._on_vectors), ("on_grams", self._on_grams)):
            found |= {f"{name}.weights": model.weights, f"{name}.biases": model.biases}
        return found

    def scores(self, texts: list[str], vectors: Floats) -> tuple[Array, Array]:
        """Log-probabilities (n, classes) and the eight features of the confidence (n, 8)."""
        dense = self._on_vectors.logits(vectors.astype(np.float64))
        grams = ngrams.side_by_side(self._grams, texts)
        both = (1 - NGRAM_SHARE) * _log_softmax(dense * SHARPNESS)
        both = _log_softmax(both + NGRAM_SHARE * _log_softmax(self._on_grams.logits(grams) * SHARPNESS))
        return both, self._features(texts, vectors, both, dense)

    def _features(self, texts: list[str], vectors: Floats, both: Array, dense: Array) -> Array:
        rows, top = np.arange(len(texts)), both.argmax(axis=1)
        ranked = np.sort(both, axis=1)[:, ::-1]
        likeness = vectors @ self.vectors.T
        own = np.where(self.labels[None] == self.classes[top][:, None], likeness, -0.2)
        own.sort(axis=1)
        best = np.clip(np.exp(ranked[:, 0]), 1e-4, 1 - 1e-4)
        covered = [np.mean([float(w in self.known) for w in text.split()] or [0.0]) for text in texts]
        columns = [
            np.log(best / (1 - best)),
            ranked[:, 0] - ranked[:, min(1, ranked.shape[1] - 1)],
            own[:, -1],
            own[:, -3:].mean(axis=1),
            (vectors @ self._centres.T)[rows, top],
            likeness.max(axis=1) - own[:, -1],
            dense.max(axis=1),
            np.asarray(covered),
        ]
        return np.asarray(np.stack(columns, axis=1), np.float64)


def _stratified(labels: NDArray[np.int64], folds: int) -> Iterator[NDArray[np.int64]]:
    """The examples of each fold, with each class in all of them alike (as scikit-learn's StratifiedKFold shuffles)."""
    chance = np.random.RandomState(0)
    _, first, found = np.unique(labels, return_index=True, return_inverse=True)
    by_appearance = np.argsort(np.argsort(first))[found]
    ordered = np.sort(by_appearance)
    shares = np.stack([np.bincount(ordered[fold::folds], minlength=len(first)) for fold in range(folds)])
    fold_of = np.empty(len(labels), np.int64)
    for c in range(len(first)):
        places = np.repeat(np.arange(folds), shares[:, c])
        chance.shuffle(places)
        fold_of[by_appearance == c] = places
    yield from (np.flatnonzero(fold_of == fold) for fold in range(folds))


@dataclass(frozen=True, slots=True)
class _Confidence:
    mean: Array
    spread: Array
    weights: Array
    bias: float

    def __call__(self, features: Array) -> Array:
        z = (features - self.mean) / self.spread @ self.weights + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))))


class Hybrid:
    """A trained classifier. Safe to call from several threads.

    Args:
        encoder: sentences to vectors.
        intents: their names, sorted.
        base: the regressions.
        confidence: how sure they are.
    """

    def __init__(
        self, encoder: SentenceEncoder, intents: NDArray[np.str_], base: _Base, confidence: _Confidence
    ) -> None:
        self._encoder, self.intents = encoder, intents
        self._base, self._confidence = base, confidence

    @classmethod
    def trained(cls, encoder: SentenceEncoder, texts: list[str], labels: list[str], off_topic: list[str]) -> Hybrid:
        """Learn.

        Args:
            encoder: sentences to vectors.
            texts: examples in normal form.
            labels: the intent of each.
            off_topic: sentences in normal form that are no intent's.

        Raises:
            ValueError: fewer than two intents.
        """
        intents, numbers = np.unique(np.asarray(labels), return_inverse=True)
        if len(intents) < 2:
            raise ValueError("at least two intents are needed")
        vectors = encoder(texts)
        y = numbers.astype(np.int64)
        base = _Base.trained(texts, vectors, y)
        outside = base.scores(off_topic, encoder(off_topic))[1] if off_topic else None
        return cls(encoder, intents, base, _calibrate(texts, vectors, y, outside))

    @classmethod
    def restored(cls, encoder: SentenceEncoder, payload: bytes) -> Hybrid:
        """That of which `payload` is. Raises ValueError: it is of none."""
        try:
            arrays = safetensors.load(payload)
            intents = np.array(arrays["intents"].tobytes().decode().split("\n"))
            confidence = _Confidence(arrays["mean"], arrays["spread"], arrays["confidence"], float(arrays["bias"][0]))
            return cls(encoder, intents, _Base.restored(arrays), confidence)
        except (SafetensorError, KeyError, IndexError, UnicodeError) as error:
            raise ValueError(f"no trained classifier: {error}") from None

    def saved(self) -> bytes:
        """What `restored` needs, in the form of safetensors: numbers and names, nothing that is run."""
        sure = self._confidence
        arrays: dict[str, NDArray[Any]] = {
            **self._base.arrays(),
            "intents": np.frombuffer("\n".join(self.intents).encode(), np.uint8),
            "mean": sure.mean, "spread": sure.spread, "confidence": sure.weights, "bias": np.array([sure.bias]),
        }  # fmt: skip
        return bytes(safetensors.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))

    def __call__(self, texts: list[str]) -> tuple[Array, Array]:
        """Probabilities of all intents (n, intents) and the confidence of the best (n)."""
        scores, features = self._base.scores(texts, self._encoder(texts))
        return np.exp(scores), self._confidence(features)


def _calibrate(texts: list[str], vectors: Floats, y: NDArray[np.int64], off_topic: Array | None) -> _Confidence:
    """Learn how sure to be. `off_topic`: features of sentences that are no intent's."""
    inside, right = _held_out_examples(texts, vectors, y)
    intents = int(y.max()) + 1
    outside = [_held_out_intents(texts, vectors, y, intents)] if intents >= 4 else []
    if off_topic is not None:
        outside.append(off_topic)
    features = np.concatenate([inside, *outside])
    truth = np.concatenate([right, *(np.zeros(len(o), bool) for o in outside)])
    odds = OFF_TOPIC_SHARE / (1 - OFF_TOPIC_SHARE) * len(inside)
    weights = np.concatenate([np.ones(len(inside)), *(np.full(len(o), odds / len(o) / len(outside)) for o in outside)])
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    if truth.all() or not truth.any():  # nothing to learn from: trust the best probability
        return _Confidence(np.zeros(8), np.ones(8), np.eye(8)[0], 0.0)
    model = LogisticRegression.fit(
        (features - mean) / spread, truth.astype(np.int64), c=1.0, tolerance=1e-4, steps=500, shares=weights
    )
    return _Confidence(mean, spread, model.weights[:, 0], float(model.biases[0]))


def _held_out_examples(texts: list[str], vectors: Floats, y: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    folds = max(2, min(_FOLDS, int(np.bincount(y).min())))
    features, right = [], []
    for test in _stratified(y, folds):
        train = np.setdiff1d(np.arange(len(y)), test)
        base = _Base.trained([texts[i] for i in train], vectors[train], y[train])
        scores, found = base.scores([texts[i] for i in test], vectors[test])
        features.append(found)
        right.append(base.classes[scores.argmax(axis=1)] == y[test])
    return np.concatenate(features), np.concatenate(right)


def _held_out_intents(texts: list[str], vectors: Floats, y: NDArray[np.int64], intents: int) -> Array:
    shuffled = np.random.default_rng(0).permutation(intents)
    features = []
    for group in np.array_split(shuffled, min(_FOLDS, len(shuffled) // 2)):
        out = np.isin(y, group)
        train, test = np.flatnonzero(~out), np.flatnonzero(out)
        base = _Base.trained([texts[i] for i in train], vectors[train], y[train])
        features.append(base.scores([texts[i] for i in test], vectors[test])[1])
    return np.concatenate(features)
