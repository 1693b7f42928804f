"""The commands of the command line."""

import click

from . import console
from .extract import extract
from .frame import frame
from .info import info
from .preview import preview
from .verify import verify


def _show_schema(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the schema instead of running a command."""
    if wanted and not ctx.resilient_parsing:
        console.show_schema()
        ctx.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lucid-roialign")
@click.option(
    "--json-schema", is_flag=True, is_eager=True, expose_value=False, callback=_show_schema,
    help="Show the JSON schema of what --json prints and exit.",
)  # fmt: skip
def commands() -> None:
    """RoIAlign for feature maps on disk: features file and RoI file in, crops file out."""


commands.add_command(extract)
commands.add_command(frame)
commands.add_command(info)
commands.add_command(preview)
commands.add_command(verify)
