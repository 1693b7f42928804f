"""What is there of an output before a run: nothing, an unfinished run, or all of it.

An output has its name only when it is complete. A run that ends before that leaves an unfinished
file with a journal beside it, from which it can be resumed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from lucid.errors import OutputExistsError, SinkError
from lucid.stream.read.fingerprint import Input
from lucid.stream.row_set import RowSet
from lucid.stream.write import disk
from lucid.stream.write.complete import require_complete
from lucid.stream.write.inputs_kept import about
from lucid.stream.write.journal import finish
from lucid.stream.write.journal_file import (
    FORMAT,
    Job,
    JournalState,
    look,
    read_journal,
)
from lucid.stream.write.layout import Output
from lucid.stream.write.same import require_same, warn_of_samples
from lucid.stream.write.shards import (
    LAYOUT,
    SHARDS,
    clear,
    is_done,
    progress_of,
    remove_shards,
    require_idle,
)
from lucid.stream.write.sidecars import shard_paths, sidecar_paths
from lucid.stream.write.whole import require_folder


def resume_state(
    output: Output,
    job: Job,
    inputs: Sequence[Input],
    nothing: RowSet,
    overwrite: bool,
    resume: bool,
    shard: tuple[int, int] | None = None,
) -> JournalState | None:
    """Return from where a run is to go on, None if its output is there already; or refuse.

    No crop is written. `job` is what must be the same for an unfinished run to be gone on with;
    of inputs of which it compares but a sample, a warning says so if their times differ. `nothing`
    is none of the rows that are to be done.

    Raises
    ------
    SinkError
        If the output cannot be written there, or must not be.
    """
    with about(output.layout.path):
        job = job | {"modified": _modified(inputs)}
        if shard is not None:
            return _shard_state(output, job | {SHARDS: shard[1]}, inputs, nothing, shard)
        return _resume_state(output, job | {SHARDS: None}, inputs, nothing, overwrite, resume)


def _shard_state(
    output: Output, job: Job, inputs: Sequence[Input], nothing: RowSet, shard: tuple[int, int]
) -> JournalState | None:
    """Return from where a shard goes on, None if the output is complete."""
    path = output.layout.path
    _require_folder(output)
    common = look(sidecar_paths(path).journal)
    if common is not None and not _has_rows(path) and output.in_the_way(sidecar_paths(path).part):
        with disk.waited_for(sidecar_paths(path).journal):
            clear(path)  # that was only not removed any more
        common = None
    if common is None:
        require_no_strangers(path)
        if output.in_the_way(sidecar_paths(path).part) is not None:
            require_complete(output, job, inputs)
            return None
    else:
        _require_same_run(common, job, inputs, path)
    require_space(output)
    fresh = JournalState(job=job, replaces=False, done=nothing)
    if common is None:
        return fresh
    if is_done(path, shard[0], common):
        return fresh._replace(done=RowSet.all_but(nothing.total, first=nothing.first))
    own = read_journal(shard_paths(path, *shard).journal)
    goes_on = own is not None and own.job.get(LAYOUT) == common.run and _has_rows(path)
    return fresh._replace(
        done=own.done if own and goes_on and own.done.is_of_rows_of(nothing) else nothing,
        seen=own.seen if own else b"",
        run=common.run,
    )


def _resume_state(
    output: Output,
    job: Job,
    inputs: Sequence[Input],
    nothing: RowSet,
    overwrite: bool,
    resume: bool,
) -> JournalState | None:
    path = output.layout.path
    _require_folder(output)
    state = _unfinished_run(output)
    if state is None:
        require_no_strangers(path)
        there = output.in_the_way(sidecar_paths(path).part)
        if there is not None and not overwrite:
            if not resume:
                raise OutputExistsError.advising(
                    f"{there} exists", "pass {overwrite:True} to replace it", there
                )
            require_complete(output, job, inputs)
            return None
    if state is not None and not overwrite:
        goes_on = resume and not progress_of(path)
        state = _same_run(state, job, inputs, path) if goes_on else _refuse(state, path)
    else:
        require_idle(path)
        seen = b"" if state is None else state.seen
        state = JournalState(job=job, replaces=overwrite, done=nothing, seen=seen)
    require_space(output)
    return state


def _refuse(state: JournalState, path: Path) -> NoReturn:
    """Raise, for neither way to go on was asked for."""
    if shards := progress_of(path):
        raise SinkError.advising(
            f"{path} is unfinished ({shards})",
            "run what is missing, or pass {overwrite:True} to start over",
        )
    share = f"{state.done.count() / max(state.done.total, 1):.0%}"
    raise SinkError.advising(
        f"{path} is unfinished ({share} is in {sidecar_paths(path).part})",
        "pass {resume:True} to finish it or {overwrite:True} to start over",
    )


def _same_run(state: JournalState, job: Job, inputs: Sequence[Input], path: Path) -> JournalState:
    """Return from where an unfinished run is gone on with; raise if it is of another job."""
    _require_same_run(state, job, inputs, path)
    return state if _has_rows(path) else state._replace(done=RowSet(state.done.total))


def _require_same_run(state: JournalState, job: Job, inputs: Sequence[Input], path: Path) -> None:
    """Raise if an unfinished run is of another job."""
    if state.job["format"] != FORMAT:
        raise SinkError.advising(
            f"{path} was begun by another version of lucid-roialign, and only that can finish it",
            "pass {overwrite:True} to start over",
        )
    require_same(state.job, job, f"{path} was begun")
    now, before = _modified(inputs), state.job["modified"]
    touched = [one for one in inputs if now[one.role] != before[one.role]]
    warn_of_samples(touched, job, f"{path} was begun")


def _modified(inputs: Sequence[Input]) -> dict[str, int]:
    """Return when inputs were last modified, by their options; some have several."""
    times: dict[str, int] = {}
    for one in inputs:
        times[one.role] = max(times.get(one.role, 0), one.modified())
    return times


def _require_folder(output: Output) -> None:
    """Raise unless files can be made where the output is to be."""
    path, folder = output.layout.path, sidecar_paths(output.layout.path).part.parent
    if path.is_dir() and not output.replaces_folder():
        raise SinkError(f"{path} is a directory")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SinkError(f"{path} is not a regular file; name another output")
    require_folder(path, folder)


def require_no_strangers(output: Path) -> None:
    """Raise if files stand where those of an unfinished run would be, but there is none."""
    for path in _beside(output):
        of_a_run = look(sidecar_paths(output).journal) is not None  # that began just now
        if not of_a_run and os.path.lexists(path):
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
        _finish(output.layout.path, state)
        return None
    return state


def _finish(output: Path, state: JournalState) -> None:
    remove_shards(output)
    finish(output, state)


def _has_rows(output: Path) -> bool:
    names = sidecar_paths(output)
    return names.rows.exists() or names.part.exists()


def require_space(output: Output, more: int = 0) -> None:
    """Raise unless the disk has room for what is not there yet, and for so many bytes more."""
    layout, names = output.layout, sidecar_paths(output.layout.path)
    rows = names.rows if output.packs else names.part
    needed = layout.nbytes * (1 + output.packs) + output.companion_bytes + more
    with suppress(FileNotFoundError):
        needed -= disk.held_bytes(rows)
    free = shutil.disk_usage(names.part.parent).free
    if needed > free:
        raise SinkError(
            f"{layout.path} cannot be written: it needs {needed / 1e6:.4g} MB more, "
            f"and {free / 1e6:.4g} MB are free"
        )
