"""What the C file offers; it checks sizes and strides, and reads and writes nothing beyond them."""

from typing import NewType

from lucid.roi.types import Array, Bools, Floats, Indices, Ints

Lists = NewType("Lists", object)  # taps of K RoIs, merged

def lists(
    line: Ints,
    bin: Ints,  # noqa: A002
    cell: Ints,
    weights: Floats,
    start: Floats,
    end: Floats,
    sizes: Ints,
    above: Ints,
    pooled: tuple[int, int],
    what: int,  # 0 for crops, 1 for the gradient of features, 2 for that of boxes
    /,
) -> Lists: ...
def grid_lists(
    start: Floats,
    bin: Floats,  # noqa: A002
    min_extent: Bools,
    samples: Ints,
    sizes: Ints,
    above: Ints,
    scale: tuple[float, float],
    pooled: tuple[int, int],
    what: int,  # 0 for crops, 1 for the gradient of features, 2 for that of boxes
    /,
) -> Lists: ...
def window(lists: Lists, first: int, end: int, /) -> tuple[int, int, int, int]: ...
def lay_out(
    lists: Lists,
    first: int,
    end: int,
    cells: Array,
    top: int,
    left: int,
    part: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> None: ...
def lay_back(
    lists: Lists,
    first: int,
    end: int,
    cells: Array,
    top: int,
    left: int,
    part: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> None: ...
def crops(
    lists: Lists,
    first: int,
    end: int,
    cells: Array,
    top: int,
    left: int,
    crops: Array,
    rows: Indices,
    itemsize: int,
    block: tuple[int, int] = ...,
    /,
) -> None: ...
def few_crops(
    features: Array,
    crops: Array,
    boxes: Floats,
    rows: Indices,
    itemsize: int,
    scale: tuple[float, float],
    offset: float,
    least_extent: int,
    sampling_ratio: int,
    max_samples: int,
    /,
) -> bool: ...
def own_crops(
    lists: Lists,
    first: int,
    end: int,
    planes: Array,
    top: int,
    left: int,
    crops: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> None: ...
def features(
    lists: Lists,
    first: int,
    end: int,
    cells: Array,
    top: int,
    left: int,
    gradient: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> None: ...
def boxes(
    lists: Lists,
    first: int,
    end: int,
    cells: Array,
    top: int,
    left: int,
    gradient: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> bytearray: ...
