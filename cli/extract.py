"""`lucid-roialign extract`."""

from typing import Any

import click

from . import console, options


@click.command()
@options.features
@options.rois
@options.operator
@options.output
@options.memory
@options.jobs
@click.option("--dry-run", is_flag=True, help="Check and plan everything, write nothing.")
@options.display
def extract(
    dry_run: bool, as_json: bool, quiet: bool, progress: bool | None, **settings: Any
) -> None:
    """Write the crops of RoIs on feature maps.

    Row k of the output is the crop of row k of the RoIs, whatever their order.

    \b
    lucid-roialign extract --features f.h5 --rois r.npy --spatial-scale 0.0625
    """  # noqa: D301 - click wants the control character
    from lucid.stream import Settings, prepare  # here, for --help needs no NumPy

    try:
        checked = Settings.checked(**settings)
    except ValueError as error:
        raise click.UsageError(options.with_dashes(str(error), settings)) from error
    if quiet and as_json:
        raise click.UsageError("--quiet and --json contradict each other")
    if checked.to_stream and console.stdout_is_terminal():
        raise click.UsageError("crops are not written to a terminal; pipe or redirect them")
    with prepare(checked) as extraction:
        report = extraction.report
        try:
            if not dry_run:
                with console.bar(report.shape[0], extraction.rows_done, progress) as advance:
                    extraction.run(advance)
        except KeyboardInterrupt:
            console.interrupted(report, extraction.rows_done, checked.can_resume)
            raise
    if not quiet:
        console.show_extract(report, dry_run, as_json, to_stderr=checked.to_stream)
