"""Where on the page everything goes, in inches from the top left."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from lucid.viewer.style import BAR, FOOT, GAP, HEADING, MARGIN, WIDTH

MOST_MAP, IN_TWO_COLUMNS = 4.4, 2.55  # width and height of a map
BETWEEN, LINE = 0.13, 0.135  # tiles; of text under them
NARROW = 1.0  # a tile under which a box takes two lines
TILES = (1.12, 0.86, 0.63)  # widths, of which the first is taken that is not too high
TICKS = 0.28  # numbers left of a map and under it


class Place(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    width: float
    height: float


class Block(NamedTuple):
    """An image: a heading, the map, and a tile with a caption for each RoI."""

    heading: Place
    map: Place
    tiles: list[Place]
    caption: float  # height of what is written under a tile


class Page(NamedTuple):
    """All blocks, the scale of colours at the right of the foot, and how high it is."""

    height: float
    blocks: list[Block]
    foot: Place
    bar: Place


class Content(NamedTuple):
    """What an image asks for."""

    aspect: float  # height / width of what the map shows
    tiles: int
    tile_aspect: float  # height / width of a crop
    lines: int = 2  # that are written under a crop, one more if it is narrow


def lay_out(contents: Sequence[Content], foot_lines: int) -> Page:
    """Return where images go: in two columns if each has few RoIs, else one under the other."""
    columns = 2 if len(contents) > 1 and max(each.tiles for each in contents) <= 4 else 1
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    blocks: list[Block] = []
    top = MARGIN
    for start in range(0, len(contents), columns):
        row = [
            _block(each, MARGIN + k * (width + GAP), top, width)
            for k, each in enumerate(contents[start : start + columns])
        ]
        blocks += row
        top = max(map(_bottom, row)) + GAP
    foot = Place(MARGIN, top, WIDTH - 2 * MARGIN, LINE * foot_lines)
    bar = Place(WIDTH - MARGIN - BAR * 4, top + 0.06, BAR * 4, 0.1)
    return Page(top + max(foot.height, FOOT) + MARGIN / 2, blocks, foot, bar)


def _bottom(block: Block) -> float:
    ends = [block.map.top + block.map.height + TICKS]
    return max(ends + [tile.top + tile.height + block.caption for tile in block.tiles])


def _block(content: Content, left: float, top: float, width: float) -> Block:
    most = MOST_MAP if width > WIDTH / 2 else IN_TWO_COLUMNS
    map_width = min(most, most / content.aspect)
    below = top + HEADING
    at = Place(left + TICKS, below, map_width, map_width * content.aspect)
    right = left + TICKS + map_width + 0.25
    room = Place(right, below, left + width - right, at.height)
    tiles, caption = _tiles(content, room, left if width > WIDTH / 2 else right)
    return Block(Place(left, top, width, HEADING), at, tiles, caption)


def _tiles(content: Content, room: Place, left: float) -> tuple[list[Place], float]:
    """Return tiles as large as they may be for as high as the map is, or the smallest.

    Where the room beside the map is full, they go on under the map, from `left` on.
    """
    for size in TILES:
        caption = 0.1 + LINE * (content.lines + (size < NARROW))
        step = size + BETWEEN, size * content.tile_aspect + caption
        columns = max(int((room.width + BETWEEN) / step[0]), 1)
        if ceil(content.tiles / columns) * step[1] <= room.height + TICKS + caption:
            break
    leftmost = room.left - int((room.left - left) / step[0]) * step[0]
    tiles: list[Place] = []
    x, y = room.left, room.top
    for _ in range(content.tiles):
        if tiles and x + size > room.left + room.width + 0.01:
            y += step[1]
            x = leftmost if y > room.top + room.height + TICKS else room.left
        tiles.append(Place(x, y, size, size * content.tile_aspect))
        x += step[0]
    return tiles, caption
