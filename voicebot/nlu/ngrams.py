"""N-grams of words and letters, weighed by how often a text has them and how few texts do (TF-IDF).

Salton and Buckley, "Term-weighting approaches in automatic text retrieval" (1988), with ``1 + ln`` of the counts,
smooth inverse document frequencies, and rows of length one: what TfidfVectorizer of scikit-learn computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicebot.nlu.sparse_rows import SparseRows

LETTERS = range(2, 6)
"""Lengths of n-grams of letters, inside words and over their edges."""
Cut = Callable[[str], list[str]]


class NgramIndex:
    """The n-grams of a set of texts.

    Args:
        cut: text → its n-grams.
        grams: those that count, in the order of their columns.
        rarity: of each, its inverse document frequency.
    """

    def __init__(self, cut: Cut, grams: Sequence[str], rarity: NDArray[np.float64]) -> None:
        self._cut = cut
        self.grams, self.rarity = list(grams), rarity
        self._column = {gram: column for column, gram in enumerate(self.grams)}

    @classmethod
    def of(cls, cut: Cut, texts: Sequence[str]) -> NgramIndex:
        """That of `texts`."""
        having = Counter(gram for text in texts for gram in set(cut(text)))
        grams = sorted(having)
        counts = np.array([having[gram] for gram in grams], np.float64)
        return cls(cut, grams, np.log((1 + len(texts)) / (1 + counts)) + 1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `restored` needs. No n-gram holds a line break."""
        return {"grams": np.frombuffer("\n".join(self.grams).encode(), np.uint8), "rarity": self.rarity}

    @classmethod
    def restored(cls, cut: Cut, arrays: Mapping[str, NDArray[Any]]) -> NgramIndex:
        """The index that `arrays` are of."""
        return cls(cut, arrays["grams"].tobytes().decode().split("\n"), arrays["rarity"])

    def rows(self, texts: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Columns and weights of each text's n-grams, rows of length one; unknown n-grams are passed over."""
        out = []
        for text in texts:
            known = Counter(column for gram in self._cut(text) if (column := self._column.get(gram)) is not None)
            columns = np.fromiter(known, np.int64, len(known))
            counts = np.fromiter(known.values(), np.float64, len(known))
            weights = (1 + np.log(counts)) * self.rarity[columns]
            length = float(np.sqrt(weights @ weights))
            out.append((columns, weights / length if length else weights))
        return out


def side_by_side(indices: Sequence[NgramIndex], texts: Sequence[str]) -> SparseRows:
    """The rows of several indices, one after the other in each row."""
    shift, parts = 0, []
    for index in indices:
        parts.append([(columns + shift, weights) for columns, weights in index.rows(texts)])
        shift += len(index.grams)
    pieces = [piece for row in zip(*parts, strict=True) for piece in row]
    sizes = [sum(len(columns) for columns, _ in row) for row in zip(*parts, strict=True)]
    return SparseRows(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([np.zeros(0, np.int64), *(columns for columns, _ in pieces)]),
        np.concatenate([np.zeros(0), *(weights for _, weights in pieces)]),
        shift,
    )


def words(text: str) -> list[str]:
    """Words and pairs of words."""
    single = text.lower().split()
    return single + [f"{one} {next_one}" for one, next_one in pairwise(single)]


def letters(text: str) -> list[str]:
    """`LETTERS` letters in a row of each word with a blank on either side; a word shorter than that once."""
    grams = []
    for word in text.lower().split():
        padded = f" {word} "
        for size in LETTERS:
            grams += [padded[at : at + size] for at in range(max(1, len(padded) - size + 1))]
            if len(padded) <= size:
                break
    return grams
