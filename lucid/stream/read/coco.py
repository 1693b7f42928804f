"""Boxes of COCO files: annotations, of LVIS too, and the results of detectors."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.stream.read.box_rows import BoxRows, IdList, Images, KeyList, Room, four_numbers
from lucid.stream.read.ids import Id, as_id
from lucid.stream.read.json_stream import elements


def read_coco(
    path: Path,
    category: Sequence[Id] | None = None,
    *,
    keep_crowd: bool = True,
    room: Room | None = None,
) -> BoxRows:
    """Return the boxes of a COCO file, in the order of its annotations.

    Parameters
    ----------
    path : Path
        An object with `annotations`, and perhaps `images` and `categories`; or the array of a
        results file.
    category : sequence of int or str, optional
        Ids or names of the categories whose boxes are wanted; all unless given.
    keep_crowd : bool
        Whether boxes of crowds (`iscrowd`) are wanted.
    room : Room, optional
        What they may take.

    Raises
    ------
    SourceError
        If it is not such a file, or does not have a category.
    MemoryLimitError
        If there is not room enough.
    """
    reader = _Reader(path, room or Room())
    for name, element in elements(path):
        reader.take(name, element)
    return reader.rows(category, keep_crowd)


def read_images(path: Path) -> Images:
    """Return what a COCO file says about images; what follows them is not read.

    Raises
    ------
    SourceError
        If it is not such a file, or has no images.
    """
    reader = _Reader(path, Room())
    for name, element in elements(path):
        if name == "images":
            reader.take(name, element)
        elif reader.images is not None:
            break
    if reader.images is None:
        raise SourceError(f"{path} must have images, as COCO files have")
    return reader.images


class _Reader:
    """What was read of a file so far."""

    def __init__(self, path: Path, room: Room) -> None:
        self._path, self._room = path, room
        self._keys, self._boxes = KeyList(room), array("d")
        self._category, self._crowd = array("q"), array("b")
        self._own = IdList(room)
        self._images: dict[Id, tuple[str, float, float]] = {}
        self._categories: dict[str, int] = {}
        self._is_coco = False

    def take(self, name: str, element: Any) -> None:
        """Take in an element of one of the file's arrays."""
        if name in ("annotations", ""):
            self._annotation(element)
        elif name == "images":
            self._image(element)
        elif name == "categories" and isinstance(element, dict):
            self._categories[str(element.get("name"))] = int(element.get("id", -1))

    def _annotation(self, one: Any) -> None:
        try:
            self._boxes.extend(four_numbers(one["bbox"]))
            self._keys.add(as_id(one["image_id"]))
            self._category.append(int(one.get("category_id", -1)))
            self._crowd.append(bool(one.get("iscrowd", 0)))
            self._own.add(one.get("id"))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            fact = f"it has no {error}" if isinstance(error, KeyError) else error
            raise SourceError(
                f"{self._path}: annotation {len(self._crowd)} is not one of COCO's, with image_id "
                f"and bbox: {fact}"
            ) from None

    def _image(self, one: Any) -> None:
        try:
            size = float(one.get("height", np.nan)), float(one.get("width", np.nan))
            self._images[as_id(one["id"])] = (str(one.get("file_name", "")), *size)
            self._room.require(len(self._crowd), len(self._images))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise SourceError(
                f"{self._path}: image {len(self._images)} is not one of COCO's, with an id"
            ) from None

    def rows(self, category: Sequence[Id] | None, keep_crowd: bool) -> BoxRows:
        """Return the rows that are wanted."""
        if not len(self._crowd) and not self._images:
            raise ShapeError(f"{self._path} has neither annotations nor images, as COCO files have")
        rows = BoxRows(
            keys=self._keys.keys(),
            index_by="id",
            boxes=np.frombuffer(self._boxes).reshape(-1, 4),
            form="xywh",
            images=self.images,
            roi_ids=self._own.ids(),
        )
        kept = np.ones(len(self._crowd), bool)
        if category is not None:
            kept &= np.isin(np.array(self._category), list(self._ids_of(category)))
        if not keep_crowd:
            kept &= ~np.array(self._crowd, bool)
        return rows if kept.all() else rows.some(kept)

    @property
    def images(self) -> Images | None:
        """What is known of images."""
        if not self._images:
            return None
        files, heights, widths = zip(*self._images.values(), strict=True)
        sizes = np.column_stack([heights, widths]).astype(np.float64)
        return Images(ids=list(self._images), files=list(files), sizes=sizes)

    def _ids_of(self, category: Sequence[Id]) -> Iterator[int]:
        """Yield the ids of categories that are named or numbered."""
        known = {*self._categories.values(), *self._category}
        for one in category:
            number = self._categories.get(str(one), one)
            if isinstance(number, str):
                number = int(number) if number.isdecimal() else -1
            if number not in known:
                names = ", ".join(sorted(self._categories)[:8]) or "only numbers"
                raise SourceError(f"{self._path} has no category {one!r}; it has {names}")
            yield number
