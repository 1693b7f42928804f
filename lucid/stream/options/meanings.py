"""What options mean to the operator of a run: what each axis has, and what means nothing to it."""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from lucid.stream.checks import SCALES, ArgumentError, Held
from lucid.stream.options import OPTIONS

OF_PICTURES = {"frame", "resize", "normalized", "image_size"}  # between boxes and input coordinates


def fit_axes(settings: Any, said: set[str]) -> None:
    """Give what is one number for all axes to each that the operator has.

    Raises
    ------
    ArgumentError
        If there are more or fewer numbers than axes.
    """
    axes, parsed = settings.entry.form.axes, vars(settings)
    if axes == 3:
        parsed["layout"] = settings.layout if "layout" in said else "ncdhw"
        parsed["output_size"] = settings.output_size if "output_size" in said else 7
    entry = settings.entry
    for name, fitted in (("output_size", entry.size), *((name, entry.scale) for name in SCALES)):
        value = getattr(settings, name)
        if isinstance(value, tuple) and len(value) != axes:
            raise ArgumentError(
                f"{{{name}}} must be one number or {axes} for {{operator}} {settings.operator}, "
                f"got {len(value)}"
            )
        parsed[name] = None if value is None else fitted(value)


def of_operator(settings: Any, said: set[str]) -> Iterator[tuple[bool, str]]:
    """Yield whether options, of which some were said, mean nothing to the operator, and how."""
    entry, operator = settings.entry, settings.operator
    for name in OPTIONS:
        always = name == "aligned" and settings.aligned and entry.aligned
        fact = f"{{{name}}} means nothing to {{operator}} {operator}"
        yield name in said and not (settings.means(name) or always), fact
        of_input = name in OF_PICTURES | {"stride"} and not settings.means("spatial_scale")
        yield name in said and of_input, f"{fact}, whose boxes are fractions of the map"
        of_pictures = name in OF_PICTURES and entry.form.axes == 3
        yield name in said and of_pictures, f"{fact}, whose boxes must be in input coordinates"
    infinite = settings.sampling_ratio == math.inf and "inf" not in entry.takes
    yield infinite, f"{{sampling_ratio}} inf means nothing to {{operator}} {operator}"
    volumes = entry.form.axes == 3
    yield (
        volumes != ("d" in settings.layout),
        f"{{layout}} of {{operator}} {operator} must have {'a' if volumes else 'no'} d, the depth "
        f"of volumes, got {settings.layout}",
    )
    yield from _of_boxes(settings)
    core = import_module("lucid.roi.operators")
    yield from core.contradictions(**settings.operator_options)


def _of_boxes(settings: Any) -> Iterator[tuple[bool, str]]:
    """Yield whether boxes cannot be of a format, and how."""
    form, boxes = settings.entry.form, settings.boxes
    for name in SCALES:
        shears = len(set(getattr(settings, name) or ())) > 1 and "angle" in form.columns
        fact = f"{{{name}}} must be one number for {{operator}} {settings.operator}"
        yield shears, f"{fact}: other scales along y and x would shear boxes"
    fact = f"{{operator}} {settings.operator} takes boxes of {', '.join(form.columns)}"
    of_corners = boxes == "corners8"
    yield of_corners and "angle" not in form.columns, f"{fact}; {{boxes}} corners8 are rotated"
    each, columns = settings.rois, 8 if of_corners else len(form.columns)
    is_list = isinstance(each, Held) and each.counts is not None
    shape: tuple[int, ...] = each.values.shape if is_list else (0,)
    yield (
        0 not in shape and shape[1] != columns,
        f"{{rois}} must be boxes (n, {columns}) for each image, got {shape}",
    )
    yield (
        boxes not in {"xyxy", "corners8"} and not form.is_upright,
        f"{fact}; {{boxes}} {boxes} are upright",
    )
    yield (
        settings.normalized and not form.is_upright and not of_corners,
        f"{fact}; {{normalized}} is for upright ones and for {{boxes}} corners8",
    )
