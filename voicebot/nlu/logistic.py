"""Multinomial logistic regression in plain numpy: the weights that scikit-learn finds, without its 80 MB.

Objective: mean cross-entropy plus ``|W|² / (2 C n)``; the intercepts are free. It is minimised by L-BFGS (Nocedal and
Wright, "Numerical Optimization", 2nd ed., algorithms 7.4 and 7.5) with the constants of SciPy's L-BFGS-B and the line
search of Moré and Thuente (1994), from zeros. Training ends early, at a gradient of `tolerance`: that is part of what
the classifier is, so the way there has to be the same, not only its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicebot.nlu.line_search import find_step
from voicebot.nlu.sparse_rows import SparseRows

Array = NDArray[np.float64]
_REMEMBERED = 10
"""Pairs of steps and gradient changes that stand for the second derivatives."""
_FLAT = 64 * np.finfo(np.float64).eps
"""A step that lowers the objective by less than this share of it is the last one."""


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """Trained weights.

    Attributes:
        weights: (features, columns); one column where there are two classes, otherwise one a class.
        biases: (columns,).
    """

    weights: Array
    biases: Array

    @classmethod
    def fit(
        cls,
        features: Array | SparseRows,
        labels: NDArray[np.int64],
        *,
        c: float,
        tolerance: float,
        steps: int,
        shares: Array | None = None,
    ) -> LogisticRegression:
        """Learn.

        Args:
            features: (examples, features).
            labels: class of each example, 0 … classes - 1, each at least once.
            c: how little the weights are held back.
            tolerance: the largest component of the gradient at which training ends.
            steps: at most so many.
            shares: weight of each example; all the same without.
        """
        weighed = np.ones(len(labels)) if shares is None else shares
        count, classes = features.shape[1], int(labels.max()) + 1
        shape = (count + 1, 1 if classes == 2 else classes)
        loss = _Loss(features, labels, weighed / weighed.sum(), 1 / (c * weighed.sum()), shape)
        found = _minimise(loss, np.zeros(shape[0] * shape[1]), tolerance, steps).reshape(shape)
        return cls(found[:-1].copy(), found[-1].copy())

    def logits(self, features: Array | SparseRows) -> Array:
        """(examples, classes), two columns of opposite sign where there are two classes."""
        z = np.asarray(features @ self.weights + self.biases, np.float64)
        return np.concatenate([-z, z], axis=1) if z.shape[1] == 1 else z


class _Loss:
    """The objective and its gradient, of weights and (last row) intercepts laid out flat."""

    def __init__(
        self,
        features: Array | SparseRows,
        labels: NDArray[np.int64],
        shares: Array,
        hold: float,
        shape: tuple[int, int],
    ) -> None:
        self._features, self._transposed = features, features.T
        self._labels, self._shares, self._hold, self._shape = labels, shares, hold, shape

    def __call__(self, flat: Array) -> tuple[float, Array]:
        both = flat.reshape(self._shape)
        weights = both[:-1]
        z = self._features @ weights + both[-1]
        lost, wrong = self._two(z) if z.shape[1] == 1 else self._several(z)
        wrong *= self._shares[:, None]
        gradient = np.empty(self._shape)
        gradient[:-1] = self._transposed @ wrong + self._hold * weights
        gradient[-1] = wrong.sum(axis=0)
        value = float(self._shares @ lost) + 0.5 * self._hold * float(np.vdot(weights, weights))
        return value, gradient.reshape(-1)

    def _two(self, z: Array) -> tuple[Array, Array]:
        z, second = z[:, 0], self._labels == 1
        lost = np.logaddexp(0, z) - np.where(second, z, 0.0)
        return lost, (np.exp(-np.logaddexp(0, -z)) - second)[:, None]

    def _several(self, z: Array) -> tuple[Array, Array]:
        rows = np.arange(len(z))
        z = z - z.max(axis=1, keepdims=True)
        chances = np.exp(z)
        whole = chances.sum(axis=1, keepdims=True)
        lost = np.log(whole[:, 0]) - z[rows, self._labels]
        chances /= whole
        chances[rows, self._labels] -= 1
        return lost, chances


def _minimise(objective: Callable[[Array], tuple[float, Array]], at: Array, tolerance: float, steps: int) -> Array:
    value, gradient = objective(at)
    pairs: deque[tuple[Array, Array, float]] = deque(maxlen=_REMEMBERED)
    for step in range(steps):
        if np.abs(gradient).max() <= tolerance:
            break
        way = _direction(gradient, pairs)
        slope = float(way @ gradient)
        if slope >= 0:  # rounding has made the memory useless
            pairs.clear()
            way = -gradient
            slope = float(way @ gradient)
        first = 1.0 if step else min(1.0 / float(np.linalg.norm(way)), 1e10)
        found = find_step(lambda length, way=way, at=at: _along(objective, at, way, length), value, slope, first)  # type: ignore[misc]
        if found is None:
            break
        length, after, gradient_after = found
        moved, turned = length * way, gradient_after - gradient
        at = at + moved
        curvature = float(moved @ turned)
        if curvature > np.finfo(np.float64).eps * -slope * length:
            pairs.append((moved, turned, curvature))
        flat = value - after <= _FLAT * max(abs(value), abs(after), 1.0)
        value, gradient = after, gradient_after
        if flat:
            break
    return at


def _along(
    objective: Callable[[Array], tuple[float, Array]], at: Array, way: Array, length: float
) -> tuple[float, float, Array]:
    value, gradient = objective(at + length * way)
    return value, float(way @ gradient), gradient


def _direction(gradient: Array, pairs: deque[tuple[Array, Array, float]]) -> Array:
    """Two-loop recursion: minus the inverse second derivatives, as far as they are known, times the gradient."""
    way = -gradient
    shares = []
    for moved, turned, curvature in reversed(pairs):
        share = float(moved @ way) / curvature
        way = way - share * turned
        shares.append(share)
    if pairs:
        _, turned, curvature = pairs[-1]
        way = way * (curvature / float(turned @ turned))
    for (moved, turned, curvature), share in zip(pairs, reversed(shares), strict=True):
        way = way + moved * (share - float(turned @ way) / curvature)
    return way
