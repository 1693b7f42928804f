"""RoI tables as files have them, read slice by slice as rows batch_index, x1, y1, x2, y2.

Boxes may say their image in their first column, in a list beside them, in ranges of rows per
image, or by being padded to a number per image; as corners, or as a corner or centre and a size;
in input coordinates or as fractions of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import MemoryLimitError, RoiError, ShapeError
from lucid.roi.table import COLUMNS, RoiReport
from lucid.stream.checks import PIPE, PathLike
from lucid.stream.read.arrays import open_source, open_stdin
from lucid.stream.read.box_files import images_of, is_box_file, read_box_file
from lucid.stream.read.box_rows import Images
from lucid.stream.read.coco import read_coco
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.frames import Frames, as_frames, require_frames, sizes_of
from lucid.stream.read.maps import Features
from lucid.stream.read.owners import FirstColumn, Listed, Owners, Padded, Ranges, require_list
from lucid.stream.read.resize import as_resize
from lucid.stream.read.source import Check, Source, require_rois
from lucid.stream.settings import Settings
from lucid.stream.types import Array

NAMES = ("rois", "boxes", "bboxes", "image_bb")
OWNERS = ("batch_index", "box_ranges", "box_counts")  # options that say the images of boxes
WHOSE = "--batch-index, --box-ranges and --box-counts"


class RowsOfChunks:
    """Rows of an array that is stored in chunks, each read once if rows are asked for in order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._step = (source.info.chunks or (1,))[0]
        self._start, self._held = 0, source[0:0]

    def __getitem__(self, rows: slice) -> Array:
        if not self._start <= rows.start <= rows.stop <= self._start + len(self._held):
            self._start = rows.start - rows.start % self._step
            stop = -(-rows.stop // self._step) * self._step
            self._held = self._source[0:0]  # never two at a time
            self._held = self._source[self._start : stop]
        return self._held[rows.start - self._start : rows.stop - self._start]


class RoiSource:
    """The K RoIs of a file."""

    def __init__(
        self, spec: PathLike, options: Settings, features: Features, memory: int | None = None
    ) -> None:
        self.images, self._options = features.images, options
        self.form, self.reading = options.boxes, ""
        self._open: list[Source] = []
        self._inputs: list[Input] = []
        self._sizes: Array | None = None
        self._images: Images | None = None  # what a COCO file says of them
        self._array: Any
        self._index: Array | None = None  # the image of each box, where the file has told it
        self.held_bytes = self.chunk_bytes = 0
        try:
            if spec == PIPE:
                self._array = self._piped(memory)
            elif is_box_file(Path(spec)):
                self._array, self._index = self._of_text(Path(spec), features)
            else:
                source = self._source(spec, NAMES, require_rois)
                self.name, self.dtype, self.shape = source.name, source.dtype, source.shape
                self._array = self._rows(source)
            self._owners = self._find_owners()
            self._sizes = self._find_sizes(features)
            self.frames = self._find_frames()
        except BaseException:
            self.close()
            raise

    def _piped(self, memory: int | None) -> Array:
        """Return the array that is piped in, which must be held as a whole."""
        stream = open_stdin("rois")
        self.name, (self.shape, _, self.dtype) = stream.name, stream.header
        require_rois(self.shape, self.dtype, self.name)
        self.held_bytes = stream.header.nbytes
        if memory is not None and self.held_bytes > memory:
            raise MemoryLimitError(
                f"memory must be more than {self.held_bytes >> 20}M to hold "
                f"{self.name}; or put them into a file, which is read slice by slice"
            )
        return stream.read(self.shape)

    def _of_text(self, path: Path, features: Features) -> tuple[Array, Array]:
        """Return the boxes of a file of text, and their images."""
        rows = read_box_file(path, self._options)
        if self._options.boxes not in ("xyxy", rows.form):
            raise ShapeError(f"{path} says that its boxes are {rows.form}; drop --boxes")
        self.name, self.form, self._images = str(path), rows.form, rows.images
        self.dtype, self.shape = rows.boxes.dtype, rows.boxes.shape
        self._inputs.append(Input("rois", path, None, self.shape, str(self.dtype)))
        index, self.reading = images_of(rows, features, self.name)
        self.held_bytes = rows.boxes.nbytes + 4 * index.nbytes
        return rows.boxes, index

    @property
    def input_sizes(self) -> tuple[Array | None, bool]:
        """Return the sizes of the network's inputs, where known, and whether they are exact."""
        if self.frames is not None:
            return self.frames.input_sizes, self.frames.is_exact
        return self._sizes, False

    @property
    def _moves(self) -> bool:
        """Whether boxes are in other coordinates than the network's input."""
        return self._options.normalized or self.frames is not None

    @property
    def rois(self) -> int:
        """The number of RoIs, K."""
        return self._owners.rois

    @property
    def paths(self) -> Sequence[Path]:
        """The files that are read."""
        return [one.path for one in self._inputs]

    @property
    def inputs(self) -> Sequence[Input]:
        """What is read from them."""
        return list(self._inputs)

    def read(self, start: int, stop: int) -> Array:
        """Return rows (k, 5)."""
        return self._understood(*self._owners.read(self._array, start, stop))

    def close(self) -> None:
        """Close the files."""
        for source in self._open:
            source.close()

    def _source(self, spec: PathLike, names: Sequence[str], check: Check) -> Source:
        source = open_source(spec, names, check, trust=self._options.trust_input)
        self._open.append(source)
        self._inputs.append(source.as_input(names[0]))  # the first is what an option calls it
        return source

    def _rows(self, source: Source) -> Any:
        """Return what reads rows of a source, each of its chunks once."""
        self.chunk_bytes += source.chunk_bytes
        return RowsOfChunks(source) if source.chunk_bytes else source

    def _find_owners(self) -> Owners:
        """Return what knows which image a RoI belongs to."""
        options, (rois, *width) = self._options, self.shape
        given = [name for name in OWNERS if getattr(options, name) is not None]
        if self._index is not None:
            if given:
                raise ShapeError(f"{self.name} says the image of each box; drop {WHOSE}")
            return Listed(rois, self._index)
        if width == [5] and not given:
            return FirstColumn(rois)
        if width == [5]:
            raise ShapeError(f"{self.name} says the image in its first column; drop {WHOSE}")
        if len(width) == 2 and given in ([], ["box_counts"]):
            counts = self._numbers(options.box_counts, "box_counts", 1) if given else None
            return Padded(self.shape, counts, self.images)
        if len(width) == 1 and given == ["box_ranges"]:
            return Ranges(rois, self._numbers(options.box_ranges, "box_ranges", 2))
        if len(width) == 1 and given == ["batch_index"]:
            return Listed(rois, self._list_of_images(options.batch_index))
        if len(width) == 1 and self.images == 1 and not given:
            return Ranges(rois, np.array([[0, rois]]))
        raise ShapeError(
            f"{self.name} {self.shape}: boxes (K, 4) need --batch-index or --box-ranges to say "
            f"their image, boxes (N, M, 4) may have --box-counts; or give rows "
            f"({', '.join(COLUMNS)})"
        )

    def _list_of_images(self, spec: PathLike) -> Any:
        """Return what reads the image of each box."""
        index = self._source(spec, ("batch_index",), require_list)
        if index.shape != self.shape[:1]:
            raise ShapeError(
                f"{index.name} must have a number for each of {self.shape[0]} boxes, "
                f"got {index.shape}"
            )
        return self._rows(index)

    def _numbers(self, spec: PathLike, name: str, axes: int) -> NDArray[np.int64]:
        """Return a whole array of whole numbers, a row per image."""
        width = (2,) if axes == 2 else ()

        def require(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
            if shape[1:] != width or len(shape) != axes or dtype.kind not in "iuf":
                raise ShapeError(f"{where} must be {name} (N{', 2' * len(width)}), got {shape}")
            if shape[0] != self.images:
                raise ShapeError(
                    f"{where} must have a row for each of {self.images} images, got {shape[0]}"
                )

        source = self._source(spec, (name, "pos_boxes", "num_boxes"), require)
        values = source[:]
        if not ((values == np.floor(values)) & (values >= 0) & (values < 2**53)).all():
            raise ShapeError(f"{source.name} must hold whole numbers >= 0")
        whole: NDArray[np.int64] = values.astype(np.int64)
        self.held_bytes += 3 * whole.nbytes  # as their owners hold them
        return whole

    def _find_sizes(self, features: Features) -> Array | None:
        """Return heights and widths of images, (N, 2) or (1, 2), if the run needs them."""
        size = self._options.image_size
        if size is None:
            return self._sizes_by_rois(features) if self._options.resize is not None else None
        if isinstance(size, tuple):
            return np.array([size], np.float64)
        if size.endswith(".json"):
            images = read_coco(Path(size)).images
            if images is None:
                raise ShapeError(f"{size} has no images with height and width")
            self._inputs.append(Input("image_size", Path(size), None, images.sizes.shape, "text"))
            return sizes_of(images, features, size)
        return self._image_sizes(size)

    def _sizes_by_rois(self, features: Features) -> Array:
        """Return the sizes of images that the RoI file says; raise if it does not."""
        if self._images is None:
            raise ShapeError(f"{self.name} does not say the sizes of its images; pass --image-size")
        sizes, index = sizes_of(self._images, features, self.name), self._index
        unknown = np.flatnonzero(np.isnan(sizes).any(axis=1))
        missing = unknown if index is None else np.intersect1d(unknown, index)
        if len(missing) and features.ids is not None:
            raise ShapeError(f"{self.name} has no size of image {features.ids[missing[0]]!r}")
        return sizes

    def _find_frames(self) -> Frames | None:
        """Return the frames of images, None where boxes are in input coordinates."""
        options = self._options
        if options.frame is not None:
            source = self._source(options.frame, ("frame",), require_frames)
            return Frames(as_frames(source[:], self.images, source.name))
        if options.resize is not None and self._sizes is not None:
            resized = as_resize(options.resize)(self._sizes)
            return Frames(resized.frame, resized.input_size, resized.is_exact)
        return None

    def _image_sizes(self, size: PathLike) -> Array:
        """Return heights and widths of an array, (N, 2)."""

        def require(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
            if shape != (self.images, 2) or dtype.kind not in "iuf":
                raise ShapeError(f"{where} must have rows height, width for each of "
                                 f"{self.images} images, got {shape} {dtype}")  # fmt: skip

        sizes: Array = self._source(size, ("image_size", "sizes"), require)[:].astype(np.float64)
        return sizes

    def _understood(self, index: Array | None, rows: Array) -> Array:
        """Return rows (k, 5) of an index and boxes as the file has them, or of rows."""
        if index is None and self.form == "xyxy" and not self._moves:
            return rows
        index, rows = (rows[:, 0], rows[:, 1:]) if index is None else (index, rows)
        boxes = rows.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.form == "cxcywh":
                boxes[:, :2] -= boxes[:, 2:] / 2
            if self.form == "yxyx":
                boxes = boxes[:, [1, 0, 3, 2]]
            elif self.form != "xyxy":
                boxes[:, 2:] += boxes[:, :2]
            if self._options.normalized and self._sizes is not None:
                known = (index >= 0) & (index < len(self._sizes))
                sizes = self._sizes[np.where(known, index, 0).astype(np.int64)]
                boxes *= sizes[:, [1, 0, 1, 0]]
            if self.frames is not None:
                boxes = self.frames.applied(boxes, index)
        return np.column_stack([index.astype(np.float64), boxes])


def require_batch_index(report: RoiReport, source: RoiSource) -> None:
    """Raise if the first of five columns is hardly a batch index, with the likely cause."""
    kinds = ("not integral", "no such image")
    wrong = [report.defects[kind] for kind in kinds if kind in report.defects]
    if source.shape[1:] != (5,) or sum(defect.count for defect in wrong) * 2 <= report.rois:
        return
    first = min(wrong, key=lambda defect: defect.rows)
    rows = source.read(0, min(source.rois, 1000))
    last = rows[:, 4].astype(np.float64)
    score = "a score" if ((last >= 0) & (last <= 1)).all() else "a score or an area"
    raise RoiError(
        f"{source.name}: the first column cannot be a batch_index: {first.fact}, and "
        f"{sum(defect.count for defect in wrong)} of {report.rois} rows are like it. "
        f"If rows are x1, y1, x2, y2 and {score}, put the image first, or pass boxes (K, 4) "
        "with --batch-index"
    )
