"""What the C file offers; it checks sizes and strides, and reads and writes nothing beyond them."""

from lucid.roi.types import Array, Indices, Ints

def crops(
    rows: Ints,
    columns: Ints,
    pooled: tuple[int, int],
    cells: Array,
    crops: Array,
    places: Indices,
    itemsize: int,
    /,
) -> None: ...
