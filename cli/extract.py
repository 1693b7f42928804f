"""`lucid-roialign extract`."""

from typing import Any

import click

from . import console, options


@click.command()
@options.features
@options.rois
@options.output
@options.operator
@options.memory
@click.option("--dry-run", is_flag=True, help="Check and plan everything, write nothing.")
@options.display
def extract(
    features: str,
    rois: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    **settings: Any,
) -> None:
    r"""Write the crops of RoIs on feature maps.

    Row k of the output is the crop of row k of the RoIs, whatever their order.

    \b
    lucid-roialign extract --features f.h5 --rois r.npy --spatial-scale 0.0625
    """
    from lucid.stream import Settings, prepare  # here, for --help needs no NumPy

    try:
        checked = Settings.checked(**settings)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with prepare(features, rois, checked) as extraction:
        report = extraction.report
        try:
            if not dry_run:
                with console.bar(report.shape[0], progress) as advance:
                    extraction.run(advance)
        except KeyboardInterrupt:
            console.interrupted(report.output, extraction.rows_done, report.shape[0])
            raise
    if not quiet:
        console.show_extract(report, dry_run, as_json)
