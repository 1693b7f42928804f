"""Engines: what computes crops and gradients from an operator's taps.

An engine is a module with the functions of `Engine`; it asks a geometry's operator for taps, and
knows no operator. What uses engines chooses one: see `lucid.roi.pooling`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import DTypeLike

from lucid.roi.geometry import Geometry, Operator
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


class Region(NamedTuple):
    """A map, or a part of one, and how many of the RoIs of a geometry lie on it."""

    features: Array  # (C, h, w)
    rois: int
    origin: tuple[int, int] = (0, 0)  # the cell of the map that the part begins at


class WorkingBytes(NamedTuple):
    """What an engine holds while it works."""

    region: int  # for a part of a map, and a RoI on all of it
    weights: int  # for the weights of one RoI, at worst


class Engine(Protocol):
    """Crops and gradients of RoIs that lie on regions, one region after the other.

    `rows[k]` is the row of RoI k in the crops (.., C, PH, PW) or in their gradient; `dtype` is
    the one to weight in.
    """

    def pool(
        self,
        regions: Sequence[Region],
        geometry: Geometry,
        crops: Array,
        rows: Indices,
        dtype: DTypeLike,
        workers: Workers[Any],
    ) -> None:
        """Write the crops of RoIs into `crops[rows]`.

        Raises
        ------
        FloatingPointError
            If `crops` are of a dtype that cannot hold a value.
        """

    def pool_adjoint(
        self,
        gradient: Array,
        rows: Indices,
        geometry: Geometry,
        features: Array,
        dtype: DTypeLike,
        workers: Workers[Any],
    ) -> None:
        """Write to all of `features` (C, H, W), a map, its gradient from that of the crops."""

    def box_gradient(
        self,
        gradient: Array,
        rows: Indices,
        features: Array,
        geometry: Geometry,
        dtype: DTypeLike,
        workers: Workers[Any],
    ) -> Floats:
        """Return the gradient of boxes (K, 4) on one map (C, H, W) from that of the crops."""

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
