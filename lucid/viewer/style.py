"""How pictures look: colours that the colour-blind can tell, sizes in inches and points."""

from typing import Any

COLORMAP = "viridis"
INK, FAINT, PAPER = "#1b1f24", "#667079", "#ffffff"
OUTSIDE, HATCH = "#eef0f2", "#c3c9cf"
# Okabe and Ito's colours, those first that stand out on dark green and blue.
RINGS = ("#e69f00", "#56b4e9", "#d55e00", "#f0e442", "#cc79a7", "#ffffff", "#009e73", "#0072b2")

WIDTH, MARGIN, GAP = 10.0, 0.3, 0.3  # of the page; between blocks
HEADING, FOOT, BAR = 0.34, 0.5, 0.62  # lines above a block; under all; of the scale of colours
TITLE, TEXT, SMALL = 10.0, 8.0, 7.0  # points

RC: Any = {  # of matplotlib, which knows their names
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "hatch.color": HATCH,
    "hatch.linewidth": 0.6,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "lucid-roialign",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


def ring_of(position: int) -> str:
    """Return the colour of an image's RoI, the first of which is at 0."""
    return RINGS[position % len(RINGS)]


def ink_on(color: str) -> str:
    """Return a colour of text that can be read on another."""
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else PAPER
