"""Which rows are made anew."""

from __future__ import annotations

import numpy as np

from lucid.errors import RoiError
from lucid.stream.types import Rows
from lucid.verifier.options import DEFAULT_ROWS
from lucid.verifier.request import Request


def rows_of(request: Request, rois: int) -> Rows:
    """Return the rows that are asked for, ascending; without a choice, some at random.

    Raises
    ------
    RoiError
        If one is asked for that is not there.
    """
    if request.all:
        return np.arange(rois)
    for part in request.rows or ():
        if part.start is not None and part.start >= rois:
            raise RoiError(f"{request.name} has {rois} crops and no row {part.start}")
    named = [np.arange(rois)[part] for part in request.rows or ()]
    among = np.unique(np.concatenate(named)) if named else None
    if request.random is None and among is not None:
        return among
    wanted = DEFAULT_ROWS if request.random is None else request.random
    rng = np.random.default_rng(request.seed)
    if among is None:
        return np.sort(rng.choice(rois, min(wanted, rois), replace=False))
    return np.sort(rng.choice(among, min(wanted, len(among)), replace=False))
