"""How crops are stored."""

from typing import TYPE_CHECKING, Annotated, SupportsIndex, TypedDict

from lucid.stream.checks import as_flag, one_of, optional
from lucid.stream.options.checks import CROP_DTYPES, as_chunks, as_crop_dtype
from lucid.stream.options.option import OUTPUT, Option, Recorded
from lucid.stream.options.readers import read_int

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class OutputOptions(TypedDict, total=False):
    """How crops are stored."""

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
    reduce: Annotated[
        str | None,
        Option(
            group=OUTPUT,
            help="Write the mean of each RoI's bins, (K, C), in place of its bins.",
            check=optional(one_of("reduce", "mean")),
            unset="bins as they are",
            metavar="mean",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    coverage: Annotated[
        bool,
        Option(
            group=OUTPUT,
            help="Write beside the crops how much of each bin is on the map, (K, PH, PW).",
            check=as_flag("coverage"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    compression: Annotated[
        str,
        Option(
            group=OUTPUT,
            help="Compression of HDF5 or zarr chunks: gzip; lzf in HDF5, zstd in zarr.",
            check=one_of("compression", "none", "gzip", "lzf", "zstd"),
            default="none",
            metavar="none|gzip|lzf|zstd",
            recorded=Recorded.STORAGE,
        ),
    ]
    chunks: Annotated[
        SupportsIndex | None,
        Option(
            group=OUTPUT,
            help="Rows per chunk of HDF5 or zarr.",
            check=optional(as_chunks),
            unset="HDF5: contiguous, or about 256 KiB if compressed; zarr: about 4 MiB",
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
            of_environment=False,
        ),
    ]
    resume: Annotated[
        bool,
        Option(
            group=OUTPUT,
            help="Resume an interrupted run; no-op if complete.",
            check=as_flag("resume"),
            default=False,
            instead_of=("overwrite",),
            of_environment=False,
        ),
    ]
