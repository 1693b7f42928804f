"""A scene as a figure of matplotlib: a block for each image, and the scale of colours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lucid.viewer.canvas import colored, draw_map
from lucid.viewer.colors import Range, ranges_of
from lucid.viewer.layout import NARROW, Block, Content, Page, Place, lay_out
from lucid.viewer.parts import Image, Roi, Scene
from lucid.viewer.style import (
    COLORMAP,
    FAINT,
    HATCH,
    INK,
    RC,
    SMALL,
    TEXT,
    TITLE,
    WIDTH,
    ring_of,
)
from lucid.viewer.view import view_of
from lucid.viewer.words import about, caption, has_bar, heading, of_channels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 130
LEADING = 1.4 / 72  # inches from a line of text to the next, by points
# What formats would say of the time, or of matplotlib's version.
PLAIN: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def make_figure(scene: Scene) -> Figure:
    """Return a picture of a scene."""
    with rc_context(RC):
        lines, size = about(scene), scene.report.output_size
        own_scales = scene.wishes.colors == "own" and scene.wishes.show != "pca"
        views = map(view_of, scene.images)
        page = lay_out(
            [
                Content(
                    view.height / view.width,
                    len(image.rois),
                    size[0] / size[1],
                    2 + own_scales + any(roi.kinds for roi in image.rois),
                )
                for image, view in zip(scene.images, views, strict=True)
            ],
            len(lines),
        )
        sheet = Sheet(page)
        planes, rois = [image.plane for image in scene.images], list(scene.rois)
        crops = [roi.crop for roi in rois if roi.crop is not None]
        spans = iter(ranges_of(planes, crops, scene.wishes.colors == "shared"))
        of_maps = [next(spans) for _ in planes]
        of_rois = {roi.row: next(spans) for roi in rois if roi.crop is not None}
        for image, block, span in zip(scene.images, page.blocks, of_maps, strict=True):
            sheet.draw_block(scene, image, block, span, of_rois)
        sheet.draw_foot(scene, lines, of_maps[0] if of_maps else None)
    return sheet.figure


def rendered(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file of a kind: png, svg or pdf; the same figure gives the same."""
    stream = io.BytesIO()
    with rc_context(RC):
        figure.savefig(stream, format=kind, metadata=PLAIN[kind])
    return stream.getvalue()


class Sheet:
    """A figure that is drawn on in inches from the top left."""

    def __init__(self, page: Page) -> None:
        self.figure = Figure(figsize=(WIDTH, page.height), dpi=DPI, facecolor="white")
        self._page = page

    def axes(self, place: Place) -> Axes:
        """Return axes at a place."""
        height = self._page.height
        bottom = height - place.top - place.height
        left, width = place.left / WIDTH, place.width / WIDTH
        return self.figure.add_axes((left, bottom / height, width, place.height / height))

    def write(self, left: float, top: float, text: str, size: float, **style: Any) -> Any:
        """Write a line whose top left is at a point."""
        x, y = left / WIDTH, 1 - top / self._page.height
        return self.figure.text(x, y, text, va="top", size=size, **style)

    def draw_block(
        self, scene: Scene, image: Image, block: Block, span: Range, of_rois: dict[int, Range]
    ) -> None:
        """Draw an image: its heading, its map, and the crops of its RoIs."""
        title, facts = heading(image)
        left, top, *_ = block.heading
        self.write(left, top, title, TITLE, weight="bold")
        beside = left + len(title) * TITLE * 0.72 / 72
        self.write(beside, top + 0.024, facts, TEXT, color=FAINT)
        draw_map(self.axes(block.map), image, span, scene)
        for k, (roi, tile) in enumerate(zip(image.rois, block.tiles, strict=True)):
            self._draw_tile(roi, tile, ring_of(k), of_rois.get(roi.row), scene)

    def _draw_tile(
        self, roi: Roi, tile: Place, color: str, span: Range | None, scene: Scene
    ) -> None:
        """Draw a crop in the colour of its RoI, with what it is under it."""
        axes = self.axes(tile)
        axes.set(xticks=[], yticks=[])
        if roi.crop is None or span is None:
            axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=HATCH, hatch="xxx"))
        else:
            axes.imshow(colored(roi.crop, span), aspect="auto", interpolation="nearest")
        for spine in axes.spines.values():
            spine.set(edgecolor=color if color != "#ffffff" else HATCH, linewidth=2)
        first, *others = caption(roi, narrow=tile.width < NARROW)
        if scene.wishes.colors == "own" and roi.crop is not None:
            others += _span_in_words(span, narrow=tile.width < NARROW)
        below = tile.top + tile.height + 0.05
        self.write(tile.left, below, first, SMALL, weight="bold")
        for k, line in enumerate(others, 1):
            self.write(tile.left, below + k * SMALL * LEADING, line, SMALL - 0.5, color=FAINT)

    def draw_foot(self, scene: Scene, lines: list[str], span: Range | None) -> None:
        """Write what holds for all images, and draw the scale of colours."""
        left, top, *_ = self._page.foot
        for k, line in enumerate(lines):
            is_warning = line.startswith("Warning")
            color = "#b35900" if is_warning else INK if k == 0 else FAINT
            self.write(left, top + k * SMALL * LEADING, line, SMALL, color=color)
        if span is not None and has_bar(scene):
            self._draw_bar(span, scene)

    def _draw_bar(self, span: Range, scene: Scene) -> None:
        axes = self.axes(self._page.bar)
        values = ScalarMappable(Normalize(float(span.low[0]), float(span.high[0])), COLORMAP)
        ends = {(False, False): "neither", (True, False): "min", (False, True): "max"}
        bar = self.figure.colorbar(
            values, cax=axes, orientation="horizontal", extend=ends.get(span.beyond, "both")
        )
        bar.set_label(of_channels(scene), size=SMALL, color=FAINT)
        axes.spines["outline"].set_linewidth(0.4)


def _span_in_words(span: Range | None, narrow: bool) -> list[str]:
    """Return the lines that say which values a crop's own scale of colours spans."""
    if span is None or span.low.size > 1:
        return []
    digits = 2 if narrow else 3
    low, high = (f"{float(end[0]):.{digits}g}" for end in (span.low, span.high))
    return [f"{low} … {high}"]
