"""Draw what each operator reads of a small map, and the crop that it makes: operators.png.

Run `pip install lucid-roialign[preview]` and `python sample_data/draw.py`. Samples are where the
operators themselves say that they are.
"""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from panel import BOX, LARGEST, MAP, SIZE, Panel, corners_of, grid_of, turned_grid_of
from PIL import Image

from lucid import roi
from lucid.models import utils
from lucid.viewer.style import COLORMAP, FAINT, INK, RINGS

HERE = Path(__file__).parent
UPRIGHT = (0.7, 1.2, 6.3, 4.8)  # in cells
OVER = (-2.2, -1.8, 3.4, 3.0)


def mean(panel):
    """RoIAlign."""
    operator = roi.operators.roi_align_of(2, sampling_ratio=2)
    panel.draw_map(MAP[0, 0])
    panel.draw_box(corners_of(*UPRIGHT))
    panel.draw_samples(*grid_of(operator, UPRIGHT))
    panel.draw_crop(utils.roi_align(MAP, [[0, *UPRIGHT]], 2, 1.0, 2)[0, 0], "means")


def limit(panel):
    """The limit of RoIAlign."""
    panel.draw_map(MAP[0, 0])
    panel.map.images[0].set_interpolation("bilinear")
    panel.draw_box(corners_of(*UPRIGHT))
    x1, y1, x2, y2 = UPRIGHT
    for left in (x1, (x1 + x2) / 2):
        for top in (y1, (y1 + y2) / 2):
            bins = Rectangle(
                (left, top), (x2 - x1) / 2, (y2 - y1) / 2, fc="w", alpha=0.25, zorder=3
            )
            panel.map.add_patch(bins)
    crop = utils.roi_align(MAP, [[0, *UPRIGHT]], 2, 1.0, math.inf)[0, 0]
    panel.draw_crop(crop, "exact means")


def largest(panel):
    """The largest sample."""
    panel.draw_map(MAP[0, 0])
    panel.draw_box(corners_of(*UPRIGHT))
    x, y = grid_of(roi.operators.roi_align_of(2, sampling_ratio=2), UPRIGHT)
    panel.draw_samples(x, y, alpha=0.5)
    read = utils.roi_align(MAP, [[0, *UPRIGHT]], 4, 1.0, 1)[0, 0]
    for p, q in np.ndindex(2, 2):
        i, j = np.unravel_index(read[2 * p : 2 * p + 2, 2 * q : 2 * q + 2].argmax(), (2, 2))
        at = (2 * p + i) * 4 + 2 * q + j
        panel.draw_samples(x[at], y[at], c=BOX, s=46)
    panel.draw_crop(utils.roi_align(MAP, [[0, *UPRIGHT]], 2, 1.0, 2, mode="max")[0, 0], "maxima")


def border(panel):
    """Samples outside the map."""
    panel.draw_map(MAP[0, 0], beyond=2.4)
    panel.draw_box(corners_of(*OVER))
    x, y = grid_of(roi.operators.roi_align_of(2, sampling_ratio=3), OVER)
    off = (x < -1) | (y < -1)
    panel.draw_samples(x[~off], y[~off])
    panel.draw_samples(x[off], y[off], c="none", edgecolors=FAINT)
    panel.crop.remove()
    for bottom, outside in ((0.44, "zero"), (0.0, "renormalize")):
        crop = utils.roi_align(MAP, [[0, *OVER]], 2, 1.0, 3, outside=outside)[0, 0]
        panel.draw_crop(crop, outside, panel.axes(0.64, bottom, 0.28, 0.30, "W"))


def precise(panel):
    """Precise RoI Pooling."""
    panel.draw_map(MAP[0, 0], beyond=2.4)
    for step in np.linspace(0, 1, 40):  # falls to 0 within a cell
        edge = -1 + step
        area = Rectangle((edge, edge), 9, 9, fill=False, ec="#440154", alpha=0.6 * step, lw=1.4)
        panel.map.add_patch(area)
    panel.draw_box(corners_of(*OVER))
    panel.draw_crop(utils.prroi_pool(MAP, [[0, *OVER]], 2)[0, 0], "integrals / area")


def turned(panel):
    """RoIAlign in turned boxes."""
    box = (4.0, 3.6, 6.4, 3.4, 28.0)
    operator = roi.operators.RoiAlignRotated.checked((2, 3), 1.0, 2)
    panel.draw_map(MAP[0, 0])
    cx, cy, w, h, angle = box
    turn = np.exp(-1j * math.radians(angle))
    at = [complex(cx - 0.5, cy - 0.5) + complex(x * w, y * h) / 2 * turn
          for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
    panel.draw_box([(one.real, one.imag) for one in at], (2, 3))
    panel.draw_samples(*turned_grid_of(operator, box))
    panel.draw_crop(utils.roi_align_rotated(MAP, [[0, *box]], (2, 3), 1.0, 2)[0, 0], "means")


def cells(panel):
    """RoI pooling of whole cells."""
    panel.draw_map(MAP[0, 0])
    panel.draw_box(corners_of(*UPRIGHT), (1, 1), ls=(0, (2, 2)))
    geometry = roi.lay_out(np.array([UPRIGHT]), roi.operators.RoiPool.checked(2), SIZE, np.float64)
    found = geometry.operator.bins(geometry)
    spans = [[(b, e) for line, b, e in zip(found.line, found.begin, found.end, strict=True)
              if line == axis] for axis in (0, 1)]  # fmt: skip
    for k, ((top, bottom), (left, right)) in enumerate(
        (rows, cols) for rows in spans[0] for cols in spans[1]
    ):
        shrink = 0.12 + 0.05 * (k % 2)
        panel.map.add_patch(Rectangle(
            (left - 0.5 + shrink, top - 0.5 + shrink), right - left - 2 * shrink,
            bottom - top - 2 * shrink, fill=False, ec=RINGS[k], lw=2, zorder=5,
        ))  # fmt: skip
    panel.draw_crop(utils.roi_pool(MAP, [[0, *UPRIGHT]], 2)[0, 0], "maxima of cells")


def sensitive(panel):
    """Position-sensitive RoIAlign."""
    panel.map.remove()
    maps = np.concatenate([np.roll(MAP, (k, 2 * k), (2, 3)) for k in range(4)], axis=1)
    x1, y1, x2, y2 = UPRIGHT
    for k, (p, q) in enumerate(np.ndindex(2, 2)):
        axes = panel.axes(0.3 * q, 0.39 * (1 - p), 0.29, 0.37, "NW")
        panel.draw_map(maps[0, k], axes=axes)
        box = (x1 - 0.5, y1 - 0.5, x2 - 0.5, y2 - 0.5)
        panel.draw_box(corners_of(*box), axes=axes)
        width, height = (x2 - x1) / 2, (y2 - y1) / 2
        axes.add_patch(Rectangle((box[0] + q * width, box[1] + p * height), width, height,
                                 fc=BOX, alpha=0.5, zorder=3))  # fmt: skip
    panel.draw_crop(utils.ps_roi_align(maps, [[0, *UPRIGHT]], 2, 1.0, 2)[0, 0], "means")


def resized(panel):
    """Crop and resize."""
    height, width = SIZE
    x1, y1, x2, y2 = UPRIGHT
    box = (x1 / (width - 1), y1 / (height - 1), x2 / (width - 1), y2 / (height - 1))
    panel.draw_map(MAP[0, 0])
    panel.draw_box(corners_of(*UPRIGHT), (1, 1))
    x, y = np.meshgrid(np.linspace(x1, x2, 3), np.linspace(y1, y2, 3))
    panel.draw_samples(x.ravel(), y.ravel(), s=34)
    panel.draw_crop(utils.crop_and_resize(MAP, [[0, *box]], 3)[0, 0], "samples")


def solid(panel):
    """RoIAlign in three dimensions."""
    volume = np.array([np.roll(MAP[0, 0], k, 1) * (1 - 0.12 * k) for k in range(4)])[None, None]
    height, width = SIZE
    steps = [(2.1 * z, -1.5 * z) for z in range(4)]  # to the right and upwards, from the front
    look = {"cmap": COLORMAP, "vmin": 0, "vmax": LARGEST}
    for z, (x, y) in reversed(list(enumerate(steps))):
        where = (x - 0.5, x + width - 0.5, y + height - 0.5, y - 0.5)
        panel.map.imshow(volume[0, 0, z], extent=where, zorder=4 - z, **look)
        edge = Rectangle(
            (where[0], where[3]), width, height, fill=False, ec="w", lw=1.4, zorder=4 - z
        )
        panel.map.add_patch(edge)
    ends = [np.array(corners_of(*UPRIGHT)) + steps[z] for z in (2, 0)]
    for color, wide in (("w", 3.4), (BOX, 1.8)):
        for at in ends:
            panel.map.add_patch(Polygon(at, fill=False, ec=color, lw=wide, zorder=9))
        panel.map.plot(*np.transpose(ends, (2, 0, 1)), color=color, lw=wide, zorder=9)
    panel.map.set_xlim(-0.6, width + steps[-1][0])
    panel.map.set_ylim(height, steps[-1][1] - 0.8)
    panel.crop.remove()
    x1, y1, x2, y2 = UPRIGHT
    crops = utils.roi_align_3d(volume, [[0, x1, y1, 0, x2, y2, 2]], 2, 1.0, 2)[0, 0]
    for bottom, crop, name in zip((0.44, 0.0), crops, ("front", "back"), strict=True):
        panel.draw_crop(crop, name, panel.axes(0.64, bottom, 0.28, 0.30, "W"))


def pyramid(panel):
    """Pyramids."""
    panel.map.remove()
    panel.crop.remove()
    boxes = np.array([[30, 40, 90, 90], [100, 60, 240, 200], [20, 20, 300, 260]], float)
    levels = utils.assign_levels(boxes, [1 / 16, 1 / 32, 1 / 64], canonical_scale=112,
                                 canonical_level=5)  # fmt: skip
    for level, cells in enumerate((20, 10, 5)):
        axes = panel.axes(0.33 * level, 0.1, 0.30, 0.58, "NW")
        y, x = np.mgrid[:cells, :cells] * (7.0 / cells)
        values = 9 * np.exp(-((x - 2.2) ** 2 + (y - 2.4) ** 2) / 4) + 0.5
        values += 6 * np.exp(-((x - 5) ** 2 + (y - 5) ** 2) / 2.5)
        panel.draw_map(values, axes=axes)
        axes.set_title(f"stride {2 ** (4 + level)}", size=8, color=FAINT, pad=4)
        for box in boxes[levels == level] / 2 ** (4 + level) - 0.5:
            panel.draw_box(corners_of(*box), axes=axes)


def coverage(panel):
    """Coverage."""
    panel.draw_map(MAP[0, 0], beyond=2.4)
    panel.draw_box(corners_of(*OVER))
    found = utils.coverage([[0, *OVER]], SIZE, 2, 1.0, 3)[0]
    panel.crop.imshow(found, cmap="gray", vmin=0, vmax=1)
    for (p, q), share in np.ndenumerate(found):
        text = f"{share:.2f}".rstrip("0").rstrip(".")
        color = INK if share > 0.5 else "w"
        panel.crop.text(q, p, text, ha="center", va="center", size=8.5, color=color)
    panel.crop.set_title("shares", size=8, color=FAINT, pad=4)
    _, _, x2, y2 = OVER
    inside = Rectangle((-1, -1), x2 + 1, y2 + 1, fc=BOX, alpha=0.35, zorder=3)
    panel.map.add_patch(inside)


PANELS = (
    ("roi-align", "the mean of bilinear samples on a grid in each bin", mean),
    ("roi-align --mode max", "the largest of the samples", largest),
    ("roi-align --sampling-ratio inf", "the mean that more and more samples come to", limit),
    ("prroi-pool", "the integral of a surface that falls to 0 at the border", precise),
    ("--outside", "samples off the map are 0, or are left out", border),
    ("--coverage", "how much of each bin is on the map", coverage),
    ("roi-align-rotated", "the grid is turned with the box", turned),
    ("roi-align-3d", "samples in volumes, depth first", solid),
    ("--level", "each RoI on the map that suits its size", pyramid),
    ("ps-roi-align, ps-roi-pool", "each bin reads channels of its own", sensitive),
    ("roi-pool", "the largest of whole cells; bins may overlap", cells),
    ("crop-and-resize", "one sample for each bin, the outermost on the corners", resized),
)


def main():
    """Write operators.png."""
    rows, columns = len(PANELS) // 3, 3
    figure = Figure(figsize=(11.4, 2.35 * rows), dpi=110, facecolor="w")
    for k, (title, about, draw) in enumerate(PANELS):
        row, column = divmod(k, columns)
        place = 0.025 + column / columns, 1 - (row + 0.94) / rows, 0.31, 0.80 / rows
        draw(Panel(figure, place, title, about))
    stream = BytesIO()
    figure.savefig(stream, format="png")
    few = Image.open(stream).convert("RGB").quantize(160, dither=Image.Dither.NONE)
    few.save(HERE / "operators.png", optimize=True)


if __name__ == "__main__":
    main()
