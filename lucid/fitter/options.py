"""What can be asked about frames, beside how inputs are understood."""

from pathlib import Path
from typing import Annotated, Any, TypedDict

from lucid.stream.checks import PathLike, SourceLike, as_flag, optional
from lucid.stream.choices import as_count
from lucid.stream.options import OPTIONS, Option
from lucid.stream.options.boxes import BoxOptions
from lucid.stream.options.checks import as_source
from lucid.stream.options.inputs import InputOptions
from lucid.stream.options.operator import OperatorOptions
from lucid.stream.options.option import BOXES, INPUTS, OPERATOR, options_in
from lucid.stream.options.readers import read_int
from lucid.viewer.checks import PICTURES

CANDIDATES = "Candidates"
NOT_ASKED = ("level", "canonical", "output_size", "expand", "invalid")
TOP = 8


def as_pictures(path: Any) -> str:
    """Return the path of pictures, if its ending is of a format that can be drawn."""
    if Path(path).suffix.lower() not in PICTURES:
        folder = f"; for pictures in a folder, {path}/{{n}}.png" * (not Path(path).suffix)
        raise ValueError(f"pictures must end in {', '.join(PICTURES)}, got {path}{folder}")
    return str(path)


class CandidateOptions(TypedDict, total=False):
    """What is told of which candidates."""

    reference: Annotated[
        SourceLike | None,
        Option(
            group=CANDIDATES,
            help="Crops (K,C,PH,PW) of the same RoIs that were made elsewhere: candidates are "
            "ranked by how well they reproduce them, with the operator that does.",
            check=optional(as_source),
            metavar="PATH[::DATASET]",
            of_environment=False,
        ),
    ]
    top: Annotated[
        int,
        Option(
            group=CANDIDATES,
            help="How many are told.",
            check=as_count("top", 1),
            default=TOP,
            metavar="N",
            read=read_int,
        ),
    ]


class PictureOptions(TypedDict, total=False):
    """Where candidates are drawn to."""

    pictures: Annotated[
        PathLike | None,
        Option(
            group=CANDIDATES,
            help="Draw each that is told: a path of pictures (.png, .svg, .pdf) with {{n}}, its "
            "number.",
            check=optional(as_pictures),
            metavar="PATH",
            of_environment=False,
        ),
    ]
    images: Annotated[
        PathLike | None,
        Option(
            group=CANDIDATES,
            help="Photographs to draw boxes on, as for preview.",
            check=optional(str),
            metavar="PATH",
            of_environment=False,
        ),
    ]
    overwrite: Annotated[
        bool,
        Option(
            group=CANDIDATES,
            help="Replace existing pictures.",
            check=as_flag("overwrite"),
            default=False,
            of_environment=False,
        ),
    ]


class FrameOptions(
    InputOptions, BoxOptions, OperatorOptions, CandidateOptions, PictureOptions, total=False
):
    """The keywords of `lucid.frame` beside its inputs."""

    memory: Annotated[int | str, OPTIONS["memory"]]


UNDERSTOOD: dict[str, Option] = {
    name: option
    for name, option in OPTIONS.items()
    if (option.group in {INPUTS, BOXES, OPERATOR} or name == "memory") and name not in NOT_ASKED
}
ASKED = options_in(CandidateOptions, PictureOptions)
FRAME = {**UNDERSTOOD, **ASKED}
