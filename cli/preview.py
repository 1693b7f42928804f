"""`lucid-roialign preview`."""

from typing import Any

import click

from lucid.stream.checks import PIPE
from lucid.viewer.options import PREVIEW

from . import config, console, options

DEFAULT = "preview.png"


@click.command(cls=options.GroupedCommand)
@options.from_table(*PREVIEW, table=PREVIEW, required=frozenset())
@options.quiet
@options.as_json
def preview(as_json: bool, quiet: bool, **arguments: Any) -> None:
    """Draw RoIs on their maps, and their crops.

    Takes what says how inputs are understood as extract does, and draws what extract would do; or
    what a file of crops says about itself.

    \b
    lucid-roialign preview --features f.h5 --rois r.npy --spatial-scale 0.0625
    lucid-roialign preview --crops crops.h5 --worst --html report.html
    """  # noqa: D301 - click wants the control character
    from lucid.errors import spelled  # here, for --help needs no NumPy
    from lucid.viewer.preview import require_outputs, write_outputs
    from lucid.viewer.scene import make_scene
    from lucid.viewer.wishes import Wishes

    options.require_one_report(quiet, as_json)
    if arguments["output"] is arguments["html"] is None:
        arguments["output"] = DEFAULT
    wishes = options.checked(Wishes, arguments)
    to_stdout = str(wishes.output) == PIPE
    if to_stdout and as_json:
        raise click.UsageError("--json and --output - both write to standard output")
    way = _way() if to_stdout else None
    require_outputs(wishes)
    with options.contradictions():
        scene = make_scene(wishes)
    for fact in scene.warnings:
        console.warn(spelled(fact, options.flag_of))
    if not (quiet or as_json):
        console.show_origins(config.origins(), to_stdout)
        console.show_inputs(scene.report, to_stdout)
    picture = write_outputs(scene)
    if picture is not None:
        console.put(_as_shown(picture, way) if way else picture)
    elif as_json:
        console.show_scene_as_json(scene)
    elif not quiet:
        console.show_drawn(scene)


def _as_shown(picture: bytes, way: str) -> bytes:
    """Return a picture in a way that the terminal shows."""
    from . import terminal

    return terminal.shown(picture, way)


def _way() -> str | None:
    """Return how the terminal shows pictures; None for a pipe, which gets them as they are."""
    from . import terminal

    way = terminal.way_to_show() if console.stdout_is_terminal() else None
    if way is None and console.stdout_is_terminal():
        raise click.UsageError(
            "this terminal shows no pictures (kitty, iTerm2 and sixel do); pipe or redirect "
            f"them, or name a file: -o {DEFAULT}"
        )
    return way
