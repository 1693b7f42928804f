"""Products of a sparse matrix: sums of rows, each times a weight."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Ints

GATHERED_BYTES = 1 << 20  # cells at once: the cache holds them


class Terms(NamedTuple):
    """Terms of sums: to rows `into` belong rows `of`, each times a weight; (n,) or (rows, n)."""

    into: Ints
    of: Ints
    weights: Array

    def sorted(self) -> "Terms":
        """Return terms sorted by the rows that they belong to."""
        if (self.into[1:] >= self.into[:-1]).all():
            return self
        order = np.argsort(self.into, kind="stable")
        return Terms._make(values[order] for values in self)

    def groups(self, nbytes: int) -> "Iterator[Terms]":
        """Yield sums of nearly as many terms, as many as the cache holds rows of so many bytes."""
        first = np.flatnonzero(np.diff(self.into, prepend=-1))
        count = np.diff(first, append=len(self.into))
        room = _rounded_up(count)
        for terms in np.unique(room).tolist():
            some, along = np.flatnonzero(room == terms), np.arange(terms)
            step = max(GATHERED_BYTES // (terms * nbytes or 1), 1)
            for now in np.split(some, range(step, len(some), step)):
                places = first[now, None] + np.minimum(along, count[now, None] - 1)
                own = np.where(along < count[now, None], self.weights[places], 0)
                yield Terms(self.into[first[now]], self.of[places], own)


def add_products(out: Array, values: Array, terms: Terms, space: Workspace, more: bool) -> None:
    """Add to some rows of `out`, or set them to, some rows of `values`, each times a weight.

    Rows that gain as many terms, or nearly, are worked on together. A row's sum has an order.
    """
    for rows, of, weights in terms.sorted().groups(values[:1].nbytes):
        products = _products(weights, values, of, space)
        out[rows] = out[rows] + products if more else products


def _products(weights: Array, values: Array, of: Ints, space: Workspace) -> Array:
    """Return sums (n, C) of rows of `values`, so many for each, times their weights."""
    gathered = space.patch.array((*of.shape, values.shape[1]), values.dtype)
    values.take(of, 0, gathered, "clip")
    with np.errstate(over="ignore", invalid="ignore"):
        sums: Array = np.matmul(weights[:, None], gathered)[:, 0]
    return sums


def _rounded_up(count: Ints) -> Ints:
    """Return numbers of at most a third more, of which there are few."""
    step = 1 << np.maximum(np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64) - 2, 0)
    rounded: Ints = -(-count // step) * step
    return rounded
