"""`lucid-roialign verify`."""

from typing import Any

import click

from lucid.verifier.options import VERIFY

from . import console, options


@click.command(cls=options.GroupedCommand)
@click.argument("crops")
@options.from_table(*VERIFY, table=VERIFY, required=frozenset())
@options.display
def verify(crops: str, as_json: bool, quiet: bool, progress: bool | None, **arguments: Any) -> bool:
    """Make rows of a file of crops anew and compare them.

    The file says what its inputs were; options replace what it says. Ends with 1 if a row is not
    what its inputs give, or an input has changed.

    \b
    lucid-roialign verify crops.h5
    lucid-roialign verify crops.npy --features f.h5 --rois r.npy --spatial-scale 0.0625
    """  # noqa: D301 - click wants the control character
    from lucid.verifier.request import Request  # here, for --help needs no NumPy
    from lucid.verifier.verification import Verification

    options.require_one_report(quiet, as_json)
    checking = options.checked(lambda **given: Verification(Request(crops, **given)), arguments)
    with (
        checking as verification,
        console.bar(verification.rows, verification.rows_done, progress, "") as advance,
    ):
        try:
            report = verification.run(advance)
        except KeyboardInterrupt:
            done, rows = verification.rows_done, verification.rows
            console.interrupted_verifying(done, rows, bool(arguments["all"]))
            raise
    if not quiet:
        console.show_verified(report, as_json)
    return report.good
