"""What a crop is."""

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, SupportsIndex, TypedDict

from lucid.stream.checks import as_flag, by_core, optional
from lucid.stream.options.checks import as_slice, as_stride
from lucid.stream.options.levels import as_canonical, read_canonical
from lucid.stream.options.option import OPERATOR, Option, Recorded
from lucid.stream.options.readers import (
    read_int,
    read_ratio,
    read_scale,
    read_size,
    read_slice,
)

if TYPE_CHECKING:
    from lucid.roi.operator import OutputSize, SpatialScale, VolumeScale, VolumeSize


class OperatorOptions(TypedDict, total=False):
    """The operator and its parameters."""

    operator: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="What a crop is: roi-align, roi-align-rotated, prroi-pool, roi-pool, "
            "ps-roi-align, ps-roi-pool, crop-and-resize or roi-align-3d.",
            check=by_core("as_operator", "lucid.roi.operators"),
            default="roi-align",
            metavar="NAME",
            words=lambda: import_module("lucid.roi.operators").OPERATORS,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    output_size: Annotated[
        "OutputSize | VolumeSize",
        Option(
            group=OPERATOR,
            help="Output grid per RoI, height x width; of volumes, depth x height x width.",
            check=by_core("as_bins"),
            default=(7, 7),
            metavar="N|HxW|DxHxW",
            read=read_size,
            recorded=Recorded.ALWAYS,
        ),
    ]
    spatial_scale: Annotated[
        "SpatialScale | VolumeScale | None",
        Option(
            group=OPERATOR,
            help="Feature-map cells per input pixel, 1/16 for stride 16; a pair is y,x, a triple "
            "z,y,x.",
            check=optional(by_core("as_factors")),
            unset="what the features say: spatial_scale or stride; else 1",
            metavar="S|SY,SX|SZ,SY,SX",
            read=read_scale,
            recorded=Recorded.ALWAYS,
        ),
    ]
    stride: Annotated[
        "SpatialScale | VolumeScale | None",
        Option(
            group=OPERATOR,
            help="Input pixels per feature-map cell; the inverse of {spatial_scale}.",
            check=optional(as_stride),
            metavar="S|SY,SX|SZ,SY,SX",
            read=read_scale,
            instead_of=("spatial_scale",),
        ),
    ]
    sampling_ratio: Annotated[
        SupportsIndex | float,
        Option(
            group=OPERATOR,
            help="Samples per bin along each axis; <= 0: adaptive, ceil(bin size in cells); inf: "
            "the exact mean that more and more come to.",
            check=by_core("as_sampling_ratio"),
            default=-1,
            metavar="N|inf",
            read=read_ratio,
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
    angle: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="The unit of the angles of rotated boxes (cx, cy, w, h, angle).",
            check=by_core("as_angle"),
            default="degrees",
            metavar="degrees|radians",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    clockwise: Annotated[
        bool,
        Option(
            group=OPERATOR,
            help="Angles turn as the hands of a clock, and not against them, as seen.",
            check=as_flag("clockwise"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    mode: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="Whether a bin is the mean of its samples, or the largest.",
            check=by_core("as_mode"),
            default="avg",
            metavar="avg|max",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    outside: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="Whether samples outside the map are 0, or are left out of the mean.",
            check=by_core("as_outside"),
            default="zero",
            metavar="zero|renormalize",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    method: Annotated[
        str,
        Option(
            group=OPERATOR,
            help="How crop-and-resize reads a bin.",
            check=by_core("as_method"),
            default="bilinear",
            metavar="bilinear|nearest",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    extrapolation_value: Annotated[
        float,
        Option(
            group=OPERATOR,
            help="What crop-and-resize writes for bins outside the map.",
            check=by_core("as_extrapolation_value"),
            default=0.0,
            metavar="VALUE",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    max_samples: Annotated[
        SupportsIndex | None,
        Option(
            group=OPERATOR,
            help="Most samples per bin along each axis where sampling is adaptive.",
            check=optional(by_core("as_max_samples")),
            unset="no bound",
            metavar="N",
            read=read_int,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    canonical: Annotated[
        tuple[float, float],
        Option(
            group=OPERATOR,
            help="Of a pyramid: the level (4: stride 16) of boxes of sides SCALE, in input pixels.",
            check=as_canonical,
            default=(4.0, 224.0),
            metavar="LEVEL,SCALE",
            read=read_canonical,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    expand: Annotated[
        float,
        Option(
            group=OPERATOR,
            help="Take boxes so many times as large, about their centres.",
            check=by_core("as_expand"),
            default=1.0,
            metavar="FACTOR",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    channels: Annotated[
        slice | None,
        Option(
            group=OPERATOR,
            help="Channels of the maps that are read, as Python slices them.",
            check=optional(as_slice),
            unset="all",
            metavar="START:STOP[:STEP]",
            read=read_slice,
            recorded=Recorded.UNLESS_DEFAULT,
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
