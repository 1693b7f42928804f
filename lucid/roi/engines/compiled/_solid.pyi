"""What the C file offers; it checks sizes and strides, and reads and writes nothing beyond them."""

from lucid.roi.types import Array, Floats, Ints

Samples = tuple[Ints, Floats, Ints]  # cells (2, n), weights (2, n), bins (n,) along an axis

def crop(
    deep: Samples,
    down: Samples,
    across: Samples,
    per_bin: tuple[int, ...],
    renormalize: bool,
    cells: Array,
    crop: Array,
    itemsize: int,
    /,
) -> None: ...
