"""The options: each is the Python keyword with dashes, checked by the library's own check."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Checked(click.ParamType):  # type: ignore[type-arg]  # generic in newer click
    """A value that the library's check of the argument takes."""

    def __init__(self, argument: str, wanted: str, read: Callable[[str], Any] = str) -> None:
        self.name = wanted
        self._argument, self._read = argument, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the checked value, or end with a usage error."""
        from lucid.stream.options import CHECKS  # here, for --help needs no NumPy

        try:
            read = self._read(value) if isinstance(value, str) else value
        except (ValueError, OverflowError):
            self.fail(f"must be {self.name}, got {value}", param, ctx)
        try:
            return CHECKS[self._argument](read)
        except (TypeError, ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


def read_size(text: str) -> tuple[int, int]:
    """Return (height, width) from '7' or '7x5'."""
    height, *width = (int(part) for part in text.lower().split("x"))
    return (height, *width) if width else (height, height)  # type: ignore[return-value]


def read_scale(text: str) -> tuple[float, float]:
    """Return (y, x) from '0.5' or '0.5,0.25'."""
    vertical, *horizontal = (float(part) for part in text.split(","))
    return (vertical, *horizontal) if horizontal else (vertical, vertical)  # type: ignore[return-value]


def with_dashes(message: str, names: Iterable[str]) -> str:
    """Return a message of the library with its keywords written as options."""
    return re.sub(
        rf"\b({'|'.join(sorted(names, key=len, reverse=True))})\b",
        lambda match: "--" + match[1].replace("_", "-"),
        message,
    )


def _option(flag: str, metavar: str, about: str, **more: Any) -> Decorator:
    """Return an option with a checked value, named by its last flag."""
    flags = flag.split("/")
    argument = flags[-1].lstrip("-").replace("-", "_")
    wanted, read = more.pop("wanted", metavar), more.pop("read", str)
    more.setdefault("show_default", more.get("default") is not None)
    kind = Checked(argument, wanted, read)
    return click.option(*flags, metavar=metavar, type=kind, help=about, **more)


def _flag(flag: str, about: str) -> Decorator:
    return click.option(*flag.split("/"), is_flag=True, help=about)


def _together(*options: Decorator) -> Decorator:
    """Return one decorator that adds options in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


features = _together(
    _option(
        "--features",
        "PATH[::DATASET]",
        "Feature maps (N,C,H,W): .npy or HDF5. Without a dataset, the one called 'features' or "
        "the only one that could be meant. {id} in the dataset's name: one dataset (C,H,W) per "
        "image. - reads .npy from a pipe.",
        required=True,
    ),
    _option(
        "--layout",
        "nchw|nhwc",
        "Whether channels come before height and width, or after.",
        default="nchw",
    ),
    _option(
        "--ids",
        "PATH[::DATASET]",
        "What stands for {id}, image by image.  [default: all that match, in natural order]",
    ),
)

rois = _together(
    _option(
        "--rois",
        "PATH[::DATASET]",
        "RoIs (K,5): rows batch_index,x1,y1,x2,y2; .npy or HDF5. Or boxes (K,4) or (N,M,4), with "
        "the options below. - reads .npy from a pipe.",
        required=True,
    ),
    _option(
        "--boxes",
        "xyxy|xywh|cxcywh",
        "Whether four numbers are two corners, a corner and a size, or a centre and a size.",
        default="xyxy",
    ),
    _flag("--normalized", "Take coordinates as fractions of the image; needs --image-size."),
    _option(
        "--image-size",
        "HxW|PATH[::DATASET]",
        "Height and width of the images, or an array (N,2) of them.",
    ),
    _option("--batch-index", "PATH[::DATASET]", "The image of each of the boxes (K,4)."),
    _option(
        "--box-ranges",
        "PATH[::DATASET]",
        "Rows start,end (N,2): which of the boxes (K,4) belong to each image, end exclusive.",
    ),
    _option(
        "--box-counts",
        "PATH[::DATASET]",
        "How many of an image's boxes (N,M,4) count.  [default: all]",
    ),
    _flag("--trust-input", "Let HDF5 files lead to other files and load filter plug-ins."),
)

operator = _together(
    _option(
        "--output-size",
        "N[xM]",
        "Bins of a crop, height x width.",
        default="7x7",
        read=read_size,
        wanted="HEIGHTxWIDTH, such as 7x5, or one number for both",
    ),
    _option(
        "--spatial-scale",
        "S[,SX]",
        "Cells per box unit, as 0.0625; a pair is y,x.  "
        "[default: the dataset's attribute spatial_scale, else 1]",
        read=read_scale,
        wanted="a number, or a pair Y,X",
    ),
    _option(
        "--sampling-ratio",
        "N",
        "Samples per bin and axis; <= 0 takes one to each cell that a bin spans.",
        default=-1,
        read=int,
        wanted="a whole number",
    ),
    click.option(
        "--aligned/--no-aligned",
        default=False,
        show_default=True,
        help="Subtract half a cell, so that coordinate 0 is the outer edge of the first pixel, "
        "not its centre.",
    ),
    _option(
        "--invalid",
        "raise|zero",
        "What an invalid RoI gets: an error before any map is read, or a crop of zeros.",
        default="raise",
    ),
)

output = _together(
    _option(
        "-o/--output",
        "PATH",
        "Crops (K,C,PH,PW): .h5, .hdf5 or .npy; - writes .npy to a pipe, row by row.",
        default="crops.h5",
    ),
    _option(
        "--dtype",
        "float16|float32|float64",
        "Of the crops.  [default: that of the features if they are floats, else float32]",
    ),
    _option("--compression", "none|gzip|lzf", "Of an HDF5 output.", default="none"),
    _option(
        "--chunks",
        "ROWS",
        "Store an HDF5 output in chunks of this many rows.  "
        "[default: contiguous; if compressed or checked, about 256 KiB]",
        read=int,
        wanted="a whole number",
    ),
    _flag("--checksum", "Store a checksum with each block of an HDF5 output."),
    _flag("--overwrite", "Replace an existing output once the new one is complete."),
    _flag("--resume", "Finish what an interrupted run of the same job has left."),
)

memory = _option(
    "--memory",
    "SIZE",
    "What the run may hold in memory, beyond the interpreter and its libraries; K, M, G are "
    "powers of 1024.",
    default="512M",
)

jobs = _option(
    "--jobs",
    "N|auto",
    "Processes that work on it, within the same memory. auto: one for each core if there is much "
    "to do.",
    default="auto",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")

display = _together(
    as_json,
    _flag("-q/--quiet", "Print no report."),
    click.option(
        "--progress/--no-progress",
        default=None,
        help="Draw a bar on stderr.  [default: if that is a terminal]",
    ),
)
