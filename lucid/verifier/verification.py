"""A verification that is checked and planned: rows are chosen, made anew and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lucid import __version__
from lucid.errors import MissingFileError, SinkError, SourceError
from lucid.roi.engines.selection import as_engine, get_engine, why_not_compiled
from lucid.stream.extraction import Progress
from lucid.stream.plan.coverage import Coverage
from lucid.stream.plan.inputs import placement_of, plan_inputs
from lucid.stream.plan.job import Job
from lucid.stream.plan.plan import Plan, make_plan
from lucid.stream.plan.survey import survey
from lucid.stream.read.stored import Stored
from lucid.stream.row_set import RowSet
from lucid.stream.run import local
from lucid.stream.types import Rows
from lucid.stream.write.checked import Checked, forget, identity
from lucid.verifier.beside import beside_states
from lucid.verifier.checksums import checksums_of, damaged_parts
from lucid.verifier.choice import rows_of
from lucid.verifier.inputs import states_of
from lucid.verifier.report import VerifyReport
from lucid.verifier.request import Request
from lucid.verifier.stored import open_stored
from lucid.verifier.tally import Comparison, Found, Tally, Tolerance

SAVE_SECONDS = 5.0  # between states that are kept
ROWS_OF_SCALE = 256  # that say what values are like


class Verification:
    """A file of crops with its inputs, open; `run` makes rows anew and compares them."""

    def __init__(self, request: Request) -> None:
        self._request, self._said = request, request.said()
        self._opened = ExitStack()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open the inputs and the crops, and choose rows."""
        request, said = self._request, self._said
        settings = request.settings(said)
        self._engine = _engine(request.given.get("engine", "auto"), said.get("engine"))
        self._settings = settings.with_engine(self._engine)
        try:
            self._job, _ = plan_inputs(self._settings, self._opened)
        except MissingFileError as error:
            raise SourceError.advising(
                f"{error}; it is an input of {request.name}",
                "say where it is by now: {features}, {rois}",
            ) from error
        self._stored = open_stored(request, self._job, self._opened)
        self._mismatch = _mismatch(self._job, self._stored)
        rois = self._job.rois.rois
        self._rows = np.arange(0) if self._mismatch else rows_of(request, rois)
        self._done, self._tally = np.zeros(rois, bool), Tally()
        self._zeros = RowSet(rois)  # rows whose RoIs are invalid
        if request.resume:
            self._take_up()

    def _take_up(self) -> None:
        """Go on where another verification was interrupted."""
        state = Checked.read(self._request.path)
        if state is None:
            return
        if state.job != self._identity() or len(state.done) != len(self._done):
            raise SinkError.advising(
                f"{self._request.name} or its inputs are not what they were when this "
                "verification began",
                "drop {resume} to begin anew",
            )
        found = [Found(*one) for one in state.tally.pop("found")]
        self._done, self._tally = state.done, Tally(**state.tally, found=found)

    def _identity(self) -> dict[str, Any]:
        inputs = [*self._job.features.inputs, *self._job.rois.inputs]
        return identity(self._request.path, inputs, self._engine)

    @property
    def rows(self) -> int:
        """How many rows are looked at."""
        return len(self._rows)

    @property
    def rows_done(self) -> int:
        """How many of them were."""
        return self._tally.rows

    def run(self, on_progress: Progress | None = None) -> VerifyReport:
        """Make rows anew and compare them; tell `on_progress` how many were looked at."""
        tell = on_progress or (lambda rows_done: None)
        tolerance = self._tolerance()
        for _ in self._compared(tolerance):
            tell(self.rows_done)
        request, job, said = self._request, self._job, self._said
        inputs = [*job.features.inputs, *job.rois.inputs]
        covers = bool(said.get("coverage"))
        is_together = bool(said) and not request.is_apart and not self._mismatch
        return VerifyReport(
            crops=request.name,
            shape=self._stored.shape,
            dtype=self._stored.dtype.name,
            version=said.get("lucid_version"),
            written_by=said.get("engine", "numpy") if said else None,
            engine=self._engine,
            inputs=tuple(states_of(inputs, said, request.path, request.given)),
            rows=self.rows,
            choice="all" if request.all else "random" if self._is_drawn else "rows",
            seed=request.seed,
            tolerance=tolerance,
            tally=self._tally,
            beside=tuple(
                beside_states(request.path, job, self._rows, covers) if is_together else ()
            ),
            checksums=checksums_of(request),
            damaged=tuple(damaged_parts(request)),
            mismatch=self._mismatch,
        )

    @property
    def _is_drawn(self) -> bool:
        return self._request.random is not None or self._request.rows is None

    def _tolerance(self) -> Tolerance | None:
        """Return how far crops may be off; None where the same bits are promised."""
        said = self._said
        same_maker = said.get("engine") == self._engine and said.get("lucid_version") == __version__
        if same_maker and self._engine == "compiled":
            return None
        some = self._rows[:: max(len(self._rows) // ROWS_OF_SCALE, 1)]
        return Tolerance.of(self._job.compute_dtype, self._stored, some)

    def _compared(self, tolerance: Tolerance | None) -> Iterator[None]:
        """Compare the rows batch by batch; keep what is known if this is interrupted."""
        if not len(self._rows):
            return
        comparison, kept = Comparison(self._stored, self._tally, tolerance, self._done), monotonic()
        plan = self._plan()
        try:
            self._compare_invalid(plan, comparison)
            yield
            with closing(local.rows_written(plan, comparison)) as written:
                for _ in written:
                    yield
                    if self._request.all and monotonic() - kept > SAVE_SECONDS:
                        self._keep()
                        kept = monotonic()
        except BaseException:
            if self._request.all:
                self._keep()
            raise
        if self._request.all:
            forget(self._request.path)

    def _plan(self) -> Plan:
        """Return how to make the chosen rows, as if all others were done; note which are zeros."""
        rois = self._job.rois
        chosen = _mask(self._rows, len(self._done)) & ~self._done
        coverage = Coverage(placement_of(self._job, self._settings), rois.named.warnings)
        done = RowSet.all_but(rois.rois, np.flatnonzero(chosen))
        found = survey(rois, done, coverage, zeros=self._zeros)
        return make_plan(self._job, found, self._settings.memory)

    def _compare_invalid(self, plan: Plan, comparison: Comparison) -> None:
        """Compare rows that are zeros because their RoIs are invalid."""
        chosen = _mask(self._rows, len(self._done)) & ~self._done
        job, step = plan.job, max(plan.crops, 1)
        rows = np.flatnonzero(chosen & self._zeros[0 : self._zeros.total])
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            comparison.write(some, np.zeros((len(some), *job.crops_shape[1:]), job.dtype))

    def _keep(self) -> None:
        tally = asdict(self._tally)
        Checked(self._identity(), self._done, tally).write(self._request.path)

    def close(self) -> None:
        """Close what is open."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def _engine(asked: str, recorded: str | None) -> str:
    """Return what makes crops anew: what was asked for, else what made them, if that is there."""
    if asked != "auto":
        return as_engine(asked)
    is_there = recorded == "numpy" or (recorded == "compiled" and not why_not_compiled())
    return recorded if recorded and is_there else get_engine()


def _mismatch(job: Job, stored: Stored) -> str:
    """Say why crops cannot be those of a job, nothing if they can."""
    given = f"{job.crops_shape} {job.dtype}"
    if (stored.shape, stored.dtype) == (job.crops_shape, job.dtype):
        return ""
    return f"its crops are {stored.shape} {stored.dtype}, and its inputs give {given}"


def _mask(rows: Rows, count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    mask[rows] = True
    return mask
