"""Pictures of RoIs on maps and of their crops: what `lucid-roialign preview` does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack
from warnings import warn

from lucid.errors import FrameWarning, spelled
from lucid.stream.checks import PIPE, PathLike, SourceLike
from lucid.stream.options import documented
from lucid.stream.write.whole import require_free, write_whole
from lucid.viewer.options import PREVIEW, PreviewOptions
from lucid.viewer.parts import Scene
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@partial(documented, kinds=PreviewOptions, table=PREVIEW)
def preview(
    features: SourceLike | Sequence[PathLike] | None = None,
    rois: SourceLike | None = None,
    output: PathLike | None = None,
    *,
    crops: PathLike | None = None,
    html: PathLike | None = None,
    overwrite: bool = False,
    **options: Unpack[PreviewOptions],
) -> Figure:
    """Draw RoIs on their maps as `extract` would understand them, with their crops.

    Parameters
    ----------
    features, rois : path or array
        As for `lucid.extract`, but no pipes.
    output : path, optional
        A .png, .svg or .pdf to draw to. The same call gives the same bytes.
    crops : path, optional
        A file of crops, in place of `features` and `rois`: it says what they were and how they
        were understood, and other arguments replace what it says.
    html : path, optional
        A page in which RoIs can be moved and crops change, in one file.
    overwrite : bool
        Replace an existing picture or page.
    **options
        The options of the command, with the same names and defaults:

        {options}

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Raises
    ------
    SourceError, ShapeError, DTypeError, RoiError, MemoryLimitError
        As `lucid.extract`, but for invalid RoIs, which are drawn as such.
    SinkError
        If matplotlib is missing, an output exists or it cannot be written.
    ValueError, TypeError
        If another argument has no meaning.
    """
    wishes = Wishes(
        features=features, rois=rois, output=output, crops=crops, html=html, overwrite=overwrite,
        **options,
    )  # fmt: skip
    require_matplotlib()
    require_outputs(wishes)
    scene = make_scene(wishes)
    for fact in scene.warnings:
        warn(spelled(fact), FrameWarning, stacklevel=2)
    write_outputs(scene)
    from lucid.viewer.figure import make_figure

    return make_figure(scene)


def require_outputs(wishes: Wishes) -> None:
    """Raise unless what is asked for can be drawn and written, before anything is read."""
    if wishes.output is not None:
        require_matplotlib()
    for path in (wishes.output, wishes.html):
        if path is not None and str(path) != PIPE:
            require_free(path, wishes.overwrite)


def write_outputs(scene: Scene) -> bytes | None:
    """Write the picture and the page; return the picture as PNG if it goes to standard output."""
    wishes = scene.wishes
    if wishes.html is not None:
        from lucid.viewer.page import make_page

        write_whole(wishes.html, make_page(scene), wishes.overwrite)
    if wishes.output is None:
        return None
    from lucid.viewer.figure import make_figure, rendered

    is_piped = str(wishes.output) == PIPE
    kind = "png" if is_piped else wishes.output.suffix[1:].lower()
    picture = rendered(make_figure(scene), kind)
    if not is_piped:
        write_whole(wishes.output, picture, wishes.overwrite)
    return picture if is_piped else None
