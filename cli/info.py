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

    shards = shards_of(file)
    is_there = shards is None or Path(file).exists()
    arrays = list_arrays(file, trust=bool(trust_input)) if is_there else None
    if as_json:
        console.show_file_as_json(file, arrays or [], shards)
        return
    if shards is not None:
        console.show_shards(file, shards)
    if arrays is not None:
        console.show_arrays(file, arrays)
