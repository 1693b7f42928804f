"""Whether a run is of the job that was recorded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from lucid.errors import SinkError
from lucid.stream.read.fingerprint import SAMPLED, Input
from lucid.stream.write.journal_file import Job


def require_same(state: Job, job: Job, what: str) -> None:
    """Raise if a job is not the one that was recorded, on the first thing in which it differs."""
    for key, was, value in _differences(state, job):
        role = key.removesuffix("_fingerprint")
        fact = f"{key} {_shown(was)}, not {_shown(value)}"
        raise SinkError.advising(
            f"{what} with {fact if role == key else f'other contents of {role}'}",
            "repeat the job as it was, or pass {overwrite:True} to start over",
        )


def is_same(state: Job, job: Job) -> bool:
    """Return whether a job is the one that was recorded."""
    return next(_differences(state, job), None) is None


def _differences(state: Job, job: Job) -> Iterator[tuple[str, Any, Any]]:
    """Yield in what a job differs from the one that was recorded: the name and both values."""
    for key, value in job.items():
        was = bool(state.get(key)) if isinstance(value, bool) else state.get(key)
        if was != value and key != "modified":
            yield key, was, value


def warn_of_samples(touched: Iterable[Input], job: Job, since: str) -> None:
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
