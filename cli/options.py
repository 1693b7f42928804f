"""The options of the command, made from the library's table."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from lucid.errors import spelled
from lucid.stream.checks import ArgumentError
from lucid.stream.options import ALIASES, OPTIONS, REQUIRED, Option

from . import config
from .option import Checked, GroupedOption

Command = Callable[..., Any]
Made = TypeVar("Made")


def flag_of(name: str) -> str:
    """Return the flag of an argument."""
    return "--" + name.replace("_", "-")


class StrictCommand(click.Command):
    """A command that takes an option once, unless it is one that may be repeated.

    What is not given is as the environment or a file says it, where these say it.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; end with a usage error about an option that is given twice."""
        if ctx.resilient_parsing:  # a shell completes a line
            return super().parse_args(ctx, args)
        values, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter(given).items():
            if times > 1 and _has_one_value(parameter):
                raise click.UsageError(f"{parameter.opts[-1]} is given more than once", ctx)
        if not any(set(parameter.opts) & {*ctx.help_option_names} for parameter in given):
            config.fill_in(ctx, {str(one.name): values[one.name] for one in given})
        return super().parse_args(ctx, args)


def _has_one_value(parameter: click.Parameter) -> bool:
    """Return whether a parameter can contradict itself: a flag that has no opposite cannot."""
    is_flag = isinstance(parameter, click.Option) and parameter.is_flag
    return not parameter.multiple and bool(not is_flag or parameter.secondary_opts)


class GroupedCommand(StrictCommand):
    """A command whose help shows options under headings, and which knows former names."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        names = {former.replace("_", "-"): flag_of(name)[2:] for former, name in ALIASES.items()}
        settings = {"token_normalize_func": lambda token: names.get(token, token)}
        super().__init__(*arguments, **more, context_settings=settings)
        self.params += (CONFIG, SAVE_CONFIG)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def from_table(
    *names: str, table: Mapping[str, Option] = OPTIONS, required: Collection[str] = REQUIRED
) -> Callable[[Command], Command]:
    """Return what gives a command options of a table; those that are not passed are None."""

    def add(command: Command) -> Command:
        for name in reversed(names):
            command = _decorator(name, table[name], name in required)(command)
        return command

    return add


def _decorator(name: str, option: Option, required: bool) -> Callable[[Command], Command]:
    flag = flag_of(name)
    more: dict[str, Any] = {"help": _help(name, option), "entry": option}
    if option.metavar is None:
        flag += f"/--no-{flag[2:]}" if option.negative else ""
        more |= {"is_flag": True, "default": None}
    else:
        more |= {"metavar": option.metavar, "type": Checked(name, option)}
        more |= {"multiple": option.several}
    flags = [option.short] * bool(option.short) + [flag]
    return click.option(
        *flags, name, cls=GroupedOption, group=option.group,
        required=required, **more,
    )  # fmt: skip


def checked(make: Callable[..., Made], arguments: Mapping[str, Any]) -> Made:
    """Return what is made of the arguments that were passed, and save them if that is asked for.

    Raises
    ------
    UsageError
        If they contradict each other.
    """
    with contradictions():
        made = make(**given(arguments))
    config.save()
    return made


@contextmanager
def contradictions() -> Iterator[None]:
    """Raise as a usage error what arguments contradict, be it with those that a file records."""
    try:
        yield
    except ArgumentError as error:
        raise click.UsageError(spelled(error.fact, flag_of)) from error


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that were passed."""
    absent = (type(None), tuple)
    return {name: value for name, value in arguments.items() if value or type(value) not in absent}


def _help(name: str, option: Option) -> str:
    """Return the help of an option with its default; a plain flag is off."""
    default = option.unset
    if option.default is not None and (option.metavar or option.negative):
        default = f"no-{name}" if option.default is False else _shown(option.default)
    text = spelled(option.help, flag_of)
    return f"{text}  [default: {default}]" if default else text


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def flag(*flags: str, group: str, about: str, **more: Any) -> Callable[[Command], Command]:
    """Return a flag that only the command has."""
    return click.option(*flags, cls=GroupedOption, group=group, is_flag=True, help=about, **more)


manifest = click.option(
    "--manifest", cls=GroupedOption, group="Run", metavar="FILE.csv|FILE.jsonl",
    type=click.Path(), of_environment=False,
    help="Do a run for each line of a table, whose columns are options by their names in Python; "
    "those given here hold for all. Outputs that are complete are left as they are.",
)  # fmt: skip
quiet = flag("-q", "--quiet", group="Report", about="Print no report.")
as_json = flag("--json", "as_json", group="Report", about="Print the report as JSON.")


def display(command: Command) -> Command:
    """Give a command the options of what it prints."""
    progress = flag(
        "--progress/--no-progress", group="Report", default=None,
        about="Draw a progress bar on stderr.  [default: if that is a terminal]",
    )  # fmt: skip
    return as_json(quiet(progress(command)))


def require_one_report(quiet: bool, as_json: bool) -> None:
    """End with a usage error if no report is wanted and one as JSON."""
    if quiet and as_json:
        raise click.UsageError("--quiet and --json contradict each other")


CONFIG = GroupedOption(
    ["--config"], group="Run", metavar="FILE.toml", type=click.Path(), expose_value=False,
    help="Options that are not given, in a table [command] of a file, by their names in Python.",
)  # fmt: skip
SAVE_CONFIG = GroupedOption(
    ["--save-config"], group="Run", metavar="FILE.toml", type=click.Path(), expose_value=False,
    of_environment=False,
    help="Write the options of this run to such a file, and run.",
)  # fmt: skip
