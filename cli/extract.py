"""`lucid-roialign extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lucid.errors import LucidError
from lucid.stream.options import OPTIONS

from . import config, console, options

if TYPE_CHECKING:
    from lucid.stream import Settings


@click.command(cls=options.GroupedCommand)
@options.from_table(*OPTIONS)
@options.manifest
@options.flag(
    "--dry-run", group="Run",
    about="Check and plan everything, write nothing but what --save-config asks for.",
)  # fmt: skip
@options.display
def extract(
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    manifest: str | None,
    **arguments: Any,
) -> None:
    """Write the crops of RoIs on feature maps.

    Row k of the output is the crop of row k of the RoIs, whatever their order.

    \b
    lucid-roialign extract --features f.h5 --rois r.npy --spatial-scale 0.0625
    """  # noqa: D301 - click wants the control character
    from lucid.stream.settings import Settings  # here, for --help needs no NumPy

    options.require_one_report(quiet, as_json)
    if manifest is not None:
        _do_all(manifest, dry_run, as_json, quiet, progress)
        return
    settings = options.checked(Settings, arguments)
    _require_pipes(settings)
    _do(settings, dry_run, as_json, quiet, progress)


def _require_pipes(settings: Settings) -> None:
    """End with a usage error if a person at a terminal is to type an input, or to read crops."""
    from lucid.stream.checks import PIPE

    for name in ("features", "rois"):
        if str(getattr(settings, name)) == PIPE and console.stdin_is_terminal():
            raise click.UsageError(
                f"--{name} - is read from a pipe, and nothing is piped in; "
                f"redirect a .npy: --{name} - < {name}.npy"
            )
    if settings.to_stream and console.stdout_is_terminal():
        raise click.UsageError("crops are not written to a terminal; pipe or redirect them")


def _do(
    settings: Settings, dry_run: bool, as_json: bool, quiet: bool, progress: bool | None
) -> None:
    """Do a run and report on it."""
    from lucid.errors import spelled
    from lucid.stream import prepare

    with prepare(settings) as extraction:
        report, shows = extraction.report, not (quiet or as_json)
        for fact in extraction.warnings:
            console.warn(spelled(fact, options.flag_of))
        if shows:
            console.show_origins(config.origins(), settings.to_stream)
            console.show_inputs(report, settings.to_stream)
        try:
            if not dry_run:
                last = "packing" if extraction.packs else ""
                with console.bar(report.shape[0], extraction.rows_done, progress, last) as advance:
                    report = extraction.run(advance)
        except KeyboardInterrupt:
            console.interrupted(report, extraction.rows_done, extraction.kept, settings.overwrite)
            raise
    if as_json:
        console.show_json(report, dry_run, settings.to_stream)
    elif shows:
        console.show_output(report, dry_run, settings.to_stream)


def _do_all(file: str, dry_run: bool, as_json: bool, quiet: bool, progress: bool | None) -> None:
    """Do the runs of a manifest; fail at the end if any did."""
    from .manifest import outcomes_of, runs_of

    runs = runs_of(file)
    config.save()
    outcomes = outcomes_of(file, runs, dry_run, progress)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if as_json:
        console.show_outcomes_as_json(outcomes)
    elif not quiet:
        console.show_outcomes(file, outcomes)
    for outcome in failed:
        console.complain(f"{file} line {outcome.line}: {outcome.error}")
    if failed:
        raise LucidError(f"{len(failed)} of {len(runs)} runs of {file} failed")
