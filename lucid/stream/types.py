"""The types that modules of the stream share."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rows = NDArray[np.intp]  # (k,) rows of the table of RoIs, and of the crops


class Done(NamedTuple):
    """Crops that were made."""

    rows: Rows
    holes: int  # cells without a value that were read for them
