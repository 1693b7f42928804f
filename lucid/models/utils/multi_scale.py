"""`MultiScaleROIAlign` and `assign_levels`: each RoI on the map that suits its size."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor, record
from lucid.errors import DTypeError, ShapeError
from lucid.models.utils.apply import array_of, taken
from lucid.models.utils.boxes import as_rows, boxes_by_image, gradients_of
from lucid.nn.module import Module
from lucid.roi.geometry import Operator
from lucid.roi.levels import CANONICAL_LEVEL, CANONICAL_SCALE, as_canonical, as_scales, levels_of
from lucid.roi.operator import OutputSize, as_aligned, as_output_size, as_sampling_ratio
from lucid.roi.operators import OPERATORS, operator_of, pooler_options

Array = NDArray[Any]


class MultiScaleROIAlign(Module):
    """Crops from a pyramid of maps, each RoI on the map that suits its size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.
    sampling_ratio : int or math.inf
        As in `roi_align`.
    canonical_level, canonical_scale : float
        A box of sides `canonical_scale`, in input coordinates, belongs to level `canonical_level`,
        which is the map of stride 2 ** canonical_level; one of half the sides to the level below.
        See `assign_levels`.
    aligned : bool, optional
        As in `roi_align`; None is the default of the pooler.
    pooler : str
        The operator that pools on each map, by the command's name, such as 'roi-align'.
    **options
        Those of the pooler, such as `mode`, `outside` and `max_samples`.

    Raises
    ------
    ValueError, TypeError
        If an argument has no meaning, or means nothing to the pooler.

    Notes
    -----
    Unlike in torchvision, the scales of the maps are given and not inferred from their heights,
    and maps need not have consecutive strides.

    Examples
    --------
    >>> import numpy as np
    >>> fine, coarse = np.zeros((1, 3, 64, 64)), np.ones((1, 3, 32, 32))
    >>> pyramid = MultiScaleROIAlign(output_size=2, sampling_ratio=2)
    >>> boxes = [[0, 0, 0, 100, 100], [0, 0, 0, 224, 224]]
    >>> crops = pyramid([fine, coarse], boxes, spatial_scales=[1 / 4, 1 / 8])
    >>> crops.shape
    (2, 3, 2, 2)
    >>> crops.mean(axis=(1, 2, 3))
    array([0., 1.])
    """

    def __init__(
        self,
        output_size: OutputSize,
        sampling_ratio: SupportsIndex | float = -1,
        *,
        canonical_level: float = CANONICAL_LEVEL,
        canonical_scale: float = CANONICAL_SCALE,
        aligned: bool | None = False,
        pooler: str = "roi-align",
        **options: Any,
    ) -> None:
        self.output_size = as_output_size(output_size)
        self.sampling_ratio = as_sampling_ratio(sampling_ratio)
        self.canonical_level, self.canonical_scale = as_canonical(canonical_level, canonical_scale)
        said = {"sampling_ratio": self.sampling_ratio, **options}
        if aligned is not None:
            said["aligned"] = as_aligned(aligned)
        self.pooler, self._options = pooler, pooler_options(pooler, said)
        self._pooler_of(1.0)  # options are refused before there are maps

    def forward(
        self,
        features: Sequence[Operand] | Mapping[str, Operand],
        rois: Operand,
        spatial_scales: Sequence[float] | Mapping[str, float],
    ) -> Any:
        """Return the crops (K, C, PH, PW).

        Parameters
        ----------
        features : sequence or dict of Tensor or array_like of shape (N, C, H, W)
            The maps, in any order; all of the same N, C and dtype.
        rois : Tensor or array_like of shape (K, 5), or a list of N of shape (n, 4)
            As in `roi_align`; rotated ones have a column more.
        spatial_scales : sequence or dict of float
            Cells per input pixel of each map, such as 1/4, 1/8, 1/16, 1/32.

        Returns
        -------
        Tensor or ndarray of shape (K, C, PH, PW)
            Row k belongs to RoI k, whichever map it is from. A Tensor if an operand is one, with
            gradients for all.

        Raises
        ------
        ShapeError, DTypeError, RoiError, ValueError, TypeError
            As of `roi_align`, and if maps or scales do not belong together.
        """
        maps, scales = _maps_and_scales(features, spatial_scales)
        maps = {name: taken(one, name) for name, one in maps.items()}
        rois = taken(rois, "rois")
        pyramid = _Pyramid(
            [array_of(one, name) for name, one in maps.items()],
            [self._pooler_of(scale) for scale in scales],
        )
        pyramid.require_like_maps(list(maps))
        form = OPERATORS[self.pooler].form
        boxes = boxes_by_image(rois, len(pyramid.maps[0]), len(form.columns))
        rows = array_of(rois, "rois") if boxes is None else as_rows(boxes, len(form.columns))
        table = roi.as_rois(rows, len(pyramid.maps[0]), form=form)
        canonical = self.canonical_level, self.canonical_scale
        numbers = levels_of(form.areas(table.boxes), scales, *canonical)
        tables = [replace(table, valid=table.valid & (numbers == n)) for n in range(len(scales))]
        crops = pyramid.pool(table, tables)
        operands = (*maps.values(), *([rois] if boxes is None else boxes))
        if not any(isinstance(operand, Tensor) for operand in operands):
            return crops

        def pull(g: Array, wanted: list[bool]) -> list[Array | None]:
            of_maps = pyramid.of_maps(g, tables, wanted)
            if not any(wanted[len(scales) :]):
                return of_maps + [None] * (len(wanted) - len(scales))
            return [*of_maps, *gradients_of(pyramid.of_boxes(g, tables), boxes)]

        return record(crops, operands, pull)

    def _pooler_of(self, scale: float) -> Operator:
        return operator_of(self.pooler, self.output_size, spatial_scale=scale, **self._options)

    def __repr__(self) -> str:
        said = {
            "output_size": self.output_size,
            "canonical_level": self.canonical_level,
            "canonical_scale": self.canonical_scale,
            "pooler": self.pooler,
            **self._options,
        }
        return f"MultiScaleROIAlign({', '.join(f'{name}={said[name]!r}' for name in said)})"


class _Pyramid(NamedTuple):
    """Maps with the operator that pools on each. RoIs are a table per map, of the same rows."""

    maps: list[Array]
    operators: list[Operator]

    def require_like_maps(self, names: list[str]) -> None:
        """Raise unless maps have the same images, channels and dtype."""
        first = roi.check_features(self.maps[0], names[0])
        for name, one in zip(names, self.maps, strict=True):
            shape = roi.check_features(one, name).shape
            if shape[:2] != first.shape[:2]:
                raise ShapeError(
                    f"features must be of the same N and C, got {first.shape} and {shape}"
                )
            if one.dtype != first.dtype:
                raise DTypeError(
                    f"features must be of the same dtype, got {first.dtype} and {one.dtype}"
                )

    def pool(self, whole: roi.RoiTable, tables: list[roi.RoiTable]) -> Array:
        """Return the crops of all RoIs."""
        crops = roi.empty_crops(self.maps[0], whole, self.operators[0])
        for one, table, operator in zip(self.maps, tables, self.operators, strict=True):
            roi.pool_into(crops, one, table, operator)
        return crops

    def of_maps(
        self, gradient: Array, tables: list[roi.RoiTable], wanted: list[bool]
    ) -> list[Array | None]:
        """Return the gradients of the maps that are wanted."""
        levels = zip(self.maps, tables, self.operators, strict=True)
        return [
            roi.pool_adjoint(gradient, *level) if want else None
            for level, want in zip(levels, wanted, strict=False)
        ]

    def of_boxes(self, gradient: Array, tables: list[roi.RoiTable]) -> Array:
        """Return the gradient of the boxes; each is on one map."""
        levels = zip(self.maps, tables, self.operators, strict=True)
        slopes = np.zeros(tables[0].boxes.shape)
        for level in levels:
            slopes += roi.box_gradient(gradient, *level)
        return slopes


def _maps_and_scales(features: Any, scales: Any) -> tuple[dict[str, Operand], tuple[float, ...]]:
    """Return the maps by what messages call them, and a scale for each."""
    if isinstance(features, Mapping):
        maps = {f"features[{name!r}]": one for name, one in features.items()}
        if isinstance(scales, Mapping):
            if scales.keys() != features.keys():
                raise ValueError(
                    f"spatial_scales must have the keys of features, {list(features)}, "
                    f"got {list(scales)}"
                )
            scales = [scales[name] for name in features]
    else:
        maps = {f"features[{number}]": one for number, one in enumerate(features)}
    found = as_scales(scales)
    if len(found) != len(maps):
        raise ValueError(
            f"spatial_scales must be a number for each of {len(maps)} maps, got {len(found)}"
        )
    return maps, found


def assign_levels(
    boxes: ArrayLike,
    spatial_scales: Sequence[float],
    *,
    canonical_level: float = CANONICAL_LEVEL,
    canonical_scale: float = CANONICAL_SCALE,
) -> NDArray[np.int64]:
    """Return which map of a pyramid each box is pooled from.

    Parameters
    ----------
    boxes : array_like of shape (L, 4) or (L, 5)
        Boxes x1, y1, x2, y2 in input coordinates; or rotated ones, cx, cy, w, h, angle.
    spatial_scales : sequence of float
        Cells per input pixel of each map, in any order; 1/4 is level 2, 1/32 level 5.
    canonical_level, canonical_scale : float
        A box of sides `canonical_scale` belongs to level `canonical_level`.

    Returns
    -------
    ndarray of int64, of shape (L,)
        Numbers of maps, as their scales are ordered.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError
        If there are no such boxes or scales.

    Notes
    -----
    Equation 1 of Lin et al., "Feature Pyramid Networks" (2017), ``k = floor(canonical_level +
    log2(sqrt(area) / canonical_scale) + 1e-6)``, computed in float64. A box is given the coarsest
    map whose level is at most k, or else the finest; one without area, the finest. Where a
    framework counts levels by the index of the map, pass ``canonical_level = index + log2(stride
    of the finest map)``.

    Examples
    --------
    >>> sides = [0, 111, 112, 224, 448, 2000]
    >>> boxes = [[10, 10, 10 + side, 10 + side] for side in sides]
    >>> assign_levels(boxes, [1 / 4, 1 / 8, 1 / 16, 1 / 32])
    array([0, 0, 1, 2, 3, 3])
    """
    scales, canonical = as_scales(spatial_scales), as_canonical(canonical_level, canonical_scale)
    given = array_of(taken(boxes, "boxes"), "boxes")
    form = roi.forms.TURNED if given.shape[1:] == (5,) else roi.forms.UPRIGHT
    if given.size and (given.ndim != 2 or given.shape[1] != len(form.columns)):
        raise ShapeError(f"boxes must have shape (L, 4), or (L, 5) if rotated, got {given.shape}")
    table = roi.as_rois(as_rows([given], len(form.columns)), 1, name="boxes", form=form)
    return levels_of(form.areas(table.boxes), scales, *canonical)
