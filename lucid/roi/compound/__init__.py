"""Engines for operators that are more than weights, each made of an engine for weights.

`WAYS` lists them by the operator that they are for.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from lucid.roi.compound.by_bin import ByBin
from lucid.roi.compound.largest import Largest
from lucid.roi.compound.maxima import Maxima
from lucid.roi.compound.resized import Resized
from lucid.roi.compound.solid_maxima import SolidMaxima
from lucid.roi.compound.turned import Turned
from lucid.roi.compound.turned_maxima import TurnedMaxima
from lucid.roi.compound.volumes import Volumes
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

WAYS: dict[type, Callable[[Any], Engine]] = {
    CropAndResize: Resized,
    MaxAlign: Maxima,
    PositionSensitive: ByBin,
    RoiPool: Largest,
    RoiAlign3D: Volumes,
    RoiAlignRotated: Turned,
    RotatedMax: TurnedMaxima,
    VolumeMax: SolidMaxima,
}


def engine_for(operator: Operator, engine: Engine) -> Engine:
    """Return what computes crops and gradients of an operator with an engine for weights."""
    way = WAYS.get(type(operator))
    return engine if way is None else _made(way, engine)


@cache
def _made(way: Callable[[Engine], Engine], engine: Engine) -> Engine:
    return way(engine)
