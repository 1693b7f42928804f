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

    with prepare(features, rois, Settings(**settings)) as extraction:
        report = extraction.report
        if not dry_run:
            with console.bar(report.shape[0], progress) as advance:
                extraction.run(advance)
    if not quiet:
        console.show_extract(report, dry_run, as_json)
