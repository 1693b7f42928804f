"""The numbers that decide how a run is cut and how often it is saved; no crop depends on them."""

import os
from typing import NamedTuple

SYNC_SECONDS = "LUCID_ROIALIGN_SYNC_SECONDS"  # of the environment


class Tuning(NamedTuple):
    """Sizes and intervals of a run; measured, where a comment does not say otherwise."""

    slice_rows: int = 1 << 14  # of the RoI table read at once: more would not be faster
    slice_row_bytes: int = 1024  # held for each of them while it is examined, and later laid out
    selected_row_bytes: int = 128  # held for a selected row, while the selection is put in order
    padded_boxes: int = 1 << 16  # of a padded table read at once
    work_bytes: int = 24 << 20  # weights while they are laid out, and what HDF5 holds for itself
    crops_bytes: int = 64 << 20  # of crops held at once: more would not be faster
    batch_rois: int = 4096  # more at once repay the array operations made for them
    small_maps_bytes: int = 16 << 20  # of maps that are worked on together
    small_map_bytes: int = 256 << 10  # of a map that is read before it is known what RoIs touch
    unpacked_bytes: int = 16 << 20  # of a packed array in memory; larger ones go to a file
    seek_bytes: int = 16 << 10  # going elsewhere in a channel costs about as much as reading these
    # Bytes read and written from which on processes are worth their start; one writes while it
    # reads, so that others help it sooner where maps have to be unpacked.
    parallel_bytes: int = 2 << 30
    parallel_packed_bytes: int = 512 << 20
    tasks_per_worker: int = 4  # at least, so that all end at one time
    task_bytes: int = 256 << 20  # of crops of a task at most: so much is done again if it is lost
    task_rois: int = 1 << 20  # of a task at most, where crops are tiny
    readings: int = 2  # of a table by one process; rather than more, its RoIs are put together
    look_seconds: float = 5.0  # of silence, after which processes are looked at (by choice)
    mark_seconds: float = 0.5  # so much work is lost to a kill at most (by choice)
    sync_seconds: float = 30.0  # and so much to a power cut (by choice)


current = Tuning()


def sync_seconds() -> float:
    """Return how often a run brings its rows to the disk, which the environment may say.

    Raises
    ------
    ValueError
        If what it says is no time.
    """
    said = os.environ.get(SYNC_SECONDS)
    if not said:
        return current.sync_seconds
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise ValueError(f"{SYNC_SECONDS} must be a number of seconds >= 0, got {said}")
    return seconds
