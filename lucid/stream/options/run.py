"""How a run is done; no value of a crop depends on it but for the engine."""

from typing import Annotated, TypedDict

from lucid.stream.checks import as_flag, optional
from lucid.stream.options.checks import (
    as_bytes,
    as_engine,
    as_jobs,
    as_patience,
    as_scheduler,
    as_shard,
)
from lucid.stream.options.option import RUN, Option, Recorded


class RunOptions(TypedDict, total=False):
    """How a run is done."""

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
    scheduler: Annotated[
        str | None,
        Option(
            group=RUN,
            help="Have workers of dask do the run: those of a scheduler, by its address or the "
            "file that it wrote, or local ones. {memory} is then that of each, and all must see "
            "inputs and output under the same paths.",
            check=optional(as_scheduler),
            unset="processes of its own",
            metavar="tcp://HOST:PORT|FILE.json|local",
        ),
    ]
    shard: Annotated[
        tuple[int, int] | str | None,
        Option(
            group=RUN,
            help="Do part I of N of the run; any number of parts at once, on any machines that "
            "share the disk. The last to end completes the output.",
            check=optional(as_shard),
            unset="all of it",
            metavar="I/N",
        ),
    ]
    patience: Annotated[
        float,
        Option(
            group=RUN,
            help="Seconds without an answer from any worker, after which a warning says so; tasks "
            "of an executor are then sent once more.",
            check=as_patience,
            default=600.0,
            metavar="SECONDS",
        ),
    ]
