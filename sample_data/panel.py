"""A panel of operators.png: a small map with boxes and samples on it, and a crop in numbers."""

import numpy as np
from matplotlib.patches import Polygon

from lucid import roi
from lucid.roi.turned_samples import Frame, listed, near
from lucid.viewer.style import COLORMAP, FAINT, INK, RINGS

BOX, DOT = RINGS[2], "#ffffff"
LARGEST = 10.0
SIZE = (7, 8)


def hills(height, width):
    """Return a map (1, 1, H, W) with two hills."""
    y, x = np.mgrid[:height, :width]
    one = 9 * np.exp(-((x - 2.2) ** 2 + (y - 2.4) ** 2) / 4)
    return (one + 6 * np.exp(-((x - 6) ** 2 + (y - 5) ** 2) / 2.5) + 0.5)[None, None]


MAP = hills(*SIZE)


class Panel:
    """A map with a box on it to the left, and the crop to the right."""

    def __init__(self, figure, place, title, about):
        left, bottom, _, height = place
        top = bottom + height
        figure.text(left, top, title, weight="bold", color=INK, size=11, va="bottom")
        figure.text(left, top - 0.004, about, color=FAINT, size=8.5, va="top", linespacing=1.35)
        self.figure, self.place = figure, place
        self.map = self.axes(0, 0, 0.58, 0.8, "NW")
        self.crop = self.axes(0.64, 0.26, 0.28, 0.44, "W")

    def axes(self, left, bottom, width, height, anchor="C"):
        """Return axes without any marks in a part of the panel."""
        x, y, w, h = self.place
        axes = self.figure.add_axes(
            (x + left * w, y + bottom * h, width * w, height * h), anchor=anchor
        )
        axes.set_aspect("equal")
        axes.set_axis_off()
        return axes

    def draw_map(self, values, beyond=0.0, axes=None):
        """Draw the cells of a map (H, W), and some paper where there are none."""
        axes, (height, width) = axes or self.map, values.shape
        axes.imshow(values, cmap=COLORMAP, vmin=0, vmax=LARGEST)
        rows, cols = np.arange(height + 1) - 0.5, np.arange(width + 1) - 0.5
        axes.hlines(rows, -0.5, width - 0.5, color="w", lw=0.5)
        axes.vlines(cols, -0.5, height - 0.5, color="w", lw=0.5)
        axes.set_xlim(-0.5 - beyond, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5 - beyond)

    def draw_box(self, corners, bins=(2, 2), axes=None, **how):
        """Draw the four corners of a box, and its bins."""
        axes, (a, b, c, d) = axes or self.map, np.asarray(corners, float)
        for width, color in ((3.4, "w"), (1.8, BOX)):
            look = {"fill": False, "ec": color, "lw": width, "zorder": 4} | how
            axes.add_patch(Polygon([a, b, c, d], **look))
        sides = (a, d, b, c), (a, b, d, c)
        for count, (start, end, first, last) in zip(bins, sides, strict=True):
            for share in np.arange(1, count) / count:
                ends = start + (end - start) * share, first + (last - first) * share
                axes.plot(*np.transpose(ends), color=BOX, lw=1.2, zorder=4)

    def draw_samples(self, x, y, **how):
        """Draw samples at positions in cells."""
        look = {"c": DOT, "edgecolors": INK, "linewidths": 0.7, "s": 17, "zorder": 5}
        self.map.scatter(x, y, **look | how)

    def draw_crop(self, crop, title="", axes=None):
        """Draw a crop (PH, PW) with its numbers."""
        axes = axes or self.crop
        axes.imshow(crop, cmap=COLORMAP, vmin=0, vmax=LARGEST)
        for (p, q), value in np.ndenumerate(crop):
            color = "w" if value < 0.6 * LARGEST else INK
            axes.text(q, p, f"{value:.1f}", ha="center", va="center", size=8.5, color=color)
        axes.set_title(title, size=8, color=FAINT, pad=4)


def corners_of(x1, y1, x2, y2):
    """Return the corners of an upright box, clockwise."""
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def grid_of(operator, box, size=SIZE):
    """Return the positions x, y of the samples of an upright box, in range or not."""
    geometry = roi.lay_out(np.array([box]), operator, size, np.float64)
    start, bins, _, samples = (values[:, 0] for values in geometry.windows.notes)
    y, x = (
        start[axis] + (np.arange(n * p) + 0.5) / n * bins[axis]
        for axis, (n, p) in enumerate(zip(samples, operator.output_size, strict=True))
    )
    return [each.ravel() for each in np.meshgrid(x, y)]


def turned_grid_of(operator, box, size=SIZE):
    """Return the positions x, y of the samples of a turned box."""
    geometry = roi.lay_out(np.array([box]), operator, size, np.float64)
    frame = Frame.of(geometry, operator.turned(geometry))
    y, x = frame.grids.position(*listed(frame, near(geometry, frame)[0]).from_centre)
    return x, y
