"""What a complete output says about its job."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from lucid.errors import OutputExistsError, SinkError
from lucid.roi.engines.selection import as_engine
from lucid.stream.checks import HDF5_SUFFIXES, ZARR_SUFFIX
from lucid.stream.read.fingerprint import Input
from lucid.stream.write.identity import DEFAULTS
from lucid.stream.write.journal_file import Job, look
from lucid.stream.write.layout import Output
from lucid.stream.write.same import require_same, warn_of_samples
from lucid.stream.write.sidecars import sidecar_paths

# What reads what an output says about its job, by its suffix; imported when there is one.
SAID_BY = {
    ".npz": "npz",
    ".safetensors": "safetensors",
    ZARR_SUFFIX: "zarr",
    **dict.fromkeys(HDF5_SUFFIXES, "hdf5"),
}


def require_complete(output: Output, job: Job, inputs: Sequence[Input]) -> None:
    """Raise unless what stands there is the output of a job."""
    path, said = output.layout.path, _said_by(output)
    # What an output does not say cannot be compared; if it says its job, what it leaves out has
    # its default.
    if "lucid_version" in said:
        said = DEFAULTS | said
    told = {key: value for key, value in job.items() if key in said}
    require_same(said, told, f"{path} is complete, but")
    written = min((file.stat().st_mtime_ns for file in output.files()), default=0)
    touched = [one for one in inputs if one.modified() > written]
    if touched and "features_fingerprint" not in said:
        raise SinkError.advising(
            f"{path} is complete, but {touched[0].path} changed since",
            "pass {overwrite:True} to do the job again",
        )
    warn_of_samples(touched, job, f"{path} was written")


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


def _stranger(path: Path) -> SinkError:
    fact = f"{path} exists and is no output of this tool"
    return OutputExistsError.advising(fact, "pass {overwrite:True} to replace it", path)


def engine_of(output: Path) -> str | None:
    """Return the engine of the run that an output or its journal is of, None if neither says.

    Raises
    ------
    SinkError
        If that engine is not there.
    """
    try:
        state = look(sidecar_paths(output).journal)
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
