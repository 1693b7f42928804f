"""What a verification found, for people and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lucid.stream.report import as_html
from lucid.stream.wording import COLUMNS, shown, wrapped
from lucid.verifier.beside import BesideState
from lucid.verifier.inputs import InputState
from lucid.verifier.tally import Found, Tally, Tolerance

MOST_SHOWN = 10  # rows, or runs of them
HOW_CHOSEN = {"all": "all", "rows": "as asked for", "random": "drawn at random with seed {}"}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found; `good` says whether anything is wrong."""

    crops: str
    shape: tuple[int, ...]
    dtype: str
    version: str | None  # of what wrote them; None where the file does not say it
    written_by: str | None  # an engine
    engine: str  # that made rows anew
    inputs: tuple[InputState, ...]
    rows: int  # that were chosen
    choice: str  # 'all', 'rows' or 'random'
    seed: int
    tolerance: Tolerance | None  # None where equal bits are promised
    tally: Tally
    beside: tuple[BesideState, ...]
    checksums: str  # in words; '' if there are none
    damaged: tuple[str, ...]  # what has another checksum than it should
    mismatch: str = ""  # why no row was compared

    @property
    def good(self) -> bool:
        """Whether all that was looked at is as it should be."""
        return not any(self._faults())

    def _faults(self) -> Iterator[str]:
        """Yield what is wrong, in words."""
        yield self.mismatch
        changed = [one.role for one in self.inputs if one.state == "changed"]
        yield f"{', '.join(dict.fromkeys(changed))} changed" * bool(changed)
        for count, one, several in (
            (self.tally.differing, "differs", "differ"),
            (
                self.tally.zeros,
                "is zeros, though its RoI has a crop",
                "are zeros, though their RoIs have crops",
            ),
            (self.tally.unreadable, "cannot be read", "cannot be read"),
        ):
            yield f"{_rows(count)} {one if count == 1 else several}" * bool(count)
        yield from (f"{one.name} {one.state}" for one in self.beside if not one.is_good)
        yield from (f"{name} damaged" for name in self.damaged)

    def lines(self, columns: int = COLUMNS) -> Iterator[str]:
        """Yield what the command prints."""
        return wrapped(map(shown, self._lines()), columns)

    def _lines(self) -> Iterator[str]:
        yield f"crops     {self.crops}  {self.shape} {self.dtype}"
        if self.version:
            yield f"          by lucid-roialign {self.version}, {self.written_by} engine"
        for one in self.inputs:
            yield f"{one.role:<9} {one.name}, {one.in_words()}"
        if not self.mismatch:
            yield from self._row_lines()
        if self.beside:
            yield from _labelled("beside", list(_beside_words(self.beside)))
        if self.checksums:
            yield f"checksums {self.checksums}"
        faults = [fault for fault in self._faults() if fault]
        yield from _labelled("bad" if faults else "good", faults or [self._verdict()])

    def _verdict(self) -> str:
        of_all = f" of {self.shape[0]}" * (self.rows < self.shape[0])
        return f"{self.rows}{of_all} rows are what their inputs give"

    def _row_lines(self) -> Iterator[str]:
        tally = self.tally
        is_all = self.rows == self.shape[0]
        how = HOW_CHOSEN["all" if is_all else self.choice].format(self.seed)
        yield f"rows      {self.rows} of {self.shape[0]}, {how}"
        yield f"          made anew by the {self.engine} engine; {self._promise()}"
        counts = f"{tally.equal} equal" + f", {tally.bad} not" * bool(tally.bad)
        if tally.rounded:
            counts += f", {tally.rounded} but for rounding (up to {tally.max_rounding:.2g})"
        yield f"          {counts}"
        runs = list(_runs(tally.found))
        for first, last in runs[:MOST_SHOWN]:
            span = f"row {first.row}" if first is last else f"rows {first.row}..{last.row}"
            yield f"          {span} {self._about(first)}"
        hidden = tally.bad - sum(last.row - first.row + 1 for first, last in runs[:MOST_SHOWN])
        if hidden:
            yield f"          and {_rows(hidden)} more"

    def _promise(self) -> str:
        if self.tolerance is None:
            return "bits must be equal"
        return f"values must be within {self.tolerance.value:.2g}"

    def _about(self, found: Found) -> str:
        """Say what a row is, and in whose place it stands, if that is known."""
        if found.kind == "unreadable":
            return f"cannot be read: {found.fact}"
        if found.kind == "zeros":
            return "is zeros, and its RoI has a crop"
        for other in self.tally.found:
            if other.made == found.stored and other.row != found.row:
                return f"holds the crop of row {other.row}"
        error = (
            "infinitely" if found.max_abs_error is None else f"by up to {found.max_abs_error:.3g}"
        )
        return f"differs in {found.values} of {found.of} values, {error}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return as_html(str(self))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, all of which JSON has."""
        tally = self.tally
        return {
            "good": self.good,
            "faults": [fault for fault in self._faults() if fault],
            "crops": self.crops,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "version": self.version,
            "written_by": self.written_by,
            "engine": self.engine,
            "inputs": [one._asdict() for one in self.inputs],
            "choice": self.choice,
            "seed": self.seed if self.choice == "random" else None,
            "rows": self.rows,
            "tolerance": self.tolerance.value if self.tolerance else None,
            "equal": tally.equal,
            "rounded": tally.rounded,
            "max_rounding": tally.max_rounding,
            "differing": tally.differing,
            "zeros": tally.zeros,
            "unreadable": tally.unreadable,
            "found": [_plain(found) for found in tally.found],
            "beside": [one._asdict() for one in self.beside],
            "checksums": self.checksums or None,
            "damaged": list(self.damaged),
        }


def _plain(found: Found) -> dict[str, Any]:
    known = found._asdict()
    return {name: known[name] for name in ("row", "kind", "values", "of", "max_abs_error", "fact")}


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _runs(found: Sequence[Found]) -> Iterator[tuple[Found, Found]]:
    """Yield the first and the last of rows that follow each other and are alike."""
    start: Found | None = None
    last: Found | None = None
    for one in sorted(found):
        alike = last and (one.kind, one.fact, one.row) == (last.kind, last.fact, last.row + 1)
        if start and last and not (alike and one.kind != "differs"):
            yield start, last
            start = one
        start, last = start or one, one
    if start and last:
        yield start, last


def _beside_words(states: Sequence[BesideState]) -> Iterator[str]:
    same = [one.name for one in states if one.state == "same"]
    missing = [one.name for one in states if one.state == "missing"]
    if same:
        yield f"{', '.join(same)}: as the inputs say"
    if missing:
        yield f"{', '.join(missing)}: not there"
    yield from (f"{one.name} {one.state}: {one.fact}" for one in states if not one.is_good)


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield lines, the first with a label."""
    for k, line in enumerate(lines):
        yield f"{'' if k else label:<9} {line}"
