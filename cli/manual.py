"""Manual pages, from the commands and their options; the wheel has them in share/man."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc

import click

from .commands import Commands
from .config import PREFIX
from .option import GroupedOption

NAME = "lucid-roialign"
STATUS = (
    ("0", "All is done."),
    ("1", "Something is wrong with the data or a file, or there is not enough disk space."),
    ("2", "Something is wrong with the options."),
    ("128+n", "Signal n ended the command."),
)


def pages(root: Commands, version: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each manual page, and its text."""
    top = click.Context(root, info_name=NAME, **root.context_settings)
    about = [(name, one.get_short_help_str(200)) for name, one in root.each().items()]
    others = [f"{NAME}-{name}" for name in root.each()]
    yield f"{NAME}.1", "\n".join([
        *_head(top, version), ".SH COMMANDS", *_entries(about), *_foot(others),
    ])  # fmt: skip
    for name, command in root.each().items():
        ctx = click.Context(command, parent=top, info_name=name, **command.context_settings)
        yield f"{NAME}-{name}.1", "\n".join([
            *_head(ctx, version), ".SH ENVIRONMENT", *_environment(command), *_foot([NAME]),
        ])  # fmt: skip


def _head(ctx: click.Context, version: str) -> Iterator[str]:
    name, command = ctx.command_path.replace(" ", "-"), ctx.command
    yield f'.TH {_plain(name.upper())} 1 "" "{NAME} {version}" "User Commands"'
    yield ".SH NAME"
    yield rf"{_plain(name)} \- {_plain(command.get_short_help_str(200).rstrip('.'))}"
    yield ".SH SYNOPSIS"
    usage = " ".join(command.collect_usage_pieces(ctx))
    yield rf"\fB{_plain(ctx.command_path)}\fR {_plain(usage)}"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(cleandoc(command.help or ""))
    yield ".SH OPTIONS"
    yield from _options(ctx)


def _foot(others: list[str]) -> Iterator[str]:
    yield ".SH EXIT STATUS"
    yield from _entries(STATUS)
    yield ".SH SEE ALSO"
    yield ", ".join(rf"\fB{_plain(one)}\fR(1)" for one in others)
    yield ""


def _options(ctx: click.Context) -> Iterator[str]:
    """Yield the options of a command, group by group."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in ctx.command.get_params(ctx):
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record:
            groups.setdefault(getattr(parameter, "group", ""), []).append(record)
    for group, records in sorted(groups.items(), key=lambda one: not one[0]):
        yield f".SS {group or 'Others'}"
        yield from _entries(records)


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what is described, and what is said of it."""
    for about, text in entries:
        yield from (".TP", _marked(about), _plain(text))


def _environment(command: click.Command) -> Iterator[str]:
    """Say which variables stand for options."""
    options = [one for one in command.params if isinstance(one, GroupedOption)]
    names = [one.word for one in options if one.of_environment]
    others = ", ".join(one.opts[-1] for one in options if not one.of_environment)
    example = next(iter(names))
    yield _plain(
        f"An option that is not given has the value of its variable, such as "
        f"{PREFIX}{example.upper()} for --{example.replace('_', '-')}."
    )
    yield _plain(f"There are none for {others}.") * bool(others)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; of those that are examples, the lines as they are."""
    for number, paragraph in enumerate(text.split("\n\n")):
        yield from [".PP"] * bool(number)
        lines = paragraph.splitlines()
        if lines[0] == "\b":
            yield from (".nf", *map(_plain, lines[1:]), ".fi")
        else:
            yield _plain(" ".join(lines))


def _marked(about: str) -> str:
    """Return flags in bold, and what stands for a value in italics."""
    parts = re.split(r"([,/]? )", about)
    return "".join(_font(part) if part.strip(",/ ") else part for part in parts)


def _font(word: str) -> str:
    return rf"\f{'B' if word.startswith('-') or word.islower() else 'I'}{_plain(word)}\fR"


def _plain(text: str) -> str:
    """Return a text of which roff takes nothing as its own."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text)
