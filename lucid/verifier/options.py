"""What can be asked about a file of crops, beside how its inputs are understood."""

from typing import Annotated

from lucid.stream.checks import as_flag
from lucid.stream.options import OPTIONS, Option
from lucid.stream.options.boxes import BoxOptions
from lucid.stream.options.inputs import InputOptions
from lucid.stream.options.operator import OperatorOptions
from lucid.stream.options.option import BOXES, INPUTS, OPERATOR, options_in
from lucid.stream.sample import CHOICE, SampleOptions

DEFAULT_ROWS = 1000


class ChoiceOptions(SampleOptions, total=False):
    """Which rows are made anew."""

    all: Annotated[
        bool,
        Option(
            group=CHOICE,
            help="All rows, and all checksums. What is done is kept beside the file if it is "
            "interrupted.",
            check=as_flag("all"),
            default=False,
        ),
    ]
    resume: Annotated[
        bool,
        Option(
            group=CHOICE,
            help="Go on with {all} where it was interrupted.",
            check=as_flag("resume"),
            default=False,
            of_environment=False,
        ),
    ]


class VerifyOptions(InputOptions, BoxOptions, OperatorOptions, ChoiceOptions, total=False):
    """The keywords of `lucid.verify` beside the file and its inputs."""

    dtype: Annotated[str, OPTIONS["dtype"]._replace(of_environment=False)]
    reduce: Annotated[str | None, OPTIONS["reduce"]._replace(of_environment=False)]
    memory: Annotated[int | str, OPTIONS["memory"]]
    engine: Annotated[
        str,
        OPTIONS["engine"]._replace(
            help="What makes crops anew: compiled, numpy, or auto: what made them, else what is "
            "there."
        ),
    ]


OF_RUN = ("dtype", "reduce", "memory", "engine")
CHOSEN = options_in(ChoiceOptions)
CHOSEN["random"] = CHOSEN["random"]._replace(
    unset=f"{DEFAULT_ROWS}, unless rows are chosen otherwise"
)
UNDERSTOOD: dict[str, Option] = {  # what files of crops say is not for the environment to replace
    name: option._replace(of_environment=False)
    for name, option in OPTIONS.items()
    if option.group in {INPUTS, BOXES, OPERATOR}
} | {name: option for name, option in options_in(VerifyOptions).items() if name in OF_RUN}
VERIFY = {**CHOSEN, **UNDERSTOOD}
