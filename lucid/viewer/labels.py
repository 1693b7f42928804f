"""Where labels go, so that they lie on each other as little as may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Box = tuple[float, float, float, float]  # left, top, right, bottom


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[tuple[float, float]], room: Box
) -> list[Box]:
    """Return where the label of each box goes, in the order of boxes.

    Parameters
    ----------
    boxes : sequence of (left, top, right, bottom)
        What is labelled.
    sizes : sequence of (width, height)
        Of the labels.
    room : (left, top, right, bottom)
        What no label may leave.

    Small boxes choose first, for they have the fewest places of their own.
    """
    order = sorted(range(len(boxes)), key=lambda k: _area(boxes[k]))
    placed: dict[int, Box] = {}
    for k in order:
        there = [_held(each, room) for each in _corners(boxes[k], *sizes[k])]
        placed[k] = min(
            there, key=lambda each: sum(_area(_common(each, other)) for other in placed.values())
        )
    return [placed[k] for k in range(len(boxes))]


def _corners(box: Box, width: float, height: float) -> Iterator[Box]:
    """Yield places at the corners of a box, the best first: outside, then inside, then along."""
    left, top, right, bottom = box
    for x in (left, right - width):
        yield x, top - height, x + width, top
    for x in (left, right - width):
        yield x, bottom, x + width, bottom + height
    for y in (top, bottom - height):
        for x in (left, right - width, left - width, right):
            yield x, y, x + width, y + height
    for share in (0.25, 0.5, 0.75):
        x, y = left + share * (right - left - width), top + share * (bottom - top - height)
        yield x, top - height, x + width, top
        yield x, bottom, x + width, bottom + height
        yield left - width, y, left, y + height
        yield right, y, right + width, y + height


def _held(box: Box, room: Box) -> Box:
    """Return a label moved into the room."""
    left, top, right, bottom = box
    x = max(room[0] - left, 0) or min(room[2] - right, 0)
    y = max(room[1] - top, 0) or min(room[3] - bottom, 0)
    return left + x, top + y, right + x, bottom + y


def _common(one: Box, other: Box) -> Box:
    return (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
