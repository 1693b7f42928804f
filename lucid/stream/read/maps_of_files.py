"""Feature maps as files have them: several files that are one run of images."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lucid.errors import ShapeError
from lucid.stream.read.axes import Axes
from lucid.stream.read.image_ids import Ids, ids_beside
from lucid.stream.read.many_maps import ManyMaps
from lucid.stream.read.maps import FEATURES
from lucid.stream.read.per_image import FilePerImage
from lucid.stream.read.url import as_path
from lucid.stream.read.words import Said, Words, gathered, joined
from lucid.stream.types import Array


class MapsOfFiles(ManyMaps):
    """Files of maps (n, C, H, W), or of one map each, in order.

    Maps are numbered on from file to file. Those of files that have several are all of one size.
    """

    def __init__(
        self, specs: Sequence[str], pattern: str | None, axes: Axes, given: Ids | None, trust: bool
    ) -> None:
        name = pattern or f"{specs[0]} and {len(specs) - 1} more"
        super().__init__(name, axes)
        check = self.require_maps
        said = self._hold(FilePerImage(specs, [], FEATURES, check, trust, pattern))
        is_of_one = self.counts == [1] * len(specs)
        if len(self.sizes) > 1 and not is_of_one:
            self._refuse_sizes(specs)
        if not is_of_one:
            self.held_per_image = 16 + 512 * len(specs) // max(self.images, 1)
        try:
            self.words = self._words(specs, said, is_of_one)
        except BaseException:
            self.close()
            raise
        self.ids, self.ids_from = self._names(specs, given, is_of_one)
        this = self._arrays.as_input("features", self.shape, self.kind)
        self.inputs = [this, *(given.inputs if given else [])]
        self.paths = [*self._arrays.paths(), *(one.path for one in self.inputs[1:] if one.path)]

    def _refuse_sizes(self, specs: Sequence[str]) -> None:
        k = int((self.sizes != self.sizes[0]).any(axis=1).argmax())
        self.close()
        raise ShapeError(
            f"{specs[k]} must have maps of {self.sizes[0].tolist()} cells as the first file has, "
            f"got {self.sizes[k].tolist()}; only files of one map each may differ"
        )

    def _words(
        self, specs: Sequence[str], said: Sequence[tuple[Said, Said]], is_of_one: bool
    ) -> Words:
        """Return what files say about where boxes lie."""
        if is_of_one:
            return gathered(self.name, said, in_order=True)
        files = zip(specs, self.counts, said, strict=True)
        return joined(
            self.name, [Words(spec, n, {**others, **own}) for spec, n, (own, others) in files]
        )

    def _names(
        self, specs: Sequence[str], given: Ids | None, is_of_one: bool
    ) -> tuple[list[str] | None, str]:
        """Return what images are called, and how that was found."""
        if given is not None:
            return given.of_maps(self.counts), "argument"
        if is_of_one:
            return [as_path(re.sub("::.*", "", spec)).stem for spec in specs], "files"
        found = [ids_beside(self._arrays.opened(k), count) for k, count in enumerate(self.counts)]
        if any(ids is None for ids, _ in found):
            return None, ""
        return [one for ids, _ in found for one in ids or ()], found[0][1]

    def read_several(self, images: slice) -> Array:
        """Return maps, (n, C, H, W), of one file or of several."""
        parts, width = [], int(self.sizes[0, -1])
        for k, (before, count) in enumerate(zip(self._before.tolist(), self.counts, strict=True)):
            first, last = max(images.start - before, 0), min(images.stop - before, count)
            if first < last:
                array, some = self._arrays.again(k), slice(first, last)
                part = self._axes.whole(array, some, width)
                parts.append(part if part.ndim == len(self.shape) else part[None])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
