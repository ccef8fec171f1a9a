"""Our own regression and n-grams against scikit-learn's, which found the weights before."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.model_selection import StratifiedKFold

from voicebot.nlu import classifier, ngrams
from voicebot.nlu.line_search import find_step
from voicebot.nlu.logistic import LogisticRegression
from voicebot.nlu.ngrams import NgramIndex
from voicebot.nlu.sparse_rows import SparseRows

TEXTS = [
    "where is my order", "where is it", "i want to order order order a lamp", "a", "", "it is a lamp",
    "book an appointment please", "un rendez-vous à paris", "i i i want it now", "now",
]  # fmt: skip
NEW = ["order a lamp now", "zebra", "", "where where is paris"]


def made(classes: int, count: int = 120, width: int = 30) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    chance = np.random.default_rng(classes)
    labels = np.arange(count) % classes
    centres = chance.normal(size=(classes, width))
    return centres[labels] + chance.normal(size=(count, width)) * 1.5, labels


@pytest.mark.parametrize("classes", [2, 3, 12])
@pytest.mark.parametrize(("c", "tolerance"), [(40.0, 1e-3), (1.0, 1e-4), (1000.0, 1e-7)])
def test_weights_are_those_of_scikit_learn_where_training_ends_early_and_where_it_does_not(
    classes: int, c: float, tolerance: float
) -> None:
    features, labels = made(classes)
    ours = LogisticRegression.fit(features, labels, c=c, tolerance=tolerance, steps=400)
    theirs = Reference(C=c, tol=tolerance, max_iter=400).fit(features, labels)
    limit = 1e-6 if tolerance > 1e-6 else 2e-3  # a hundred steps on, rounding has led both a little apart
    assert np.abs(ours.weights.T - theirs.coef_).max() < limit
    assert np.abs(ours.biases - theirs.intercept_).max() < limit


def test_examples_can_weigh_more_than_others() -> None:
    features, labels = made(2)
    shares = np.random.default_rng(1).uniform(0.1, 3.0, len(labels))
    ours = LogisticRegression.fit(features, labels, c=1.0, tolerance=1e-4, steps=500, shares=shares)
    theirs = Reference(C=1.0, max_iter=500).fit(features, labels, sample_weight=shares)
    assert np.abs(ours.weights[:, 0] - theirs.coef_[0]).max() < 1e-6


def test_features_of_very_different_size_need_a_search_along_the_line_and_come_to_the_same() -> None:
    features, labels = made(4)
    features = features * np.geomspace(1e-2, 1e2, features.shape[1])
    ours = LogisticRegression.fit(features, labels, c=30.0, tolerance=1e-2, steps=999)
    theirs = Reference(C=30.0, tol=1e-2, max_iter=999).fit(features, labels)
    assert np.abs(ours.logits(features) - theirs.decision_function(features)).max() < 1e-4


def test_n_grams_weigh_what_scikit_learn_gives_them() -> None:
    indices = (NgramIndex.of(ngrams.words, TEXTS), NgramIndex.of(ngrams.letters, TEXTS))
    theirs = (
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[^ ]+").fit(TEXTS),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True).fit(TEXTS),
    )
    for index, reference in zip(indices, theirs, strict=True):
        assert index.grams == list(reference.get_feature_names_out())
    for texts in (TEXTS, NEW):
        rows = ngrams.side_by_side(indices, texts)
        expected = np.hstack([reference.transform(texts).toarray() for reference in theirs])
        assert np.abs(rows @ np.eye(rows.shape[1]) - expected).max() < 1e-12


def test_sparse_rows_multiply_from_either_side_with_empty_rows_and_columns() -> None:
    dense = np.array([[0, 2.0, 0, 0], [0, 0, 0, 0], [1.0, 0, 0, 3.0]])
    rows = SparseRows(np.array([0, 1, 1, 3]), np.array([1, 0, 3]), np.array([2.0, 1.0, 3.0]), 4)
    assert np.array_equal(rows @ np.eye(4), dense)
    assert np.array_equal(rows.T @ np.eye(3), dense.T)


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_those_of_scikit_learn(folds: int) -> None:
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(7), [5, 9, 6, 12, 5, 20, 7]))
    expected = StratifiedKFold(folds, shuffle=True, random_state=0).split(labels, labels)
    for ours, (_, theirs) in zip(classifier._stratified(labels, folds), expected, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_step_is_found_on_a_line_that_falls_steeply_first_and_rises_later() -> None:
    def along(step: float) -> tuple[float, float, NDArray[np.float64]]:
        return (step - 3) ** 4 - 81, 4 * (step - 3) ** 3, np.zeros(1)

    for first in (1e-3, 1.0, 50.0):
        found = find_step(along, 0.0, -108.0, first)
        assert found is not None
        value, slope, _ = along(found[0])
        assert value <= 1e-3 * found[0] * -108.0
        assert abs(slope) <= 0.9 * 108.0


def test_no_step_is_found_where_every_one_leads_up() -> None:
    assert find_step(lambda step: (step, 1.0, np.zeros(1)), 0.0, -1.0, 1.0) is None
