"""Every option of a run, once: its name, type, default, check and help.

`Options` is the table. `lucid.extract` takes its keywords from it, the command its options, the
output its attributes, and a resumed run what must be the same as before. To add an option is to add
an entry here, and to use it. Nothing here needs NumPy, so that the command can show its help fast.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from inspect import Parameter, signature
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Required,
    SupportsIndex,
    TypedDict,
    TypeVar,
    get_args,
)

from lucid.stream.checks import (
    CROP_DTYPES,
    Check,
    PathLike,
    as_bytes,
    as_chunks,
    as_crop_dtype,
    as_engine,
    as_flag,
    as_image_size,
    as_jobs,
    as_names,
    as_output,
    as_resize,
    as_stride,
    by_core,
    one_of,
    optional,
    read_int,
    read_scale,
    read_size,
    spelled,
)

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from lucid.roi.operator import OutputSize, SpatialScale

Function = TypeVar("Function", bound=Callable[..., Any])


class Recorded(Enum):
    """Whether an option is among the attributes of an output and in the identity of a job."""

    NO = auto()  # neither: no value depends on it
    ALWAYS = auto()  # both
    UNLESS_DEFAULT = auto()  # both, but the attribute only where it is not the default
    STORAGE = auto()  # not an attribute: the file itself says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What is known of an option beside its name and type."""

    group: str  # heading in the command's help
    help: str  # one or two sentences, to be `spelled`
    check: Check  # returns the checked value, or raises ValueError or TypeError
    default: Any = None
    unset: str = ""  # what holds if the default is None
    metavar: str | None = None  # None for a flag
    read: Callable[[str], Any] = str  # from the text on the command line
    recorded: Recorded = Recorded.NO
    short: str = ""  # flag of one letter
    alias: str = ""  # former name
    negative: bool = False  # whether there is a --no- form


ARRAY = "PATH[::DATASET]"
GROUPS = INPUTS, BOXES, OPERATOR, OUTPUT, RUN = "Inputs", "Boxes", "Operator", "Output", "Run"


class Paths(TypedDict, total=False):
    """What `lucid.extract` takes by position."""

    features: Annotated[
        Required[PathLike],
        Option(
            group=INPUTS,
            help="Feature maps (N,C,H,W) in .npy or HDF5. Without DATASET: the dataset 'features', "
            "or else the only one usable as features. {{id}} in PATH or DATASET: a file or dataset "
            "(C,H,W) per image. - reads .npy from standard input.",
            check=os.fsdecode,
            metavar=ARRAY,
        ),
    ]
    rois: Annotated[
        Required[PathLike],
        Option(
            group=INPUTS,
            help="RoIs (K,5), rows batch_index,x1,y1,x2,y2, in .npy or HDF5; or boxes (K,4) with "
            "{batch_index} or {box_ranges}, or padded boxes (N,M,4); or COCO .json, .csv, .tsv, "
            ".txt. - reads .npy from standard input.",
            check=os.fsdecode,
            metavar=ARRAY,
        ),
    ]
    output: Annotated[
        PathLike,
        Option(
            group=OUTPUT,
            help="Crops (K,C,PH,PW): .h5, .hdf5 or .npy. - writes .npy to standard output.",
            check=as_output,
            default="crops.h5",
            metavar="PATH",
            short="-o",
        ),
    ]


class Options(TypedDict, total=False):
    """The keywords of `lucid.extract`."""

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
        PathLike | None,
        Option(
            group=INPUTS,
            help="Ids of the images, in order: an array, or a .txt of one a line. They are "
            "substituted for {{id}}, and RoIs may name images by them.",
            check=optional(os.fsdecode),
            unset="all that match, in natural order",
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
    boxes: Annotated[
        str,
        Option(
            group=BOXES,
            help="Box format: corners, x first or y first, corner and size, or centre and size.",
            check=one_of("boxes", "xyxy", "yxyx", "xywh", "cxcywh"),
            default="xyxy",
            metavar="xyxy|yxyx|xywh|cxcywh",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    normalized: Annotated[
        bool,
        Option(
            group=BOXES,
            help="Coordinates are fractions of the image; needs {image_size}.",
            check=as_flag("normalized"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    image_size: Annotated[
        int | tuple[int, int] | PathLike | None,
        Option(
            group=BOXES,
            help="Height and width of the images, an array (N,2) of them, or a COCO .json that "
            "has them.",
            check=optional(as_image_size),
            metavar=f"HxW|{ARRAY}",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    columns: Annotated[
        str | None,
        Option(
            group=BOXES,
            help="Columns of a RoI table in text: image,-,x1,y1,x2,y2 by order, or image=photo,... "
            "by name; also x,y,w,h and cx,cy,w,h.",
            check=optional(str),
            unset="what its header says",
            metavar="ROLES",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    category: Annotated[
        str | Sequence[int | str] | None,
        Option(
            group=BOXES,
            help="Categories of a COCO file to keep, by name or id, separated by commas.",
            check=optional(as_names),
            unset="all",
            metavar="NAME,...",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    no_crowd: Annotated[
        bool,
        Option(
            group=BOXES,
            help="Leave out a COCO file's boxes of crowds (iscrowd).",
            check=as_flag("no_crowd"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    resize: Annotated[
        str | None,
        Option(
            group=BOXES,
            help="How pictures of {image_size} were resized before the network saw them, for boxes "
            "in pixels of the pictures: stretch:HxW, short:A,B (Detectron2), short:A,B,floor "
            "(torchvision), short:A,B,exact, long:M (SAM), letterbox:HxW (YOLO), center-pad:M or "
            "crop:A,B.",
            check=optional(as_resize),
            metavar="RULE",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    frame: Annotated[
        PathLike | None,
        Option(
            group=BOXES,
            help="Rows sy,sx,oy,ox (N,4), or factors (N,2) or (N,), from coordinates of boxes to "
            "input pixels: input = s * box + o.",
            check=optional(os.fsdecode),
            metavar=ARRAY,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    batch_index: Annotated[
        PathLike | None,
        Option(
            group=BOXES,
            help="Image index of each box (K,).",
            check=optional(os.fsdecode),
            metavar=ARRAY,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    box_ranges: Annotated[
        PathLike | None,
        Option(
            group=BOXES,
            help="Rows start,end (N,2): the boxes (K,4) of each image, end exclusive. A box in no "
            "range is invalid.",
            check=optional(os.fsdecode),
            metavar=ARRAY,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    box_counts: Annotated[
        PathLike | None,
        Option(
            group=BOXES,
            help="Number of valid boxes per image (N,), for padded boxes (N,M,4).",
            check=optional(os.fsdecode),
            unset="all M",
            metavar=ARRAY,
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
            unset="the features' attribute spatial_scale, else 1",
            metavar="S|SY,SX",
            read=read_scale,
            recorded=Recorded.ALWAYS,
        ),
    ]
    stride: Annotated[
        "SpatialScale | None",
        Option(
            group=OPERATOR,
            help="Input pixels per feature-map cell: 1 / {spatial_scale}.",
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
        bool,
        Option(
            group=OPERATOR,
            help="Shift by half a cell, so that coordinate 0 is the outer edge of the first pixel "
            "and not its centre.",
            check=as_flag("aligned"),
            default=False,
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
    dtype: Annotated[
        "DTypeLike | None",
        Option(
            group=OUTPUT,
            help="Output dtype.",
            check=optional(as_crop_dtype),
            unset="that of float features, else float32",
            metavar="|".join(CROP_DTYPES),
            recorded=Recorded.ALWAYS,
        ),
    ]
    compression: Annotated[
        str,
        Option(
            group=OUTPUT,
            help="HDF5 compression filter.",
            check=one_of("compression", "none", "gzip", "lzf"),
            default="none",
            metavar="none|gzip|lzf",
            recorded=Recorded.STORAGE,
        ),
    ]
    chunks: Annotated[
        SupportsIndex | None,
        Option(
            group=OUTPUT,
            help="Rows per HDF5 chunk.",
            check=optional(as_chunks),
            unset="contiguous; with a filter, chunks of about 256 KiB",
            metavar="ROWS",
            read=read_int,
            recorded=Recorded.STORAGE,
            alias="blocks",
        ),
    ]
    checksum: Annotated[
        bool,
        Option(
            group=OUTPUT,
            help="Store a Fletcher32 checksum with each HDF5 chunk.",
            check=as_flag("checksum"),
            default=False,
            recorded=Recorded.STORAGE,
        ),
    ]
    overwrite: Annotated[
        bool,
        Option(
            group=OUTPUT,
            help="Replace an existing output once the new one is complete.",
            check=as_flag("overwrite"),
            default=False,
        ),
    ]
    resume: Annotated[
        bool,
        Option(
            group=OUTPUT,
            help="Resume an interrupted run; no-op if complete.",
            check=as_flag("resume"),
            default=False,
        ),
    ]
    strict: Annotated[
        bool,
        Option(
            group=RUN,
            help="Treat warnings about boxes and maps as errors.",
            check=as_flag("strict"),
            default=False,
        ),
    ]
    memory: Annotated[
        int | str,
        Option(
            group=RUN,
            help="Memory budget of all processes together, excluding the interpreter (about 45 MB) "
            "and mapped pages; K, M, G are powers of 1024.",
            check=as_bytes,
            default="512M",
            metavar="SIZE",
        ),
    ]
    engine: Annotated[
        str,
        Option(
            group=RUN,
            help="What computes: compiled (C, the same bits on any machine), numpy, or auto: what "
            "an interrupted run used, else what LUCID_ROIALIGN_ENGINE says, else compiled where it "
            "was built.",
            check=as_engine,
            default="auto",
            metavar="auto|numpy|compiled",
            recorded=Recorded.ALWAYS,
        ),
    ]
    jobs: Annotated[
        int | str,
        Option(
            group=RUN,
            help="Number of worker processes; auto: one per core if there is much to do.",
            check=as_jobs,
            default="auto",
            metavar="N|auto",
        ),
    ]


OPTIONS: dict[str, Option] = dict(
    sorted(
        (
            (name, annotation.__metadata__[0])
            for table in (Paths, Options)
            for name, annotation in table.__annotations__.items()
        ),
        key=lambda entry: GROUPS.index(entry[1].group),
    )
)
REQUIRED = Paths.__required_keys__
ALIASES = {option.alias: name for name, option in OPTIONS.items() if option.alias}


def documented(function: Function) -> Function:
    """Give a function that takes `**options` the table's signature, and its help in the docstring.

    Static tools know the keywords by `Unpack[Options]`; this is for `help` and `inspect`.
    """
    keywords = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=OPTIONS[name].default, annotation=kind)
        for name, annotation in Options.__annotations__.items()
        for kind in get_args(annotation)[:1]
    ]
    about = (f"{each.name} : {spelled(OPTIONS[each.name].help, str)}" for each in keywords)
    function.__doc__ = (function.__doc__ or "").replace("{options}", "\n        ".join(about))
    plain = signature(function)
    *own, _ = plain.parameters.values()
    function.__signature__ = plain.replace(parameters=[*own, *keywords])  # type: ignore[attr-defined]
    return function
