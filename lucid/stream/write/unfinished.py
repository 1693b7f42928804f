"""What is there of an output before a run: nothing, an unfinished run, or all of it.

An output has its name only when it is complete. A run that ends before that leaves an unfinished
file with a journal beside it, from which it can be resumed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lucid.errors import SinkError
from lucid.stream.read import npy
from lucid.stream.write.identity import DEFAULTS
from lucid.stream.write.journal import Job, JournalState, is_journal, read_journal, sidecar_paths
from lucid.stream.write.outputs import DATASET, Layout

MAX_CHUNK_BYTES = 1 << 32  # bytes
UNSAID = {"format", "chunks", "checksum", "features_file", "rois_file"}  # by a complete output


def keep_inputs(output: Path, inputs: Iterable[Path]) -> None:
    """Raise rather than write over an input, even if asked to overwrite."""
    with _about(output):
        for ours in (output, *sidecar_paths(output)):
            for theirs in inputs:
                if ours.exists() and ours.samefile(theirs):
                    raise SinkError(f"{ours} is an input of this run; name another output")


def require_older(inputs: Iterable[Path], output: Path) -> None:
    """Raise if an input changed after a complete output was written."""
    with _about(output):
        for path in inputs:
            if path.stat().st_mtime_ns > output.stat().st_mtime_ns:
                raise SinkError(
                    f"{output} is complete, but {path} changed since; "
                    "pass --overwrite to do the job again"
                )


@contextmanager
def _about(output: Path) -> Iterator[None]:
    """Raise errors of the system as ones about the output."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(f"{output} cannot be written: {error.strerror or error}") from error
    except ValueError as error:  # a name that no file can have
        raise SinkError(f"{str(output)!r} cannot be written: {error}") from error


def resume_state(layout: Layout, job: Job, overwrite: bool, resume: bool) -> JournalState | None:
    """Return from where a run is to go on, None if its output is there already; or refuse.

    No crop is written. `job` is what must be the same for an unfinished run to be gone on with.

    Raises
    ------
    SinkError
        If the output cannot be written there, or must not be.
    """
    with _about(layout.path):
        return _resume_state(layout, job, overwrite, resume)


def _resume_state(layout: Layout, job: Job, overwrite: bool, resume: bool) -> JournalState | None:
    output = layout.path
    _require_folder(output)
    if layout.is_chunked and layout.chunk_rows * layout.row_bytes >= MAX_CHUNK_BYTES:
        raise SinkError(f"{output}: HDF5 has chunks of less than 4 GiB; pass fewer --chunks rows")
    state = _unfinished_run(layout)
    if state is not None and resume:
        _require_same(state.job, job, f"{output} was begun")
        if not _has_rows(layout):
            state = state._replace(done=np.zeros(layout.shape[0], bool))
        _require_space(layout)
        return state
    if state is not None and not overwrite:
        share = f"{state.done.mean():.0%}" if len(state.done) else "0%"
        raise SinkError(
            f"{output} is unfinished ({share} is in {sidecar_paths(output).part}); "
            "pass --resume to finish it or --overwrite to start over"
        )
    if state is None:
        _require_no_strangers(layout)
    if os.path.lexists(output) and not overwrite:
        if not resume:
            raise SinkError(f"{output} exists; pass --overwrite to replace it")
        recorded_job = _job_of(layout)
        # What an output does not say cannot be compared, what it leaves out is as usual.
        unsaid = UNSAID if not layout.is_npy else job.keys() - recorded_job.keys()
        said = {key: value for key, value in job.items() if key not in unsaid}
        usual = {} if layout.is_npy else DEFAULTS
        _require_same(usual | recorded_job, said, f"{output} is complete, but")
        return None
    _require_space(layout)
    inode = None if state is None else state.inode
    return JournalState(job, overwrite, np.zeros(layout.shape[0], bool), inode)


def _require_folder(output: Path) -> None:
    """Raise unless files can be made where the output is to be."""
    folder = output.parent
    if output.is_dir():
        raise SinkError(f"{output} is a directory")
    if output.exists() and not output.is_file():
        raise SinkError(f"{output} is not a regular file; name another output")
    if not folder.is_dir():
        raise SinkError(f"{output} cannot be written: there is no directory {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"{output} cannot be written: no permission to write in {folder}")


def _require_no_strangers(layout: Layout) -> None:
    """Raise if files stand where those of an unfinished run would be, but there is none."""
    names = sidecar_paths(layout.path)
    for path in names:
        # A run that was killed as it began may have left its first, still nameless journal.
        if os.path.lexists(path) and not (path == names.fresh and is_journal(path)):
            raise SinkError(f"{path} is in the way and not of an unfinished run; move it")


def _unfinished_run(layout: Layout) -> JournalState | None:
    """Return what the journal says, if a run is unfinished."""
    journal = sidecar_paths(layout.path).journal
    state = read_journal(journal)
    if state is None or _has_rows(layout) or not state.done.any():
        return state
    # All was done and the output has its name; only the journal was not removed any more.
    journal.unlink()
    return None


def _has_rows(layout: Layout) -> bool:
    names = sidecar_paths(layout.path)
    return names.rows.exists() or names.part.exists()


def _require_same(state: Job, job: Job, what: str) -> None:
    """Raise if a job is not the one that was recorded, on the first thing in which it differs."""
    for key, value in job.items():
        if state.get(key) != value:
            raise SinkError(
                f"{what} with {key} {_shown(state.get(key))}, not {_shown(value)}; "
                "repeat the job as it was, or pass --overwrite to start over"
            )


def _shown(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)


def _job_of(layout: Layout) -> Job:
    """Return what a complete output says about its job; a .npy file says little."""
    try:
        if layout.is_npy:
            array = npy.map_npy(layout.path)
            return {"shape": list(array.shape), "dtype": array.dtype.name}
        with h5py.File(layout.path, "r") as file:
            dataset = file[DATASET]
            said = {key: _plain(dataset.attrs[key]) for key in dataset.attrs}
            said |= {"shape": list(dataset.shape), "dtype": dataset.dtype.name}
            said["compression"] = dataset.compression or "none"
    except Exception as error:  # whatever is wrong with it, it is not ours
        raise _stranger(layout.path) from error
    if not {"features", "rois", "lucid_version"} <= set(said):
        raise _stranger(layout.path)
    return said


def _stranger(path: Path) -> SinkError:
    return SinkError(f"{path} exists and is no output of this tool; pass --overwrite to replace it")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _require_space(layout: Layout) -> None:
    """Raise unless the disk has room for what is not there yet."""
    names = sidecar_paths(layout.path)
    part = names.rows if layout.is_chunked else names.part
    there = part.stat().st_blocks * 512 if part.exists() else 0
    needed = layout.nbytes * (1 + layout.is_chunked) - there
    free = shutil.disk_usage(layout.path.parent).free
    if needed > free:
        raise SinkError(
            f"{layout.path} cannot be written: it needs {needed / 1e9:.3g} GB more, "
            f"and {free / 1e9:.3g} GB are free"
        )
