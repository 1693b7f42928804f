"""What a run reads and writes, and how features are read."""

from collections.abc import Sequence
from typing import Annotated, Required, TypedDict

from lucid.stream.checks import PathLike, SourceLike, as_flag, one_of, optional
from lucid.stream.options.checks import (
    as_grid,
    as_layout,
    as_output,
    as_rois,
    as_skipped,
    as_source,
    as_sources,
)
from lucid.stream.options.levels import as_levels
from lucid.stream.options.option import ARRAY, INPUTS, OUTPUT, Option, Recorded
from lucid.stream.options.readers import read_int


class Paths(TypedDict, total=False):
    """What `lucid.extract` takes by position."""

    features: Annotated[
        SourceLike | Sequence[PathLike] | None,
        Option(
            group=INPUTS,
            help="Feature maps (N,C,H,W) in .npy, .npz, HDF5, zarr, safetensors or torch .pt. "
            "Without DATASET: the array 'features', 'feat' or 'x', or else the only one usable as "
            "features. {{id}} in PATH or DATASET: a file or array (C,H,W) per image. Repeated or "
            "with quoted wildcards: several files, their images numbered on from file to file. "
            "'-' reads .npy from standard input.",
            check=optional(as_sources),
            metavar=ARRAY,
            several=True,
            of_environment=False,
        ),
    ]
    rois: Annotated[
        Required[SourceLike],
        Option(
            group=INPUTS,
            help="RoIs (K,5), rows batch_index,x1,y1,x2,y2, in such a file; or boxes (K,4) with "
            "{batch_index}, {box_ranges} or {box_counts}, or padded boxes (N,M,4); or tables with "
            "named columns, also in .csv, .tsv, .txt; or COCO .json. Without DATASET: the array "
            "'rois', 'boxes', 'bboxes' or 'image_bb', or else the only one usable as rois. {{id}} "
            "in PATH or DATASET: boxes (n,4) per image. '-' reads .npy from standard input.",
            check=as_rois,
            metavar=ARRAY,
            of_environment=False,
        ),
    ]
    output: Annotated[
        SourceLike,
        Option(
            group=OUTPUT,
            help="Crops (K,C,PH,PW): .h5, .hdf5, .npy, .npz, .safetensors or .zarr. {{id}}: each "
            "image apart, in a file (out/{{id}}.npz, .npy, .h5) or a group (crops.h5::{{id}}). '-' "
            "writes .npy to standard output.",
            check=as_output,
            default="crops.h5",
            metavar="PATH",
            short="-o",
            of_environment=False,
        ),
    ]


class InputOptions(TypedDict, total=False):
    """How features are read."""

    level: Annotated[
        Sequence[SourceLike | tuple[float | None, SourceLike]] | None,
        Option(
            group=INPUTS,
            help="Instead of {features}, repeated: the maps of a level of a pyramid, and their "
            "scale where the file does not say it, as 1/4=fpn.h5::p2. Each RoI is pooled from the "
            "level that suits its size.",
            check=optional(as_levels),
            metavar=f"[SCALE=]{ARRAY}",
            several=True,
            instead_of=("features",),
            of_environment=False,
        ),
    ]
    layout: Annotated[
        str,
        Option(
            group=INPUTS,
            help="Order of the axes of the features, such as nhwc or chw; nlc, lc, ncl or cl for "
            "tokens l, which need {grid}; ncdhw or ndhwc for volumes.",
            check=as_layout,
            default="nchw",
            metavar="LETTERS",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    grid: Annotated[
        int | tuple[int, int] | SourceLike | None,
        Option(
            group=INPUTS,
            help="Height and width of the grid that tokens are the cells of, row by row; or an "
            "array (N,2) of them, or {{id}} in PATH or DATASET.",
            check=optional(as_grid),
            metavar=f"HxW|{ARRAY}",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    skip_tokens: Annotated[
        int,
        Option(
            group=INPUTS,
            help="Tokens before those of the grid, such as 1 for a class token.",
            check=as_skipped,
            default=0,
            metavar="N",
            read=read_int,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    features_dtype: Annotated[
        str | None,
        Option(
            group=INPUTS,
            help="What features of two bytes without a type (|V2) are: bfloat16.",
            check=optional(one_of("features_dtype", "bfloat16")),
            metavar="bfloat16",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    ids: Annotated[
        SourceLike | None,
        Option(
            group=INPUTS,
            help="Ids of the images, in order: an array, a .txt of one a line, a COCO .json, or "
            "a .json that gives each id its file and idx. They are substituted for {{id}}, and "
            "RoIs may name images by them.",
            check=optional(as_source),
            unset="all that match {id}, in natural order; a dataset ids, image_ids or image_id "
            "beside the features; names of files of one map each",
            metavar=ARRAY,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    trust_input: Annotated[
        bool,
        Option(
            group=INPUTS,
            help="Follow external links and virtual datasets of HDF5 files; load filter plug-ins; "
            "unpack zarr's zfpy and pcodec.",
            check=as_flag("trust_input"),
            default=False,
        ),
    ]
