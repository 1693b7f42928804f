"""`lucid-roialign info`."""

from pathlib import Path

import click

from . import console, options


@click.command(cls=options.StrictCommand)
@click.argument("file")
@options.from_table("trust_input")
@options.as_json
def info(file: str, trust_input: bool | None, as_json: bool) -> None:
    """List the arrays of a file, and what each is usable as.

    For each its shape, its dtype, and how it is stored. Of OUTPUT.part, which shards are missing.

    \b
    lucid-roialign info features.h5
    """  # noqa: D301 - click wants the control character
    from lucid.stream import list_arrays, shards_of  # here, for --help needs no NumPy

    missing = None if as_json else shards_of(file)
    if missing:
        console.show_shards(file, missing)
    if not missing or Path(file).exists():
        console.show_arrays(file, list_arrays(file, trust=bool(trust_input)), as_json)
