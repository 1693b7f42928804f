"""A map with RoIs on it, drawn in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from lucid.viewer.colors import Range
from lucid.viewer.labels import place_labels
from lucid.viewer.parts import Floats, Grid, Image, Roi, Scene
from lucid.viewer.style import (
    COLORMAP,
    FAINT,
    HATCH,
    INK,
    OUTSIDE,
    SMALL,
    ink_on,
    ring_of,
)
from lucid.viewer.view import View, map_of, view_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER, LINE = 0.62, 1.25  # width and height of a character, of the size of its font
MOST_SAMPLES = 20_000  # of a RoI that are drawn


def colored(plane: Floats, span: Range) -> NDArray[np.uint8]:
    """Return a plane as colours, (h, w, 4) bytes; what is not finite is transparent."""
    shares = span.shares(plane)
    finite = np.isfinite(plane if plane.ndim == 2 else plane.sum(axis=2))
    if plane.ndim == 2:
        colors: NDArray[np.uint8] = colormaps[COLORMAP](np.where(finite, shares, 0), bytes=True)
    else:
        filled = np.where(finite[..., None], shares, 0)
        colors = np.dstack([np.rint(filled * 255), np.full(finite.shape, 255)]).astype(np.uint8)
    colors[~finite] = 0
    return colors


def draw_map(axes: Axes, image: Image, span: Range, scene: Scene) -> None:
    """Draw a map or its photograph, what lies outside, and RoIs."""
    view, whole = view_of(image), map_of(image)
    axes.set(xlim=(view.left, view.right), ylim=(view.bottom, view.top), facecolor=OUTSIDE)
    axes.add_patch(_rectangle(view, fill=False, hatch="////", edgecolor=HATCH, lw=0, zorder=-3))
    if image.backdrop is None:
        axes.add_patch(_rectangle(whole, fc="white", hatch="xxxx", ec=HATCH, lw=0, zorder=-2))
        height, width = (image.step * length - 0.5 for length in image.plane.shape[:2])
        _draw_values(axes, colored(image.plane, span), View(-0.5, -0.5, height, width), whole)
    else:
        _draw_values(axes, image.backdrop.values, View(*image.backdrop.edges), view)
    axes.add_patch(_rectangle(whole, fill=False, edgecolor=FAINT, linewidth=0.8))
    axes.set(xlim=(view.left, view.right), ylim=(view.bottom, view.top))
    for position, roi in enumerate(image.rois):
        if np.isfinite(roi.cells).all():
            _draw_roi(axes, roi, ring_of(position), scene)
    _draw_labels(axes, image, view)


def _rectangle(edges: View, **style: Any) -> Rectangle:
    return Rectangle((edges.left, edges.top), edges.width, edges.height, **style)


def _draw_values(axes: Axes, values: NDArray[np.uint8], edges: View, within: View) -> None:
    """Draw colours between edges, no more of them than lies within others."""
    drawn = axes.imshow(
        values,
        extent=(edges.left, edges.right, edges.bottom, edges.top),
        interpolation="nearest" if values.shape[2] == 4 else "antialiased",
        aspect="auto",
    )
    drawn.set_clip_path(_rectangle(within, transform=axes.transData))


def _draw_roi(axes: Axes, roi: Roi, color: str, scene: Scene) -> None:
    """Draw the outline of a RoI, and its bins and samples if they are asked for."""
    style: dict[str, Any] = {
        "fill": False, "edgecolor": color, "linewidth": 1.6, "gid": f"roi-{roi.row}",
        "joinstyle": "miter", "linestyle": "--" if roi.fact else "-", "path_effects": _cased(2.8),
    }  # fmt: skip
    bins = scene.report.output_size
    if roi.grid is None or not roi.grid.is_turned:
        axes.add_patch(_rectangle(View(*roi.cells), **style))
    else:
        (top, bottom), (left, right) = (roi.grid.ends(axis, bins[axis]) for axis in (0, 1))
        corners = (top, left), (top, right), (bottom, right), (bottom, left)
        axes.add_patch(Polygon([roi.grid.at(*corner)[::-1] for corner in corners], **style))
    if roi.grid is None:
        return
    if scene.wishes.bins:
        _draw_bins(axes, roi.grid, bins, color, roi.row)
    if scene.wishes.samples:
        _draw_samples(axes, roi, color, scene)


def _draw_bins(axes: Axes, grid: Grid, bins: tuple[int, ...], color: str, row: int) -> None:
    """Draw the lines between the bins of a RoI."""
    (top, bottom), (left, right) = (grid.ends(axis, bins[axis]) for axis in (0, 1))
    rows, cols = (grid.edges(axis, bins[axis])[1:-1] for axis in (0, 1))
    lines = {
        f"columns-{row}": [(grid.at(top, u), grid.at(bottom, u)) for u in cols],
        f"rows-{row}": [(grid.at(v, left), grid.at(v, right)) for v in rows],
    }
    for name, pairs in lines.items():
        points = [[end[::-1] for end in pair] for pair in pairs]
        axes.add_collection(LineCollection(points, color=color, linewidth=0.6, gid=name))


def _cased(width: float) -> list[Any]:
    """Return what gives lines a dark rim, so that they stand out on any colour."""
    return [Stroke(linewidth=width, foreground=INK, alpha=0.75), Normal()]


def _draw_samples(axes: Axes, roi: Roi, color: str, scene: Scene) -> None:
    """Draw points that are sampled, and crosses where they are off the map."""
    if roi.grid is None or np.prod(roi.grid.samples) > MOST_SAMPLES:
        return
    PH, PW = scene.report.output_size
    y, x = roi.grid.at(*np.meshgrid(
        roi.grid.positions(0, PH), roi.grid.positions(1, PW), indexing="ij"
    ))  # fmt: skip
    if y.size > MOST_SAMPLES:
        return
    image = next(image for image in scene.images if any(one is roi for one in image.rois))
    height, width = image.size
    read = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    for mask, marker, size, kind in ((read, "o", 1.8, "samples"), (~read, "x", 2.4, "zeros")):
        axes.add_line(Line2D(
            x[mask], y[mask], linestyle="", marker=marker, markersize=size, color=color,
            markeredgewidth=0.5, markeredgecolor=INK if marker == "o" else color,
            gid=f"{kind}-{roi.row}",
        ))  # fmt: skip


def _draw_labels(axes: Axes, image: Image, view: View) -> None:
    """Write the row of each RoI at its box, beside other labels."""
    rois = [(k, roi) for k, roi in enumerate(image.rois) if np.isfinite(roi.cells).all()]
    figure: Any = axes.figure
    wide, high = figure.get_size_inches() * axes.get_position().size * 72
    across, down = view.width / wide, view.height / high  # cells per point
    places = place_labels(
        [(roi.cells[1], roi.cells[0], roi.cells[3], roi.cells[2]) for _, roi in rois],
        [
            ((len(str(roi.row)) * LETTER + 0.5) * SMALL * across, LINE * SMALL * down)
            for _, roi in rois
        ],
        (view.left, view.top, view.right, view.bottom),
    )
    for (k, roi), (left, top, right, bottom) in zip(rois, places, strict=True):
        color = ring_of(k)
        axes.add_patch(_rectangle(
            View(top, left, bottom, right), facecolor=color, edgecolor=INK, linewidth=0.4, zorder=4
        ))  # fmt: skip
        axes.text(
            (left + right) / 2, (top + bottom) / 2, str(roi.row), size=SMALL, color=ink_on(color),
            ha="center", va="center_baseline", weight="bold", clip_on=True, zorder=5,
        )  # fmt: skip
