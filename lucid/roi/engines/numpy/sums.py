"""Products of a sparse matrix: sums of rows, each times a weight."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Ints

GATHERED_BYTES = 2 << 20  # cells at once: more would leave the cache, fewer cost calls


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
            some = np.flatnonzero(room == terms)
            group = self._of(first[some], count[some], terms)
            step = max(GATHERED_BYTES // (terms * nbytes or 1), 1)
            for begin in range(0, len(some), step):
                now = slice(begin, begin + step)
                yield Terms(group.into[now], group.of[now], group.weights[now])

    def _of(self, first: Ints, count: Ints, terms: int) -> "Terms":
        """Return sums of so many terms, the last ones 0 where there are fewer."""
        along, count = np.arange(terms), count[:, None]
        places = first[:, None] + np.minimum(along, count - 1)
        weights = self.weights[places]
        np.copyto(weights, 0, where=along >= count)
        return Terms(self.into[first], self.of[places], weights)


def add_products(out: Array, values: Array, terms: Terms, space: Workspace, more: bool) -> None:
    """Add to some rows of `out`, or set them to, some rows of `values`, each times a weight.

    Rows that gain as many terms, or nearly, are worked on together. A row's sum has an order.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, of, weights in terms.sorted().groups(values[:1].nbytes):
            gathered = space.patch.array((*of.shape, values.shape[1]), values.dtype)
            values.take(of, 0, gathered, "clip")
            products = np.matmul(weights[:, None], gathered)[:, 0]
            out[rows] = out[rows] + products if more else products


def _rounded_up(count: Ints) -> Ints:
    """Return numbers of at most a third more, of which there are few."""
    step = 1 << np.maximum(np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64) - 2, 0)
    rounded: Ints = -(-count // step) * step
    return rounded
