"""The commands of the command line."""

from importlib import import_module
from typing import cast

import click

ABOUT = {
    "extract": "Write the crops of RoIs on feature maps.",
    "frame": "Try in which coordinates boxes are.",
    "info": "List what a file holds, and what each is usable as.",
    "preview": "Draw RoIs on their maps, and their crops.",
    "verify": "Make rows of a file of crops anew and compare them.",
}  # as the help of each begins


class Commands(click.Group):
    """Commands that are imported when they are asked for; each is in a module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all."""
        return [*ABOUT]

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """Return the command of a name, if there is one."""
        if cmd_name not in ABOUT:
            return None
        return cast(click.Command, getattr(import_module(f"lucid_cli.{cmd_name}"), cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each is about."""
        with formatter.section("Commands"):
            formatter.write_dl([*ABOUT.items()])

    def each(self) -> dict[str, click.Command]:
        """Return all, by their names."""
        return {name: command for name in ABOUT if (command := self.get_command(None, name))}


def _show_schema(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the schema instead of running a command."""
    if wanted and not ctx.resilient_parsing:
        from . import console  # which asks for the commands

        console.show_schema()
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lucid-roialign")
@click.option(
    "--json-schema", is_flag=True, is_eager=True, expose_value=False, callback=_show_schema,
    help="Show the JSON schema of what --json prints and exit.",
)  # fmt: skip
def commands() -> None:
    """RoIAlign for feature maps on disk: features file and RoI file in, crops file out."""
