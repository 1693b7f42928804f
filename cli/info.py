"""`lucid-roialign info`."""

import click

from . import console, options


@click.command(cls=options.StrictCommand)
@click.argument("file")
@options.from_table("trust_input")
@options.as_json
def info(file: str, trust_input: bool | None, as_json: bool) -> None:
    """List the arrays of a file, and what each is usable as.

    For each its shape, its dtype, and how it is stored.

    \b
    lucid-roialign info features.h5
    """  # noqa: D301 - click wants the control character
    from lucid.stream import list_arrays  # here, for --help needs no NumPy

    console.show_arrays(file, list_arrays(file, trust=bool(trust_input)), as_json)
