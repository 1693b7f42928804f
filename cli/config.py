"""Values of options that the command line leaves out: of the environment, and of a file.

The command line is over the environment, that over the file. An option takes the place of those
that it contradicts: `--stride` is over a `spatial_scale` of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

from lucid.stream.options.option import opposites

from .commands import Commands
from .option import LATER, GroupedOption

PREFIX = "LUCID_ROIALIGN_"
OF_LIBRARY = {f"{PREFIX}ENGINE", f"{PREFIX}SYNC_SECONDS"}  # read without a command, too
OF_ONE_RUN = {"overwrite", "resume", "dry_run", "json", "quiet", "progress"}  # which are not saved
HOME = "lucid_cli.config"  # in the context's dictionary


class Said(NamedTuple):
    """A value as it was said, and where."""

    value: Any
    origin: str = ""  # a variable or a file, '' for the command line
    name: str = ""  # what messages call it


class Sayings(NamedTuple):
    """What was said of the options of a command, by their names, and where to save that."""

    of: dict[str, Said]
    save_to: str | None


def fill_in(ctx: click.Context, given: Mapping[str, Any]) -> None:
    """Have a command take what the environment and a file say, where its line does not."""
    options = {option.name: option for option in _options(ctx.command).values()}
    environment = _of_environment(ctx)
    if "engine" in options:
        _require_variables_of_library(given)
    file = given.get("config") or environment.pop("config", Said(None)).value
    line = {name: Said(given[name]) for name in options if name in given}
    found: dict[str, Said] = {}
    for later in (_of_file(ctx, file) if file else {}, environment, line):
        for replaced in _replaced_by(later, options):
            found.pop(replaced, None)
        found |= later
    ctx.default_map = {
        name: converted(ctx, options[name], said) for name, said in found.items() if said.origin
    }
    ctx.meta[LATER] = "manifest" in found
    ctx.meta[HOME] = Sayings(found, given.get("save_config"))


def origins() -> dict[str, list[str]]:
    """Return the variables and the file that said anything to this command, and what of."""
    ctx = click.get_current_context()
    by_origin: dict[str, list[str]] = {}
    for name, said in ctx.meta[HOME].of.items():
        if said.origin:
            by_origin.setdefault(said.origin, []).append(name)
    return by_origin


def save() -> None:
    """Write what was said to this command to a file, if that is asked for."""
    from lucid.stream.write.whole import write_whole

    ctx = click.get_current_context()
    sayings: Sayings = ctx.meta[HOME]
    if sayings.save_to is not None:
        text = "\n".join([f"[{ctx.command.name}]", *_lines(ctx.command, sayings.of), ""])
        write_whole(Path(sayings.save_to), text.encode(), bool(ctx.params.get("overwrite")))


def overlaid(file: str, line: str, cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a command with those that a line of a file says in their place."""
    ctx = click.get_current_context()
    options = _options(ctx.command)
    for word in cells:
        if word not in options or options[word].entry is None:
            raise click.UsageError(f"{file}: no option {word!r}{_like(word, options)}")
    said = {
        str(options[word].name): Said(value, file, f"{line}: {word}")
        for word, value in cells.items()
    }
    by_name = {str(option.name): option for option in options.values()}
    kept = ctx.params.keys() - _replaced_by(said, by_name)
    return {name: ctx.params[name] for name in kept} | {
        name: converted(ctx, by_name[name], one) for name, one in said.items()
    }


def converted(ctx: click.Context, option: GroupedOption, said: Said) -> Any:
    """Return the checked value of an option, or end with a usage error."""
    value = said.value
    if isinstance(value, bool) != option.is_flag and not (option.is_flag and value is str(value)):
        raise _unlike(option, said)
    try:
        several = option.multiple and not isinstance(value, (list, tuple))
        return option.type_cast_value(ctx, [value] if several else value)
    except click.BadParameter as error:
        if option.is_flag:
            raise _unlike(option, said) from error
        raise click.UsageError(f"{said.name}: {error.message}") from error


def _unlike(option: GroupedOption, said: Said) -> click.UsageError:
    """Return what to raise of a value that is not of the kind of its option."""
    import json

    kind = "true or false (yes or no, on or off, 1 or 0)" if option.is_flag else "a value"
    return click.UsageError(f"{said.name} must be {kind}, got {json.dumps(said.value)}")


def _of_environment(ctx: click.Context) -> dict[str, Said]:
    """Return what variables say of a command's options; each must be that of any command's."""
    said = {
        variable: value
        for variable, value in os.environ.items()
        if variable.startswith(PREFIX) and variable not in OF_LIBRARY
    }
    known = {name for one in _commands(ctx).values() for name in _variables(one)} if said else set()
    for variable in said.keys() - known:
        raise click.UsageError(f"no option has a variable {variable}{_like(variable, known)}")
    own = _variables(ctx.command)
    return {
        str(own[variable].name): Said(value, variable, variable)
        for variable, value in said.items()
        if value and variable in own
    }


def _variables(command: click.Command) -> dict[str, GroupedOption]:
    """Return those options of a command that the environment may say, by their variables."""
    options = _options(command).items()
    return {PREFIX + word.upper(): option for word, option in options if option.of_environment}


def _require_variables_of_library(given: Mapping[str, Any]) -> None:
    """End with a usage error if a variable that the library reads says something else."""
    try:
        if f"{PREFIX}SYNC_SECONDS" in os.environ:
            from lucid.stream.tuning import sync_seconds

            sync_seconds()
        if f"{PREFIX}ENGINE" in os.environ and "engine" not in given:
            from lucid.roi.engines.selection import get_engine

            get_engine()
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _of_file(ctx: click.Context, file: str) -> dict[str, Said]:
    """Return what a file says of a command's options; it may not say what no command has."""
    from lucid.stream.read.toml import read_toml

    tables, commands = read_toml(Path(file)), _commands(ctx)
    for name, table in tables.items():
        if name not in commands or not isinstance(table, dict):
            has = ", ".join(f"[{one}]" for one in commands)
            raise click.UsageError(f"{file} must have only tables of commands, {has}; got {name}")
        known = _options(commands[name])
        for word in table:
            if word not in known or word in {"config", "save_config"}:
                raise click.UsageError(f"{file}: {name} has no option {word!r}{_like(word, known)}")
    own = _options(ctx.command)
    return {
        str(own[word].name): Said(value, file, f"{file}: {word}")
        for word, value in tables.get(str(ctx.command.name), {}).items()
    }


def _like(word: str, known: Mapping[str, Any] | set[str]) -> str:
    """Return a question after the name that may have been meant."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _options(command: click.Command) -> dict[str, GroupedOption]:
    """Return the options of a command by the words for them."""
    return {one.word: one for one in command.params if isinstance(one, GroupedOption)}


def _commands(ctx: click.Context) -> dict[str, click.Command]:
    """Return all commands, or the one that stands alone."""
    root = ctx.find_root().command
    return root.each() if isinstance(root, Commands) else {str(root.name): root}


def _replaced_by(names: Mapping[str, Said], options: Mapping[str, GroupedOption]) -> set[str]:
    """Return what cannot be said beside some options."""
    table = {name: option.entry for name, option in options.items() if option.entry}
    return {other for name in names if name in table for other in opposites(name, table)}


def _lines(command: click.Command, said: Mapping[str, Said]) -> Iterator[str]:
    """Yield lines of TOML that say the options of a job."""
    for word, option in _options(command).items():
        if option.name in said and word not in {*OF_ONE_RUN, "config", "save_config"}:
            value = said[option.name].value
            is_text = isinstance(value, str) and option.entry and option.entry.read is not str
            yield f"{word} = {_toml(_number(value) if is_text else value)}"


def _number(text: str) -> Any:
    """Return a number if a text is one."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _toml(value: Any) -> str:
    """Return a value as TOML has it: of texts, numbers, true and false and lists of these."""
    import json

    if isinstance(value, (list, tuple)):
        if len(value) == 1:
            return _toml(value[0])
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
