"""Rows of which few numbers are not zero, as much of them as n-grams need."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]


class SparseRows:
    """A matrix by rows.

    Args:
        starts: (rows + 1,): where each row begins in the other two.
        columns: the column of each number.
        numbers: those that are not zero.
        width: columns.
    """

    def __init__(self, starts: Places, columns: Places, numbers: Array, width: int) -> None:
        self.starts, self.columns, self.numbers = starts, columns, numbers
        self.shape = (len(starts) - 1, width)

    def __matmul__(self, dense: Array) -> Array:
        """Times (columns, n): (rows, n)."""
        out = np.zeros((self.shape[0], dense.shape[1]))
        filled = np.flatnonzero(np.diff(self.starts))
        if len(filled):
            products = dense[self.columns] * self.numbers[:, None]
            out[filled] = np.add.reduceat(products, self.starts[filled], axis=0)
        return out

    @cached_property
    def T(self) -> SparseRows:
        """Rows and columns exchanged."""
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.starts))[order]
        counts = np.bincount(self.columns, minlength=self.shape[1])
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return SparseRows(starts, rows, self.numbers[order], self.shape[0])
