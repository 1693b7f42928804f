"""Which rows of a table are looked at, where not all of them are."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from lucid.stream.checks import optional
from lucid.stream.choices import as_count, as_rows
from lucid.stream.options.option import Option
from lucid.stream.options.readers import read_int

CHOICE = "Choice of rows"


class SampleOptions(TypedDict, total=False):
    """Rows by their numbers, and some of them at random."""

    rows: Annotated[
        str | int | slice | Sequence[int] | None,
        Option(
            group=CHOICE,
            help="Rows of the table of RoIs: numbers and ranges with an exclusive end, as "
            "3,17,100:200.",
            check=optional(as_rows),
            metavar="ROWS",
        ),
    ]
    random: Annotated[
        int | None,
        Option(
            group=CHOICE,
            help="So many rows at random, of all or of those that are chosen otherwise.",
            check=optional(as_count("random", 1)),
            metavar="N",
            read=read_int,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            group=CHOICE,
            help="Seed of {random}.",
            check=as_count("seed"),
            default=0,
            metavar="S",
            read=read_int,
        ),
    ]
