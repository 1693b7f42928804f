"""Engines for operators that are more than weights, each made of an engine for weights.

`WAYS` lists them by the operator that they are for. Each is imported when it is needed: most runs
need none.
"""

from functools import cache
from importlib import import_module
from typing import cast

from lucid.roi.engines import Engine
from lucid.roi.geometry import Operator

WAYS = {  # from "module.Operator" to "module.Engine"
    "crop_and_resize.CropAndResize": "resized.Resized",
    "wrapped.MaxAlign": "maxima.Maxima",
    "position_sensitive.PositionSensitive": "by_bin.ByBin",
    "whole_cells.RoiPool": "largest.Largest",
    "volume.RoiAlign3D": "volumes.Volumes",
    "rotated.RoiAlignRotated": "turned.Turned",
    "rotated.RotatedMax": "turned_maxima.TurnedMaxima",
    "volume.VolumeMax": "solid_maxima.SolidMaxima",
}


def engine_for(operator: Operator, engine: Engine) -> Engine:
    """Return what computes crops and gradients of an operator with an engine for weights."""
    kind = type(operator)
    way = WAYS.get(f"{kind.__module__}.{kind.__name__}".removeprefix("lucid.roi.operators."))
    return engine if way is None else _made(way, engine)


@cache
def _made(way: str, engine: Engine) -> Engine:
    module, name = way.split(".")
    made = getattr(import_module(f"lucid.roi.compound.{module}"), name)
    return cast(Engine, made(engine))
