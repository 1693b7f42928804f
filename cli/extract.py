"""`lucid-roialign extract`."""

from typing import Any

import click

from lucid.stream.options import OPTIONS

from . import config, console, options


@click.command(cls=options.GroupedCommand)
@options.from_table(*OPTIONS)
@options.flag("--dry-run", group="Run", about="Check and plan everything, write nothing.")
@options.display
def extract(
    dry_run: bool, as_json: bool, quiet: bool, progress: bool | None, **arguments: Any
) -> None:
    """Write the crops of RoIs on feature maps.

    Row k of the output is the crop of row k of the RoIs, whatever their order.

    \b
    lucid-roialign extract --features f.h5 --rois r.npy --spatial-scale 0.0625
    """  # noqa: D301 - click wants the control character
    from lucid.stream import prepare  # here, for --help needs no NumPy
    from lucid.stream.checks import spelled
    from lucid.stream.settings import Settings

    if quiet and as_json:
        raise click.UsageError("--quiet and --json contradict each other")
    settings = options.checked(Settings, arguments)
    if settings.to_stream and console.stdout_is_terminal():
        raise click.UsageError("crops are not written to a terminal; pipe or redirect them")
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
