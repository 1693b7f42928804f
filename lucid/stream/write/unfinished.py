"""What is there of an output before a run: nothing, an unfinished run, or all of it.

An output has its name only when it is complete. A run that ends before that leaves an unfinished
file with a journal beside it, from which it can be resumed.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lucid.errors import OutputExistsError, SinkError
from lucid.roi.engines.selection import as_engine
from lucid.stream.checks import HDF5_SUFFIXES, ZARR_SUFFIX
from lucid.stream.read.fingerprint import SAMPLED, Input
from lucid.stream.write import disk
from lucid.stream.write.identity import DEFAULTS
from lucid.stream.write.inputs_kept import about
from lucid.stream.write.journal import (
    FORMAT,
    Job,
    JournalState,
    finish,
    read_journal,
)
from lucid.stream.write.layout import Output
from lucid.stream.write.sidecars import sidecar_paths

# What reads what an output says about its job, by its suffix; imported when there is one.
SAID_BY = {
    ".npz": "npz",
    ".safetensors": "safetensors",
    ZARR_SUFFIX: "zarr",
    **dict.fromkeys(HDF5_SUFFIXES, "hdf5"),
}


def resume_state(
    output: Output, job: Job, inputs: Sequence[Input], overwrite: bool, resume: bool
) -> JournalState | None:
    """Return from where a run is to go on, None if its output is there already; or refuse.

    No crop is written. `job` is what must be the same for an unfinished run to be gone on with;
    of inputs of which it compares but a sample, a warning says so if their times differ.

    Raises
    ------
    SinkError
        If the output cannot be written there, or must not be.
    """
    with about(output.layout.path):
        job = job | {"modified": _modified(inputs)}
        return _resume_state(output, job, inputs, overwrite, resume)


def _resume_state(
    output: Output, job: Job, inputs: Sequence[Input], overwrite: bool, resume: bool
) -> JournalState | None:
    path = output.layout.path
    _require_folder(output)
    state = _unfinished_run(output)
    if state is None:
        require_no_strangers(path)
        there = output.in_the_way(sidecar_paths(path).part)
        if there is not None and not overwrite:
            if not resume:
                raise OutputExistsError(f"{there} exists; pass --overwrite to replace it", there)
            _require_complete(output, job, inputs)
            return None
    if state is not None and not overwrite:
        state = _same_run(state, job, inputs, path) if resume else _refuse(state, path)
    else:
        nothing, seen = np.zeros(output.layout.shape[0], bool), b"" if state is None else state.seen
        state = JournalState(job=job, replaces=overwrite, done=nothing, seen=seen)
    _require_space(output)
    return state


def _refuse(state: JournalState, path: Path) -> NoReturn:
    """Raise, for neither way to go on was asked for."""
    share = f"{state.done.mean():.0%}" if len(state.done) else "0%"
    raise SinkError(
        f"{path} is unfinished ({share} is in {sidecar_paths(path).part}); "
        "pass --resume to finish it or --overwrite to start over"
    )


def _same_run(state: JournalState, job: Job, inputs: Sequence[Input], path: Path) -> JournalState:
    """Return from where an unfinished run is gone on with; raise if it is of another job."""
    if state.job["format"] != FORMAT:
        raise SinkError(
            f"{path} was begun by another version of lucid-roialign, and only that can finish it; "
            "pass --overwrite to start over"
        )
    _require_same(state.job, job, f"{path} was begun")
    now, before = _modified(inputs), state.job["modified"]
    touched = [one for one in inputs if now[one.role] != before[one.role]]
    _warn_of_samples(touched, job, f"{path} was begun")
    return state if _has_rows(path) else state._replace(done=np.zeros_like(state.done))


def _modified(inputs: Sequence[Input]) -> dict[str, int]:
    """Return when inputs were last modified, by their options; some have several."""
    times: dict[str, int] = {}
    for one in inputs:
        times[one.role] = max(times.get(one.role, 0), one.modified())
    return times


def _require_complete(output: Output, job: Job, inputs: Sequence[Input]) -> None:
    """Raise unless what stands there is the output of a job."""
    path, said = output.layout.path, _said_by(output)
    # What an output does not say cannot be compared; if it says its job, what it leaves out has
    # its default.
    if "lucid_version" in said:
        said = DEFAULTS | said
    told = {key: value for key, value in job.items() if key in said}
    _require_same(said, told, f"{path} is complete, but")
    written = min((file.stat().st_mtime_ns for file in output.files()), default=0)
    touched = [one for one in inputs if one.modified() > written]
    if touched and "features_fingerprint" not in said:
        raise SinkError(
            f"{path} is complete, but {touched[0].path} changed since; "
            "pass --overwrite to do the job again"
        )
    _warn_of_samples(touched, job, f"{path} was written")


def _said_by(output: Output) -> Job:
    """Return what a complete output says about its job; raise if it is none of ours."""
    try:
        said = output.said()
    except SinkError:
        raise
    except Exception as error:  # whatever is wrong with it, it is not ours
        raise _stranger(output.layout.path) from error
    if said is None:
        raise _stranger(output.layout.path)
    return said


def _require_folder(output: Output) -> None:
    """Raise unless files can be made where the output is to be."""
    path, folder = output.layout.path, sidecar_paths(output.layout.path).part.parent
    if path.is_dir() and not output.replaces_folder():
        raise SinkError(f"{path} is a directory")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SinkError(f"{path} is not a regular file; name another output")
    if not folder.is_dir():
        raise SinkError(f"{path} cannot be written: there is no directory {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"{path} cannot be written: no permission to write in {folder}")


def require_no_strangers(output: Path) -> None:
    """Raise if files stand where those of an unfinished run would be, but there is none."""
    for path in _beside(output):
        raise SinkError(f"{path} is in the way and not of an unfinished run; move it")


def _beside(output: Path) -> list[Path]:
    """Return the files that are there of those that a journal speaks for."""
    names = sidecar_paths(output)
    return [path for path in names if path != names.journal and os.path.lexists(path)]


def _unfinished_run(output: Output) -> JournalState | None:
    """Return what the journal says, if a run is unfinished."""
    names = sidecar_paths(output.layout.path)
    path = names.journal
    state = read_journal(path)
    if state is None and _beside(output.layout.path):  # of no run, or of one that began just now
        state = read_journal(path)
    if state is None or _has_rows(output.layout.path):
        return state
    if state.done.any() or (output.in_the_way(names.part) and not state.replaces):
        # All was done and the output has its name; only the journal was not removed any more.
        finish(output.layout.path, state)
        return None
    return state


def _has_rows(output: Path) -> bool:
    names = sidecar_paths(output)
    return names.rows.exists() or names.part.exists()


def _require_same(state: Job, job: Job, what: str) -> None:
    """Raise if a job is not the one that was recorded, on the first thing in which it differs."""
    for key, value in job.items():
        was = bool(state.get(key)) if isinstance(value, bool) else state.get(key)
        if was != value and key != "modified":
            role = key.removesuffix("_fingerprint")
            fact = f"{key} {_shown(was)}, not {_shown(value)}"
            raise SinkError(
                f"{what} with {fact if role == key else f'other contents of {role}'}; "
                "repeat the job as it was, or pass --overwrite to start over"
            )


def _warn_of_samples(touched: Iterable[Input], job: Job, since: str) -> None:
    """Warn of inputs whose times say that they may have changed where no sample was taken."""
    for one in touched:
        if job[f"{one.role}_fingerprint"].startswith(SAMPLED):
            warnings.warn(
                f"{one.path} was modified since {since}; it is too large to be compared as a "
                "whole, and the sample of it that was is the same",
                stacklevel=2,
            )


def _shown(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)


def _stranger(path: Path) -> SinkError:
    fact = f"{path} exists and is no output of this tool; pass --overwrite to replace it"
    return OutputExistsError(fact, path)


def _require_space(output: Output) -> None:
    """Raise unless the disk has room for what is not there yet."""
    layout, names = output.layout, sidecar_paths(output.layout.path)
    rows = names.rows if output.packs else names.part
    needed = layout.nbytes * (1 + output.packs) + output.companion_bytes
    with suppress(FileNotFoundError):
        needed -= disk.held_bytes(rows)
    free = shutil.disk_usage(names.part.parent).free
    if needed > free:
        raise SinkError(
            f"{layout.path} cannot be written: it needs {needed / 1e9:.3g} GB more, "
            f"and {free / 1e9:.3g} GB are free"
        )


def engine_of(output: Path) -> str | None:
    """Return the engine of the run that an output or its journal is of, None if neither says.

    Raises
    ------
    SinkError
        If that engine is not there.
    """
    try:
        state = read_journal(sidecar_paths(output).journal)
        if state is not None:
            engine = state.job.get("engine")
        else:
            home = import_module(f"lucid.stream.write.{SAID_BY[output.suffix]}")
            engine = (home.said_by(output) or {}).get("engine")
        return None if engine is None else as_engine(engine)
    except ValueError as error:
        raise SinkError(f"{output} was begun with an engine that is not there: {error}") from None
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError):
        return None  # what is wrong with it is said when the run is planned
