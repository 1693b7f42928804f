"""`lucid-roialign info`."""

from pathlib import Path

import click

from . import console, options


@click.command(cls=options.StrictCommand)
@click.argument("file")
@options.from_table("trust_input")
@options.flag("--stats", group="Report", about="Read a sample of the values, and say their range.")
@options.as_json
def info(file: str, trust_input: bool | None, stats: bool, as_json: bool) -> None:
    """List what a file holds, and what each is usable as.

    For each array its shape, its dtype, how it is stored, and what is said of where boxes lie; of a
    table its rows and columns; of crops, the command that made them. Of a path with {id} or
    wildcards, the first file. Of OUTPUT.part, which shards are missing.

    \b
    lucid-roialign info features.h5
    """  # noqa: D301 - click wants the control character
    from lucid.stream import describe, first_of, made_by, shards_of  # --help needs no NumPy

    shards = shards_of(file)
    is_there = shards is None or Path(file).exists()
    first, files = first_of(file) if is_there else (file, 0)
    found = describe(first, bool(trust_input), stats) if is_there else None
    made = made_by(first) if is_there else None
    if as_json:
        console.show_file_as_json(file, found, made, shards)
        return
    if shards is not None:
        console.show_shards(file, shards)
    if found is not None:
        console.show_file(first, files, found, made)
