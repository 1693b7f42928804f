"""The types that modules of the stream share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rows = NDArray[np.intp]  # (k,) rows of the table of RoIs, and of the crops
