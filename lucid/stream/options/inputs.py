"""What a run reads and writes, and how features are read."""

from collections.abc import Sequence
from typing import Annotated, Required, TypedDict

from lucid.stream.checks import (
    PathLike,
    SourceLike,
    as_flag,
    as_output,
    as_source,
    as_sources,
    one_of,
    optional,
)
from lucid.stream.options.option import ARRAY, INPUTS, OUTPUT, Option, Recorded


class Paths(TypedDict, total=False):
    """What `lucid.extract` takes by position."""

    features: Annotated[
        Required[SourceLike | Sequence[PathLike]],
        Option(
            group=INPUTS,
            help="Feature maps (N,C,H,W) in .npy or HDF5. Without DATASET: the dataset 'features', "
            "or else the only one usable as features. {{id}} in PATH or DATASET: a file or dataset "
            "(C,H,W) per image. Repeated, or with quoted wildcards: several files, their images "
            "numbered on from file to file. - reads .npy from standard input.",
            check=as_sources,
            metavar=ARRAY,
            several=True,
        ),
    ]
    rois: Annotated[
        Required[SourceLike],
        Option(
            group=INPUTS,
            help="RoIs (K,5), rows batch_index,x1,y1,x2,y2, in .npy or HDF5; or boxes (K,4) with "
            "{batch_index} or {box_ranges}, or padded boxes (N,M,4); or COCO .json, .csv, .tsv, "
            ".txt. {{id}} in PATH or DATASET: boxes (n,4) per image. - reads .npy from standard "
            "input.",
            check=as_source,
            metavar=ARRAY,
        ),
    ]
    output: Annotated[
        SourceLike,
        Option(
            group=OUTPUT,
            help="Crops (K,C,PH,PW): .h5, .hdf5 or .npy. {{id}}: each image apart, in a file "
            "(out/{{id}}.npz, .npy, .h5) or a group (crops.h5::{{id}}). - writes .npy to standard "
            "output.",
            check=as_output,
            default="crops.h5",
            metavar="PATH",
            short="-o",
        ),
    ]


class InputOptions(TypedDict, total=False):
    """How features are read."""

    layout: Annotated[
        str,
        Option(
            group=INPUTS,
            help="Order of the axes of the features.",
            check=one_of("layout", "nchw", "nhwc"),
            default="nchw",
            metavar="nchw|nhwc",
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
            help="Follow external links and virtual datasets of HDF5 files; load filter plug-ins.",
            check=as_flag("trust_input"),
            default=False,
        ),
    ]
