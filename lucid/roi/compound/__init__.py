"""Engines for operators that are more than weights, each made of an engine for weights.

`WAYS` lists them by the operator that they are for. Each is imported when it is needed: most runs
need none.
"""

from functools import cache
from importlib import import_module
from typing import cast

from lucid.roi.engines import Engine
from lucid.roi.geometry import Operator
from lucid.roi.operators import (
    CropAndResize,
    RoiAlign3D,
    RoiAlignRotated,
    RoiPool,
    RotatedMax,
    VolumeMax,
)
from lucid.roi.operators.position_sensitive import PositionSensitive
from lucid.roi.operators.wrapped import MaxAlign

WAYS: dict[type, str] = {
    CropAndResize: "resized.Resized",
    MaxAlign: "maxima.Maxima",
    PositionSensitive: "by_bin.ByBin",
    RoiPool: "largest.Largest",
    RoiAlign3D: "volumes.Volumes",
    RoiAlignRotated: "turned.Turned",
    RotatedMax: "turned_maxima.TurnedMaxima",
    VolumeMax: "solid_maxima.SolidMaxima",
}


def engine_for(operator: Operator, engine: Engine) -> Engine:
    """Return what computes crops and gradients of an operator with an engine for weights."""
    way = WAYS.get(type(operator))
    return engine if way is None else _made(way, engine)


@cache
def _made(way: str, engine: Engine) -> Engine:
    module, name = way.split(".")
    made = getattr(import_module(f"lucid.roi.compound.{module}"), name)
    return cast(Engine, made(engine))
