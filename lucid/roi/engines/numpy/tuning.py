"""The numbers by which the engine chooses among ways to the same crop, bit for bit or nearly so.

Only speed and memory depend on them; `python -m tests.benchmarks ablation` measures them.
"""

from typing import NamedTuple


class Tuning(NamedTuple):
    """Forms that may be used, and sizes and costs, the latter in bytes gathered meanwhile."""

    # Forms of products, copies and sums.
    cols_by_bin: bool = True
    cols_strided: bool = True
    rows_in_place: bool = True

    # What is worked on at once.
    laid_out_values: int = 1 << 18  # taps and weights: a few MB, which the cache holds
    batch_bytes: int = 6 << 20  # gathered cells, and what is made of them
    scattered_bytes: int = 2 << 20  # cells with others between them that are added to
    product_bytes: int = 2 << 20  # of a product that NumPy makes before it is added

    # Cost of weighting a cell, as a multiple of gathering it: for one bin, for each of several.
    one_bin_factor: float = 0.8
    many_bins_factor: float = 0.35
    call_bytes: int = 200_000  # cost of a product for one RoI
    bin_call_bytes: int = 3_000  # cost of a product for one row of bins
    group_bytes: int = 300_000  # cost of one more group of RoIs for each of them
    in_place_bytes: int = 128 << 10  # threads that call for less hinder each other

    # Cost of adding to a cell of a gradient, and of a call that does.
    add_one_bin_factor: float = 1.0
    add_many_bins_factor: float = 3.0
    add_call_bytes: int = 25_000
    # The same of cells with others between, of a column's cells for each row of bins, and of a RoI.
    add_scattered_factor: float = 3.0
    add_column_factor: float = 1.5
    add_roi_bytes: int = 20_000

    # Copies between maps and tables of cells.
    copied_values: int = 1 << 20  # at once
    copied_channels: int = 256  # side by side at once
    copied_streams: int = 64  # channels that NumPy reads at once: it would read more too slowly
    staged_values: int = 1 << 18  # cast or set apart at once, before they are transposed
    staged_channels: int = 32  # at least, and
    staged_cells: int = 256  # at least: fewer do not drive each other out of the cache
    crowded_stride_bytes: int = 1 << 10  # channels at a multiple share a few lines of the cache
    padding_values: int = 16  # between cells: a power of two apart they would share places, too


current = Tuning()
