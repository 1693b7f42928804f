"""Every option of a run, once: its name, type, default, check and help.

`Options` is the table, a file for each heading of the command's help. `lucid.extract` takes its
keywords from it, the command its options, the output its attributes, and a resumed run what must be
the same as before. To add an option is to add an entry here, and to use it. Nothing here needs
NumPy, so that the command can show its help fast.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from textwrap import fill
from typing import Any, TypeVar, get_args

from lucid.errors import spelled
from lucid.stream.options.boxes import BoxOptions
from lucid.stream.options.inputs import InputOptions, Paths
from lucid.stream.options.operator import OperatorOptions
from lucid.stream.options.option import ARRAY, GROUPS, Option, Recorded, options_in
from lucid.stream.options.output import OutputOptions
from lucid.stream.options.run import RunOptions

__all__ = [
    "ALIASES",
    "ARRAY",
    "OPTIONS",
    "REQUIRED",
    "Option",
    "Options",
    "Recorded",
    "documented",
]

Function = TypeVar("Function", bound=Callable[..., Any])


class Options(InputOptions, BoxOptions, OperatorOptions, OutputOptions, RunOptions, total=False):
    """The keywords of `lucid.extract`."""


OPTIONS: dict[str, Option] = dict(
    sorted(options_in(Paths, Options).items(), key=lambda entry: GROUPS.index(entry[1].group))
)
REQUIRED = Paths.__required_keys__
ALIASES = {option.alias: name for name, option in OPTIONS.items() if option.alias}


def documented(
    function: Function, kinds: Any = Options, table: Mapping[str, Option] = OPTIONS
) -> Function:
    """Give a function that takes `**options` the table's signature, and its help in the docstring.

    Static tools know the keywords by `Unpack[Options]`; this is for `help` and `inspect`.
    """
    keywords = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=table[name].default, annotation=kind)
        for name, annotation in kinds.__annotations__.items()
        if name in table
        for kind in get_args(annotation)[:1]
    ]
    about = "\n".join(_about(each.name, table[each.name]) for each in keywords)
    function.__doc__ = (function.__doc__ or "").replace("{options}", about.lstrip())
    plain = signature(function)
    *own, _ = plain.parameters.values()
    function.__signature__ = plain.replace(parameters=[*own, *keywords])  # type: ignore[attr-defined]
    return function


def _about(name: str, option: Option) -> str:
    """Return an entry of a docstring: the name of an option, its help and its default."""
    entry = f"{name} : {spelled(option.help)}"
    if option.unset or option.default is not None:
        entry += f" [default: {option.unset or repr(option.default)}]"
    margin, deeper = " " * 8, " " * 12
    return fill(entry, 100, initial_indent=margin, subsequent_indent=deeper, break_on_hyphens=False)
