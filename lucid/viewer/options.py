"""What can be asked to be seen, beside how inputs are understood: that is as for `extract`."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from lucid.stream.checks import PathLike, as_flag, one_of, optional
from lucid.stream.options import OPTIONS, Option
from lucid.stream.options.boxes import BoxOptions
from lucid.stream.options.inputs import InputOptions
from lucid.stream.options.operator import OperatorOptions
from lucid.stream.options.option import BOXES, INPUTS, OPERATOR, options_in
from lucid.stream.options.run import RunOptions
from lucid.stream.sample import CHOICE, SampleOptions
from lucid.viewer.checks import (
    as_images,
    as_page,
    as_path,
    as_picture,
    as_shown,
)

PICTURE = "Picture"
UNCHOSEN = "12 RoIs each of the first 4 images that have any"


class ChoiceOptions(SampleOptions, total=False):
    """Which RoIs are drawn."""

    image: Annotated[
        str | int | Sequence[str | int] | None,
        Option(
            group=CHOICE,
            help="RoIs of an image, by its id or its number. May be repeated.",
            check=optional(as_images),
            metavar="ID",
            several=True,
        ),
    ]
    worst: Annotated[
        bool,
        Option(
            group=CHOICE,
            help="RoIs that are odd: invalid, outside their map, tiny or thin; and the largest.",
            check=as_flag("worst"),
            default=False,
            instead_of=("random",),
        ),
    ]


class PictureOptions(TypedDict, total=False):
    """How they are drawn."""

    show: Annotated[
        str | int,
        Option(
            group=PICTURE,
            help="What of the channels is drawn: their mean, their norm, three principal "
            "components as colour (pca), or the channel of a number.",
            check=as_shown,
            default="mean",
            metavar="mean|norm|pca|N",
        ),
    ]
    image_file: Annotated[
        PathLike | None,
        Option(
            group=PICTURE,
            help="Photograph to draw RoIs on in place of the map, where one image is shown.",
            check=optional(as_path),
            metavar="PATH",
        ),
    ]
    images: Annotated[
        PathLike | None,
        Option(
            group=PICTURE,
            help="Photographs of the images: a path with {{id}}, an id or number, or with "
            "wildcards that match as many files as there are images.",
            check=optional(as_path),
            metavar="PATH",
            instead_of=("image_file",),
        ),
    ]
    bins: Annotated[
        bool,
        Option(group=PICTURE, help="Draw the bins of RoIs.", check=as_flag("bins"), default=False),
    ]
    samples: Annotated[
        bool,
        Option(
            group=PICTURE,
            help="Draw the points that are sampled; crosses are off the map and count as 0.",
            check=as_flag("samples"),
            default=False,
        ),
    ]
    colors: Annotated[
        str,
        Option(
            group=PICTURE,
            help="One scale of colours for all maps and crops, or each its own.",
            check=one_of("colors", "shared", "own"),
            default="shared",
            metavar="shared|own",
        ),
    ]


class OutputOptions(TypedDict, total=False):
    """Where it is drawn to."""

    output: Annotated[
        PathLike | None,
        Option(
            group=PICTURE,
            help="Picture: .png, .svg or .pdf. '-' shows it in a terminal that can (kitty, "
            "iTerm2, sixel), and writes PNG to a pipe.",
            check=optional(as_picture),
            unset="preview.png, unless there is {html}",
            metavar="PATH",
            short="-o",
            of_environment=False,
        ),
    ]
    html: Annotated[
        PathLike | None,
        Option(
            group=PICTURE,
            help="Page in which RoIs can be moved and crops change, in one file.",
            check=optional(as_page),
            metavar="PATH",
            of_environment=False,
        ),
    ]
    overwrite: Annotated[
        bool,
        Option(
            group=PICTURE,
            help="Replace an existing picture or page.",
            check=as_flag("overwrite"),
            default=False,
            of_environment=False,
        ),
    ]


class PreviewOptions(
    InputOptions,
    BoxOptions,
    OperatorOptions,
    RunOptions,
    ChoiceOptions,
    PictureOptions,
    total=False,
):
    """The keywords of `lucid.preview` beside its inputs and where it is drawn to."""


CROPS = Option(
    group=INPUTS,
    help="A file of crops (.h5, .npz, .safetensors), which says its inputs and how they were "
    "understood; other options replace what it says.",
    check=optional(as_path),
    metavar="PATH",
    of_environment=False,
)
OF_RUN = ("strict", "memory", "engine", "jobs")  # of which the last changes nothing here
UNDERSTOOD = {
    name: option
    for name, option in OPTIONS.items()
    if option.group in {INPUTS, BOXES, OPERATOR} or name in OF_RUN
}
SEEN = options_in(ChoiceOptions, PictureOptions, OutputOptions)
SEEN["rows"] = SEEN["rows"]._replace(unset=UNCHOSEN)
PREVIEW = {"crops": CROPS, **UNDERSTOOD, **SEEN}
