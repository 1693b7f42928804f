"""What a crop is."""

from typing import TYPE_CHECKING, Annotated, SupportsIndex, TypedDict

from lucid.stream.checks import (
    as_flag,
    as_stride,
    by_core,
    optional,
)
from lucid.stream.options.option import OPERATOR, Option, Recorded
from lucid.stream.options.readers import read_int, read_scale, read_size

if TYPE_CHECKING:
    from lucid.roi.operator import OutputSize, SpatialScale


class OperatorOptions(TypedDict, total=False):
    """The operator and its parameters."""

    operator: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="What a crop is.",
            check=by_core("as_operator", "lucid.roi.operators"),
            default="roi-align",
            metavar="NAME",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    output_size: Annotated[
        "OutputSize",
        Option(
            group=OPERATOR,
            help="Output grid per RoI, height x width.",
            check=by_core("as_output_size"),
            default=(7, 7),
            metavar="N|HxW",
            read=read_size,
            recorded=Recorded.ALWAYS,
        ),
    ]
    spatial_scale: Annotated[
        "SpatialScale | None",
        Option(
            group=OPERATOR,
            help="Feature-map cells per input pixel, 1/16 for stride 16; a pair is y,x.",
            check=optional(by_core("as_spatial_scale")),
            unset="what the features say: spatial_scale or stride; else 1",
            metavar="S|SY,SX",
            read=read_scale,
            recorded=Recorded.ALWAYS,
        ),
    ]
    stride: Annotated[
        "SpatialScale | None",
        Option(
            group=OPERATOR,
            help="Input pixels per feature-map cell; the inverse of {spatial_scale}.",
            check=optional(as_stride),
            metavar="S|SY,SX",
            read=read_scale,
        ),
    ]
    sampling_ratio: Annotated[
        SupportsIndex,
        Option(
            group=OPERATOR,
            help="Samples per bin along each axis; <= 0: adaptive, ceil(bin size in cells).",
            check=by_core("as_sampling_ratio"),
            default=-1,
            metavar="N",
            read=read_int,
            recorded=Recorded.ALWAYS,
        ),
    ]
    aligned: Annotated[
        bool | None,
        Option(
            group=OPERATOR,
            help="Shift by half a cell, so that coordinate 0 is the outer edge of the first pixel "
            "and not its centre.",
            check=optional(as_flag("aligned")),
            unset="no-aligned",
            recorded=Recorded.ALWAYS,
            negative=True,
        ),
    ]
    invalid: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="What an invalid RoI gets: an error before any map is read, or a crop of zeros.",
            check=by_core("as_invalid"),
            default="raise",
            metavar="raise|zero",
            recorded=Recorded.ALWAYS,
        ),
    ]
