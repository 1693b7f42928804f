"""`extract --manifest`: many runs as one job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lucid.errors import LucidError, spelled
from lucid.stream.checks import PIPE, ArgumentError
from lucid.stream.options import OPTIONS

from . import config, console, options

if TYPE_CHECKING:
    from lucid.stream import ExtractReport, Settings

SUFFIXES = (".csv", ".jsonl")


class Run(NamedTuple):
    """A line of a manifest."""

    line: int
    settings: Settings


class Outcome(NamedTuple):
    """What became of a run."""

    line: int
    output: str
    status: str  # 'done', 'done before', 'planned' or 'failed'
    report: ExtractReport | None = None
    error: str | None = None


def runs_of(file: str) -> list[Run]:
    """Return the runs of a manifest, all of which are checked.

    Raises
    ------
    UsageError
        If a line says something else than options, or two lines have one output.
    """
    from lucid.stream.read.manifest import read_manifest

    if not file.endswith(SUFFIXES):
        raise click.UsageError(f"--manifest must end in {' or '.join(SUFFIXES)}, got {file}")
    runs: list[Run] = []
    lines_by_output: dict[Path, int] = {}
    for line, cells in read_manifest(Path(file)):
        place = f"{file} line {line}"
        settings = _settings(place, config.overlaid(file, place, cells))
        other = lines_by_output.setdefault(settings.output.resolve(), line)
        if other != line:
            raise click.UsageError(
                f"{place} has the output of line {other}, {settings.output_name}"
            )
        runs.append(Run(line, settings))
    return runs


def _settings(place: str, arguments: Mapping[str, Any]) -> Settings:
    """Return the settings of a line: what is there of its output is gone on with."""
    from lucid.stream.settings import Settings

    given = options.given({name: arguments[name] for name in OPTIONS if name in arguments})
    if "rois" not in given or PIPE in map(str, given.values()):
        raise click.UsageError(f"{place}: pass rois, and no pipes")
    try:
        return Settings(**given | {"resume": not given.get("overwrite")})
    except ArgumentError as error:
        raise click.UsageError(f"{place}: {spelled(error.fact, options.flag_of)}") from error


def outcomes_of(file: str, runs: list[Run], dry_run: bool, progress: bool | None) -> list[Outcome]:
    """Do all runs, one after the other, and return what became of each."""
    outcomes: list[Outcome] = []
    with console.bar(len(runs), 0, progress, "", " runs") as advance:
        for number, run in enumerate(runs):

            def tell(share: float, number: int = number) -> None:
                advance(number + share)

            try:
                outcomes.append(_outcome(f"{file} line {run.line}", run, dry_run, tell))
            except KeyboardInterrupt:
                console.interrupted_in(number, len(runs), run.settings.overwrite)
                raise
            tell(1)
    return outcomes


def _outcome(place: str, run: Run, dry_run: bool, tell: Callable[[float], None]) -> Outcome:
    from lucid.stream import prepare

    output = run.settings.output_name
    try:
        with prepare(run.settings) as extraction:
            for fact in extraction.warnings:
                console.warn(f"{place}: {spelled(fact, options.flag_of)}")
            report, rows = extraction.report, max(extraction.report.shape[0], 1)
            if extraction.is_complete:
                return Outcome(run.line, output, "done before", report)
            if dry_run:
                return Outcome(run.line, output, "planned", report)
            report = extraction.run(lambda rows_done: tell(rows_done / rows))
            return Outcome(run.line, output, "done", report)
    except LucidError as error:
        return Outcome(run.line, output, "failed", error=error.spelled(options.flag_of))
