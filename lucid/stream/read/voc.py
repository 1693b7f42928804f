"""Annotations of Pascal VOC: an XML file for each image, with its size and its boxes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.box_rows import BoxRows, Keys
from lucid.stream.read.flat import Flat, FlatSource
from lucid.stream.read.ids import Id
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.types import Array

MOST_BYTES = 4 << 20
CORNERS = ("xmin", "ymin", "xmax", "ymax")
ONE_BASED = np.array([1, 1, 0, 0])  # pixels are counted from 1, and the last is in the box


class Voc(Flat):
    """An XML file, read: `boxes` (n, 4) as corners from 0, and `image_size` (height, width)."""

    kind = "VOC's XML"

    def __init__(self, path: Path, trust: bool) -> None:
        super().__init__(path)
        root = _root_of(path)
        if root.tag != "annotation":
            raise SourceError(f"{path} must have an <annotation> as VOC has, got <{root.tag}>")
        self._root = root

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""
        return path.suffix == ".xml" and start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"

    def names(self) -> Collection[str]:
        """Return the names of the arrays."""
        return self._arrays

    def info(self, name: str) -> ArrayInfo:
        """Return what the file says about an array."""
        return ArrayInfo(name, self._arrays[name].shape, self._arrays[name].dtype)

    def source(self, name: str) -> Source:
        """Return an array, which is held."""
        return FlatSource(self._path, self.info(name), self._arrays[name], self)

    def close(self) -> None:
        """Do nothing: the file is not open."""

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        boxes = [self._numbers(one, "bndbox", CORNERS) for one in self._root.findall("object")]
        arrays = {"boxes": np.array(boxes).reshape(-1, len(CORNERS)) - ONE_BASED}
        if self._root.find("size") is not None:
            arrays["image_size"] = np.array(self._numbers(self._root, "size", ("height", "width")))
        return arrays

    def _numbers(self, parent: Element, tag: str, names: Collection[str]) -> list[float]:
        """Return the numbers of an element that stands in another."""
        found = parent.find(tag)
        try:
            return [float(found.findtext(name)) for name in names]  # type: ignore[union-attr, arg-type]
        except (AttributeError, TypeError, ValueError):
            what = f"{parent.findtext('name', 'object')!r}" if tag == "bndbox" else "the image"
            raise SourceError(
                f"{self._path} must have numbers {', '.join(names)} in the <{tag}> of {what}"
            ) from None

    def named(self) -> list[str]:
        """Return the name of each object."""
        return [one.findtext("name", "").strip() for one in self._root.findall("object")]


def read_voc(path: Path, category: Sequence[Id] | None = None) -> BoxRows:
    """Return the boxes of a file, in the order of its objects.

    Parameters
    ----------
    path : Path
        An annotation.
    category : sequence of int or str, optional
        Names of the objects that are wanted; all unless given.

    Raises
    ------
    SourceError
        If it is no annotation.
    """
    file = Voc(path, trust=False)
    names, boxes = file.named(), file.source("boxes")[...]
    rows = BoxRows(
        keys=Keys(names=[0], codes=np.zeros(len(boxes), np.int64)),
        index_by="position",
        boxes=boxes,
        form="xyxy",
        images=None,
        says_images=False,
        categories=frozenset(names),
    )
    if category is None:
        return rows
    return rows.some(np.isin(np.array(names, np.str_), [str(one) for one in category]))


class _Tree(TreeBuilder):
    """Elements of a document that declares nothing: what is declared could grow without end."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a declaration before anything of it is read."""
        raise ValueError("it declares a document type, as annotations never do")


def _root_of(path: Path) -> Element:
    """Return the outermost element of a file."""
    parser: Any = XMLParser(target=_Tree())
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise SourceError(f"{path} must have at most {MOST_BYTES >> 20} MiB to be one image's")
    try:
        parser.feed(data)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise SourceError(f"{path} is no XML that is read: {error}") from error
    return root
