"""The options: each is the Python keyword with dashes, checked by the library's own check."""

from collections.abc import Callable
from typing import Any

import click


class Checked(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A value that the library's check of the argument of this name takes."""

    def __init__(self, metavar: str, read: Callable[[str], Any] = str) -> None:
        self.name = metavar
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the checked value, or end with a usage error."""
        from lucid.stream.settings import CHECKS  # here, for --help needs no NumPy

        try:
            read = self._read(value) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"must be {self.name}, got {value}", param, ctx)
        try:
            return CHECKS[(param and param.name) or ""](read)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)


def read_size(text: str) -> tuple[int, int]:
    """Return (height, width) from '7' or '7x5'."""
    height, _, width = text.lower().partition("x")
    return int(height), int(width or height)


def read_scale(text: str) -> tuple[float, float]:
    """Return (y, x) from '0.5' or '0.5,0.25'."""
    vertical, _, horizontal = text.partition(",")
    return float(vertical), float(horizontal or vertical)


def features(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--features`."""
    return click.option(
        "--features",
        metavar="PATH[::DATASET]",
        required=True,
        help="Feature maps (N,C,H,W): .npy or HDF5. Without a dataset, the one called 'features' "
        "or the only one that could be meant.",
    )(command)


def rois(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--rois`."""
    return click.option(
        "--rois",
        metavar="PATH[::DATASET]",
        required=True,
        help="RoIs (K,5): rows batch_index,x1,y1,x2,y2; .npy or HDF5.",
    )(command)


def output(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--output`, how it is stored, and what becomes of an existing one."""
    for option in (
        click.option(
            "--resume",
            is_flag=True,
            help="Finish what an interrupted run of the same job has left.",
        ),
        click.option(
            "--overwrite",
            is_flag=True,
            help="Replace an existing output once the new one is complete.",
        ),
        click.option(
            "--checksum", is_flag=True, help="Store a checksum with each block of an HDF5 output."
        ),
        click.option(
            "--blocks",
            metavar="ROWS",
            type=Checked("ROWS", int),
            help="Store an HDF5 output in blocks of this many rows.  "
            "[default: contiguous; if compressed or checked, about 256 KiB]",
        ),
        click.option(
            "--compression",
            metavar="none|gzip|lzf",
            type=Checked("none|gzip|lzf"),
            default="none",
            show_default=True,
            help="Of an HDF5 output.",
        ),
        click.option(
            "-o",
            "--output",
            metavar="PATH",
            type=Checked("PATH"),
            default="crops.h5",
            show_default=True,
            help="Crops (K,C,PH,PW): .h5, .hdf5 or .npy.",
        ),
    ):
        command = option(command)
    return command


def operator(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which values the crops have."""
    for option in (
        click.option(
            "--dtype",
            metavar="float16|float32|float64",
            type=Checked("float16|float32|float64"),
            help="Of the crops.  [default: of the features if floats, else float32]",
        ),
        click.option(
            "--invalid",
            metavar="raise|zero",
            type=Checked("raise|zero"),
            default="raise",
            show_default=True,
            help="What an invalid RoI gets: an error before anything is read, or a crop of zeros.",
        ),
        click.option(
            "--aligned/--no-aligned",
            default=False,
            show_default=True,
            help="Shift coordinates by half a cell, so that they count cell edges.",
        ),
        click.option(
            "--sampling-ratio",
            metavar="N",
            type=Checked("N", int),
            default=-1,
            show_default=True,
            help="Samples per bin and axis; <= 0 takes one to each cell that a bin spans.",
        ),
        click.option(
            "--spatial-scale",
            metavar="S[,SX]",
            type=Checked("S[,SX]", read_scale),
            help="Cells per box unit, as 0.0625; a pair is y,x.  "
            "[default: the dataset's attribute spatial_scale, else 1]",
        ),
        click.option(
            "--output-size",
            metavar="N[xM]",
            type=Checked("N[xM]", read_size),
            default="7x7",
            show_default=True,
            help="Bins of a crop, height x width.",
        ),
    ):
        command = option(command)
    return command


def memory(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--memory`."""
    return click.option(
        "--memory",
        metavar="SIZE",
        type=Checked("SIZE"),
        default="512M",
        show_default=True,
        help="What the run may hold in memory, beyond the interpreter and its libraries.",
    )(command)


def display(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what is shown while a run goes and after it."""
    for option in (
        click.option(
            "--progress/--no-progress",
            default=None,
            help="Draw a bar on stderr.  [default: if that is a terminal]",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Print no report."),
        as_json,
    ):
        command = option(command)
    return command


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")(
        command
    )
