"""What the C file offers; it checks sizes and strides, and reads and writes nothing beyond them."""

from lucid.roi.types import Array, Bools, Floats, Indices, Ints

def lay_out(planes: Array, cells: Array, itemsize: int, /) -> None: ...
def crops(
    centre: Floats,
    start: Floats,
    bin: Floats,  # noqa: A002
    min_extent: Bools,
    samples: Ints,
    turn: Floats,
    sizes: Ints,
    base: Ints,
    pitch: Ints,
    pooled: tuple[int, int],
    cells: Array,
    crops: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> None: ...
def maxima(
    centre: Floats,
    start: Floats,
    bin: Floats,  # noqa: A002
    min_extent: Bools,
    samples: Ints,
    turn: Floats,
    sizes: Ints,
    base: Ints,
    pitch: Ints,
    pooled: tuple[int, int],
    cells: Array,
    crops: Array,
    rows: Indices,
    itemsize: int,
    renormalize: bool,
    /,
) -> None: ...
def features(
    centre: Floats,
    start: Floats,
    bin: Floats,  # noqa: A002
    min_extent: Bools,
    samples: Ints,
    turn: Floats,
    sizes: Ints,
    base: Ints,
    pitch: Ints,
    pooled: tuple[int, int],
    cells: Array,
    gradient: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> None: ...
def boxes(
    centre: Floats,
    start: Floats,
    bin: Floats,  # noqa: A002
    min_extent: Bools,
    samples: Ints,
    turn: Floats,
    sizes: Ints,
    base: Ints,
    pitch: Ints,
    pooled: tuple[int, int],
    cells: Array,
    gradient: Array,
    rows: Indices,
    itemsize: int,
    /,
) -> bytearray: ...
