"""`lucid-roialign frame`."""

from typing import Any

import click

from lucid.fitter.options import FRAME
from lucid.stream.options import REQUIRED

from . import console, options


@click.command(cls=options.GroupedCommand)
@options.from_table(*FRAME, table=FRAME, required=REQUIRED | {"features"})
@options.as_json
def frame(as_json: bool, **arguments: Any) -> None:
    """Try in which coordinates boxes are.

    Prints how well each way that is in use fits the maps, with its options for extract; what is
    given is held fixed. With --reference, also which operator of which framework made some crops.

    \b
    lucid-roialign frame --features f.h5 --rois r.npy --image-size sizes.npy
    lucid-roialign frame --features f.h5 --rois r.npy --reference theirs.npy
    """  # noqa: D301 - click wants the control character
    from lucid.fitter.frame import draw, find_frames  # here, for --help needs no NumPy
    from lucid.fitter.request import Request

    request = options.checked(Request, arguments)
    report = find_frames(request)
    draw(report, request)
    console.show_frames(report, as_json)
